;; what: an init whose answer is 4 GiB
;; expect-load: plugin failed while starting: broke the plugin ABI: `init` returned more than 65536 bytes
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0))
  (func (export "init") (result i64) (i64.const 0x00000000ffffffff)))
