;; what: a reply as JSON
;; expect: ok
;; expect-reply: {"ok":true}
(module
  (import "conductor" "request" (func $request (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 64) "{\"op\":\"reply\",\"bytes\":\"base64:eyJvayI6dHJ1ZX0=\"}")
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32.wrap_i64 (i64.shr_u (call $request (i32.const 64) (i32.const 48)) (i64.const 32)))))
