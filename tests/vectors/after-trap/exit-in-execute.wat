;; what: a reactor that exits in place of returning: its exit status is the result, and the instance is gone
;; expect: ok
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (call $exit (i32.const 0))
    (unreachable)))
