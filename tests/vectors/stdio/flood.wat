;; what: a hundred megabytes on standard output: kept up to max_log_bytes, ended by fuel
;; expect: fuel exhausted
;; expect-dropped-log: yes
;; expect-refused: max_log_bytes
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 17)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (i32.store (i32.const 4) (i32.const 1048576))
    (loop $again
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $again))
    (unreachable)))
