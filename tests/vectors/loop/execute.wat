;; what: an infinite loop in execute
;; expect: fuel exhausted
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (loop $forever (br $forever))
    (unreachable)))
