;; what: a component instead of a module
;; expect-load: the file is a WebAssembly component, not a core module
(component)
