;; what: a reactor that exits in place of returning, as if all were well
;; expect: broke the plugin ABI: exited with status 0 instead of returning
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (call $exit (i32.const 0))
    (unreachable)))
