;; what: a host call as JSON with pointer 0 and length 0
;; expect: failed with code 2
;; expect-reply: {"error":{"status":"invalid","message":"the request is not JSON: expected an object at byte 0"}}
(module
  (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
  (import "conductor" "request" (func $request (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (local $result i64)
    (local.set $result (call $request (i32.const 0) (i32.const 0)))
    (drop (call $call (i32.const 0) (i32.const 4096) (i32.const 1024)))
    (drop (call $call (i32.const 1) (i32.const 4096) (i32.wrap_i64 (local.get $result))))
    (i32.wrap_i64 (i64.shr_u (local.get $result) (i64.const 32)))))
