;; what: unbounded recursion in the start function
;; expect-load: plugin failed while starting: stack exhausted
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0))
  (func $deeper (param i32) (result i32)
    (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
  (func $start (drop (call $deeper (i32.const 0))))
  (start $start))
