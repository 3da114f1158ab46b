;; what: 20,000 log lines: kept up to max_log_bytes, the rest counted
;; expect: ok
;; expect-dropped-log: yes
;; expect-refused: max_log_bytes
(module
  (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 64) "\02\28........................................")
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (local $i i32)
    (loop $again
      (drop (call $call (i32.const 2) (i32.const 64) (i32.const 42)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 20000))))
    (i32.const 0)))
