;; what: a request of one byte more than max_message_bytes: status 3, and the report names the limit
;; expect: failed with code 3
;; expect-refused: max_message_bytes
;; limit: max_message_bytes=100
(module
  (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32.wrap_i64 (i64.shr_u (call $call (i32.const 0x200) (i32.const 0) (i32.const 101)) (i64.const 32)))))
