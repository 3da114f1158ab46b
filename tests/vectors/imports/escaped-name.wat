;; what: a name made to deceive a terminal
;; expect-load: module imports `env.\u{1b}[2J\u{202e}`, which this host does not offer
(module
  (import "env" "\1b[2J\e2\80\ae" (func))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))
