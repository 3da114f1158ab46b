;; what: memory, then two messages, then memory again: each limit is named once, in order, and the call goes on
;; expect: ok
;; expect-refused: max_memory_bytes max_message_bytes
;; limit: max_memory_bytes=65536
;; limit: max_message_bytes=100
(module
  (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (drop (memory.grow (i32.const 1)))
    (drop (call $call (i32.const 0x200) (i32.const 0) (i32.const 101)))
    (drop (call $call (i32.const 0x200) (i32.const 0) (i32.const 101)))
    (drop (memory.grow (i32.const 1)))
    (i32.const 0)))
