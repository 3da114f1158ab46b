;; what: a component instead of a module
;; expect-load: this is a WebAssembly component; build a core module for wasm32-wasip1
(component)
