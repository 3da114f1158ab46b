;; what: MIDI without having declared it: denied at the call, by name
;; expect: failed with code 1
;; expect-reply: Midi
(module
  (import "conductor" "call" (func $call (param i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 64) "\05synth\03\90\3c\40")
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "execute") (param i32 i32) (result i32)
    (local $result i64)
    (local.set $result (call $call (i32.const 0x201) (i32.const 64) (i32.const 10)))
    (drop (call $call (i32.const 0) (i32.const 4096) (i32.const 1024)))
    (drop (call $call (i32.const 1) (i32.const 4096) (i32.wrap_i64 (local.get $result))))
    (i32.wrap_i64 (i64.shr_u (local.get $result) (i64.const 32)))))
