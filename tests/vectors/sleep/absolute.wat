;; what: a sleep until the end of time, on the wall clock
;; expect: fuel exhausted
;; within-ms: 5000
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i64.store (i32.const 2048) (i64.const 1))
    (i32.store8 (i32.const 2056) (i32.const 0))
    (i32.store (i32.const 2064) (i32.const 0))
    (i64.store (i32.const 2072) (i64.const -1))
    (i32.store16 (i32.const 2088) (i32.const 1))
    (call $poll (i32.const 2048) (i32.const 4096) (i32.const 1) (i32.const 8000))))
