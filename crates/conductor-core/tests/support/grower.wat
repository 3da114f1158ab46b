;; Grows a page at a time, writes to every 4 KiB of it, so that all of it is resident, and asks for 200 MB on top.
(module
    (memory (export "memory") 1)
    (func (export "alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "execute") (param i32 i32) (result i32)
        (local $at i32)
        (local $end i32)
        (block $full
            (loop $again
                (local.set $at (memory.grow (i32.const 1)))
                (br_if $full (i32.eq (local.get $at) (i32.const -1)))
                (local.set $at (i32.shl (local.get $at) (i32.const 16)))
                (local.set $end (i32.add (local.get $at) (i32.const 65536)))
                (loop $touch
                    (i32.store (local.get $at) (i32.const 1))
                    (local.set $at (i32.add (local.get $at) (i32.const 4096)))
                    (br_if $touch (i32.lt_u (local.get $at) (local.get $end))))
                (br $again)))
        (i32.ne (memory.grow (i32.const 3200)) (i32.const -1))))
