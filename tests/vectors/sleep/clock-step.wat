;; what: clocks with a step of 20 ms: their resolution says so, they show nothing between, and a wait until a time between two steps ends when the clock shows that it is over
;; expect: ok
;; limit: wall_clock_step_ms=20
;; limit: monotonic_clock_step_ms=20
(module
  (import "wasi_snapshot_preview1" "clock_res_get" (func $resolution (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func $now (param $clock i32) (result i64)
    (if (call $time (local.get $clock) (i64.const 1) (i32.const 0)) (then (unreachable)))
    (if (i64.ne (i64.rem_u (i64.load (i32.const 0)) (i64.const 20000000)) (i64.const 0)) (then (unreachable)))
    (i64.load (i32.const 0)))
  (func $check (param $clock i32)
    (local $until i64)
    (if (call $resolution (local.get $clock) (i32.const 0)) (then (unreachable)))
    (if (i64.ne (i64.load (i32.const 0)) (i64.const 20000000)) (then (unreachable)))
    (local.set $until (i64.add (call $now (local.get $clock)) (i64.const 1)))
    (i32.store8 (i32.const 2056) (i32.const 0))
    (i32.store (i32.const 2064) (local.get $clock))
    (i64.store (i32.const 2072) (local.get $until))
    (i32.store16 (i32.const 2088) (i32.const 1))
    (if (call $poll (i32.const 2048) (i32.const 4096) (i32.const 1) (i32.const 8000)) (then (unreachable)))
    (if (i64.lt_u (call $now (local.get $clock)) (local.get $until)) (then (unreachable))))
  (func (export "execute") (param i32 i32) (result i32)
    (call $check (i32.const 0))
    (call $check (i32.const 1))
    (i32.const 0)))
