;; what: a path of a megabyte: refused without copying it (ENOMEM, 48)
;; expect: failed with code 48
(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 32)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1048576) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 8))))
