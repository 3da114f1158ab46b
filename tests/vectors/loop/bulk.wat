;; what: memory.fill of 100 MiB again and again: bytes cost fuel too
;; expect: fuel exhausted
(module
  (memory (export "memory") 1600)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (loop $again
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 104857600))
      (br $again))
    (unreachable)))
