;; what: an exception tag
;; expect-load: module uses the WebAssembly feature "exceptions", which plugins may not use
(module
  (tag)
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
