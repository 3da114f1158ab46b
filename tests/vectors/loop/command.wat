;; what: an infinite loop in a command's _start
;; expect: fuel exhausted
(module
  (memory (export "memory") 1)
  (func (export "_start") (loop $forever (br $forever))))
