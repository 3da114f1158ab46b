;; what: random bytes for a buffer that is not there: charged before it is looked at
;; expect: fuel exhausted
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (call $random (i32.const 0) (i32.const -1))))
