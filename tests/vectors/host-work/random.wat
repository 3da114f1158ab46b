;; what: a gigabyte of random bytes, 64 MiB at a time
;; expect: fuel exhausted
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1025)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (local $i i32)
    (loop $again
      (drop (call $random (i32.const 0) (i32.const 67108864)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 16))))
    (i32.const 0)))
