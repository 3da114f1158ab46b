;; what: an allocator that gives up when memory does not grow
;; expect: memory limit exceeded
;; expect-refused: max_memory_bytes
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (if (i32.eq (memory.grow (i32.const 3200)) (i32.const -1)) (then (unreachable)))
    (i32.const 0)))
