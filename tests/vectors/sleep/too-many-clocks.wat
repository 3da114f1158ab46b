;; what: more subscriptions than a call may have: refused with EINVAL (28)
;; expect: failed with code 28
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 3)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (call $poll (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 0))))
