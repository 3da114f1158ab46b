;; what: a table of 10,001 elements
;; expect-load: plugin failed while starting: table limit exceeded
(module
  (memory (export "memory") 1)
  (table 10001 funcref)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
