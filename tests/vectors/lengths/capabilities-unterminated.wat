;; what: capabilities without a NUL
;; expect-load: plugin failed while starting: broke the plugin ABI: `capabilities` returned text without an end
(module
  (memory (export "memory") 1)
  (func $fill (memory.fill (i32.const 0) (i32.const 65) (i32.const 65536)))
  (start $fill)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0))
  (func (export "capabilities") (result i32) (i32.const 0)))
