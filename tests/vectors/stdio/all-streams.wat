;; what: half of max_log_bytes through the host, on standard output and on standard error: one budget for all three
;; expect: ok
;; expect-dropped-log: yes
;; expect-refused: max_log_bytes
;; limit: max_log_bytes=100
(module
  (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "\02\12..................")
  (data (i32.const 128) "..................\0a")
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (drop (call $call (i32.const 2) (i32.const 64) (i32.const 20)))
    (i32.store (i32.const 0) (i32.const 128))
    (i32.store (i32.const 4) (i32.const 19))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))))
