;; what: one host call more than the second has room for: status 7, and the report names the limit
;; expect: failed with code 7
;; expect-refused: max_calls_per_second
;; limit: max_calls_per_second=2
(module
  (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func $ports (result i32)
    (i32.wrap_i64 (i64.shr_u (call $call (i32.const 0x200) (i32.const 0) (i32.const 0)) (i64.const 32))))
  (func (export "execute") (param i32 i32) (result i32)
    ;; Denied, because nothing is declared; a denied call counts too.
    (if (i32.ne (call $ports) (i32.const 1)) (then (return (i32.const 100))))
    (if (i32.ne (call $ports) (i32.const 1)) (then (return (i32.const 101))))
    (call $ports)))
