;; what: a growth to 200 MB: the plugin sees it fail and goes on
;; expect: ok
;; expect-refused: max_memory_bytes
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32.ne (memory.grow (i32.const 3200)) (i32.const -1))))
