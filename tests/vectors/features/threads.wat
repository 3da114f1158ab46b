;; what: atomic operations
;; expect-load: module uses the WebAssembly feature "threads", which plugins may not use
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32.atomic.load (i32.const 0))))
