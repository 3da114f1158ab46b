;; what: a loop with more fuel than time
;; limit: max_fuel=1000000000000
;; limit: max_execution_time_ms=100
;; expect: time limit exceeded
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (loop $forever (br $forever))
    (unreachable)))
