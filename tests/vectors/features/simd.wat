;; what: the vector operations that toolchains emit by default are on
;; expect: ok
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32x4.extract_lane 0 (v128.const i32x4 0 0 0 0))))
