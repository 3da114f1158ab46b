;; what: standard input of a reactor is empty
;; expect: ok
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 1024))
    (i32.store (i32.const 8) (i32.const 77))
    (i32.or
      (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))
      (i32.load (i32.const 8)))))
