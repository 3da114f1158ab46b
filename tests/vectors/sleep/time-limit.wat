;; what: a sleep with more fuel than time
;; limit: max_fuel=1000000000000
;; limit: max_execution_time_ms=100
;; expect: time limit exceeded
;; within-ms: 5000
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i64.store (i32.const 2048) (i64.const 1))
    (i32.store8 (i32.const 2056) (i32.const 0))
    (i32.store (i32.const 2064) (i32.const 1))
    (i64.store (i32.const 2072) (i64.const -1))
    (i32.store16 (i32.const 2088) (i32.const 0))
    (call $poll (i32.const 2048) (i32.const 4096) (i32.const 1) (i32.const 8000))))
