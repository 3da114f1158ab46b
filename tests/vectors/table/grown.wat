;; what: a table that grows past the total: the plugin sees it fail
;; expect: ok
;; expect-refused: max_table_elements
(module
  (memory (export "memory") 1)
  (table $a 5000 funcref)
  (table $b 4000 funcref)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (if (i32.ne (table.grow $a (ref.null func) (i32.const 1001)) (i32.const -1)) (then (return (i32.const 1))))
    (i32.ne (table.grow $b (ref.null func) (i32.const 1000)) (i32.const 4000))))
