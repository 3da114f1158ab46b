;; what: a host call with pointer 0 and length 1
;; expect: failed with code 1
(module
  (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32.wrap_i64 (i64.shr_u (call $call (i32.const 513) (i32.const 0) (i32.const 1)) (i64.const 32)))))
