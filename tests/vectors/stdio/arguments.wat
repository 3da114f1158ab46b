;; what: arguments are the plugin's name alone, the environment is empty
;; expect: ok
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (drop (call $args (i32.const 0) (i32.const 4)))
    (drop (call $environ (i32.const 8) (i32.const 12)))
    (i32.or (i32.ne (i32.load (i32.const 0)) (i32.const 1)) (i32.load (i32.const 8)))))
