;; what: a tail call
;; expect-load: module uses the WebAssembly feature "tail calls", which plugins may not use
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func $zero (result i32) (i32.const 0))
  (func (export "execute") (param i32 i32) (result i32)
    (return_call $zero)))
