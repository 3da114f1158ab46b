;; what: 200 MB from the start
;; expect-load: plugin failed while starting: memory limit exceeded
(module
  (memory (export "memory") 3200)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
