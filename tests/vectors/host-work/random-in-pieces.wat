;; what: more random bytes than are made at once: all of them arrive
;; expect: ok
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (if (call $random (i32.const 0) (i32.const 200000)) (then (return (i32.const 1))))
    (i64.eqz (i64.load (i32.const 199992)))))
