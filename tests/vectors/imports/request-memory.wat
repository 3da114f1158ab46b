;; what: an imported memory
;; expect-load: module imports `conductor.request`, which this host does not offer
(module
  (import "conductor" "request" (memory 1))
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
