;; what: an alloc that points outside the memory
;; expect: broke the plugin ABI: `alloc` returned a pointer outside the plugin's memory
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const -1))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
