;; what: memory refused while the plugin starts is in the report of its first call
;; expect: ok
;; expect-refused: max_memory_bytes
;; limit: max_memory_bytes=65536
(module
  (memory (export "memory") 1)
  (func (export "_initialize") (drop (memory.grow (i32.const 1))))
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
