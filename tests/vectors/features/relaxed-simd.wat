;; what: a relaxed vector operation
;; expect-load: module uses the WebAssembly feature "relaxed SIMD", which plugins may not use
(module
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32x4.extract_lane 0
      (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0)))))
