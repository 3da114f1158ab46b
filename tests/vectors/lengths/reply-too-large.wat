;; what: a reply of one byte more than max_reply_bytes
;; expect: reply too large
(module
  (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
  (memory (export "memory") 32)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32.wrap_i64 (i64.shr_u (call $call (i32.const 1) (i32.const 0) (i32.const 1048577)) (i64.const 32)))))
