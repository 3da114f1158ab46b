;; what: unbounded recursion
;; expect: stack exhausted
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func $deeper (param i32) (result i32)
    (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
  (func (export "execute") (param i32 i32) (result i32)
    (call $deeper (i32.const 0))))
