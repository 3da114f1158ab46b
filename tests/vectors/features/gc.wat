;; what: a struct type
;; expect-load: module uses the WebAssembly feature "garbage collection", which plugins may not use
(module
  (type (struct (field i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
