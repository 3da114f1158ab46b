;; what: an import that the host does not offer
;; expect-load: module imports `env.system`, which this host does not offer
(module
  (import "env" "system" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
