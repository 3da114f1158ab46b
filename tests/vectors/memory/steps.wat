;; what: growth page by page: refused at exactly 128 MiB
;; expect: ok
;; expect-refused: max_memory_bytes
;; expect-peak-bytes: 134217728
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (loop $again
      (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (i32.ne (memory.size) (i32.const 2048))))
