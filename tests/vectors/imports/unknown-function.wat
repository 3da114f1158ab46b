;; what: a WASI function that does not exist
;; expect-load: module imports `wasi_snapshot_preview1.path_exec`, which this host does not offer
(module
  (import "wasi_snapshot_preview1" "path_exec" (func))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
