;; what: polling a thousand clocks that are due, again and again
;; expect: fuel exhausted
;; within-ms: 5000
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 3)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (loop $again
      (drop (call $poll (i32.const 2048) (i32.const 65536) (i32.const 1000) (i32.const 8)))
      (br $again))
    (unreachable)))
