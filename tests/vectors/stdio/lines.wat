;; what: a page of line breaks: each costs as much of max_log_bytes as a line costs the host
;; expect: ok
;; expect-dropped-log: yes
;; expect-refused: max_log_bytes
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (memory.fill (i32.const 1024) (i32.const 10) (i32.const 60000))
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 60000))
    (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
