;; what: the host's function with one parameter too many
;; expect-load: module imports a host function with another type than it has
(module
  (import "conductor" "request" (func (param i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
