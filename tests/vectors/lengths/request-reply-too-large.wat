;; what: a reply as JSON that stands for two bytes more than max_reply_bytes
;; expect: reply too large
(module
  (import "conductor" "request" (func $request (param i32 i32) (result i64)))
  (memory (export "memory") 32)
  (data (i32.const 0) "{\"op\":\"reply\",\"bytes\":\"base64:")
  (data (i32.const 1398134) "\"}")
  (func (export "alloc") (param i32) (result i32) (i32.const 1500000))
  (func (export "execute") (param i32 i32) (result i32)
    (memory.fill (i32.const 30) (i32.const 65) (i32.const 1398104))
    (i32.wrap_i64 (i64.shr_u (call $request (i32.const 0) (i32.const 1398136)) (i64.const 32)))))
