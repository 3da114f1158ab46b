;; what: a 64-bit memory
;; expect-load: module uses the WebAssembly feature "memory64", which plugins may not use
(module
  (memory (export "memory") i64 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
