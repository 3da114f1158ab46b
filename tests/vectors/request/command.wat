;; what: a command asks as JSON for what it did not declare, and exits with the status
;; expect: failed with code 1
(module
  (import "conductor" "request" (func $request (param i32 i32) (result i64)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "{\"op\":\"midi-ports\"}")
  (func (export "_start")
    (call $exit (i32.wrap_i64 (i64.shr_u (call $request (i32.const 64) (i32.const 19)) (i64.const 32))))))
