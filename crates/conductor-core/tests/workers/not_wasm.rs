//! Files that are not plugins, and modules that claim more than they have: refused with the right name, without a panic
//! and before the compiler.

use std::fs::File;
use std::io::Read as _;
use std::time::{Duration, Instant};

use conductor_core::{Host, LoadError, PluginOptions};

use crate::hosts::OnHost;
use crate::support::load;

/// The tests for every host, with their names.
pub(crate) const TESTS: [OnHost; 4] = [
    ("not_wasm::what_is_not_a_module_is_called_what_it_is", what_is_not_a_module_is_called_what_it_is),
    ("not_wasm::a_gigabyte_of_zeros_is_refused_by_its_size", a_gigabyte_of_zeros_is_refused_by_its_size),
    (
        "not_wasm::modules_that_would_cost_the_compiler_too_much_are_counted_first",
        modules_that_would_cost_the_compiler_too_much_are_counted_first,
    ),
    ("not_wasm::truncation_at_every_offset_is_refused", truncation_at_every_offset_is_refused),
];

/// Longest time for a malformed module: ten times the promised time.
const WATCHDOG: Duration = Duration::from_secs(50);

fn refusal(host: &Host, bytes: &[u8]) -> String {
    match load(host, "thing.wasm", bytes.to_vec(), &PluginOptions::default()) {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn what_is_not_a_module_is_called_what_it_is(host: &Host) {
    let mut elf = [0; 4096];
    File::open("/proc/self/exe").and_then(|mut file| file.read_exact(&mut elf)).expect("readable");
    let module = wat::parse_str("(module)").expect("valid text");
    let engine = wasmtime::Engine::default();
    #[expect(clippy::disallowed_methods, reason = "the artifact is what is to be refused")]
    let artifact = engine.precompile_module(&module).expect("compiles");
    let cases: [(&[u8], &str); 11] = [
        (b"", "the file is an empty file"),
        (b"x", "the file is not a WebAssembly module"),
        (b"\0asm", "the file is WebAssembly of an unknown version"),
        (b"(module)", "the file is WebAssembly text, not a compiled module"),
        (b"  ;; hello\n(module)", "the file is WebAssembly text, not a compiled module"),
        (&elf, "the file is an ELF program or library, not a module"),
        (&artifact, "the file is machine code compiled ahead of time, not a module"),
        (b"\0asm\x0d\0\x01\0", "the file is a WebAssembly component, not a core module"),
        (b"\0asm\x02\0\0\0", "the file is WebAssembly of an unknown version"),
        (&[0; 64], "the file is not a WebAssembly module"),
        (b"#!/bin/sh\necho hello", "the file is not a WebAssembly module"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(refusal(host, bytes), expected);
    }
    assert_eq!(
        refusal(host, &module),
        "module exports neither `execute` nor `_start`, so it is not a plugin"
    );
}

pub(crate) fn a_gigabyte_of_zeros_is_refused_by_its_size(host: &Host) {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("zeros.wasm");
    let file = File::create(&path).expect("created");
    file.set_len(1 << 30).expect("a sparse file");
    let Err(error) = host.load(&path, &PluginOptions::default()) else { panic!("it was loaded") };
    let text = error.to_string();
    assert!(text.contains("67108864"), "{text}");
}

pub(crate) fn modules_that_would_cost_the_compiler_too_much_are_counted_first(host: &Host) {
    let function = |body: &str| wat::parse_str(format!("(module (func {body}))")).expect("valid text");
    let cases = [
        (
            wat::parse_str(format!("(module {})", "(func)".repeat(200_000))).expect("valid text"),
            "module has 200000 functions, more than 50000",
        ),
        (
            function(&format!("(local {})", "i32 ".repeat(50_000))),
            "module has 50000 locals in one function, more than 5000",
        ),
        (
            function(&format!("{}{}", "(block ".repeat(10_000), ")".repeat(10_000))),
            "module has 8193 nested blocks, more than 8192",
        ),
        (function(&"(block)".repeat(60_000)), "module has 50001 blocks in one function, more than 50000"),
        (function(&"(block)".repeat(1_000_000)), "module has 50001 blocks in one function, more than 50000"),
        (
            function(&format!("(block (br_table {} (i32.const 0)))", "0 ".repeat(100_000))),
            "module has 99999 branch targets in one function, more than 65536",
        ),
        (
            function(&format!("(local {}) {}", "i32 ".repeat(400), "(loop)".repeat(400))),
            "module has 160000 loops × locals in one function, more than 50000",
        ),
        (
            function(&format!("(local {}) {}", "i32 ".repeat(1_000), "(block)".repeat(251))),
            "module has 251000 blocks × locals in one function, more than 250000",
        ),
        (
            wat::parse_str(format!("(module {})", "(table 0 funcref)".repeat(101))).expect("valid text"),
            "module has 101 tables, more than 100",
        ),
    ];
    for (wasm, expected) in cases {
        let started = Instant::now();
        assert_eq!(refusal(host, &wasm), expected);
        assert!(started.elapsed() < WATCHDOG);
    }
}

pub(crate) fn truncation_at_every_offset_is_refused(host: &Host) {
    let text = include_str!("../../../../tests/vectors/imports/undeclared-capability.wat");
    let wasm = wat::parse_str(text).expect("valid text");
    // A cut right after a section leaves a smaller module, and a module that lost only its names, or its data as well,
    // is still a plugin.
    let loaded = (0..wasm.len())
        .filter(|len| {
            let part = wasm.get(..*len).expect("in range").to_vec();
            load(host, "part.wasm", part, &PluginOptions::default()).is_ok()
        })
        .count();
    assert!(loaded <= 2, "{loaded} of {} truncated modules were loaded", wasm.len());
}

/// Modules that tools made from a plugin, or from noise, one set for each number.
fn no_panic(host: &Host, modules: u64) {
    let seed = wat::parse_str(include_str!("../../../../tests/vectors/loop/bulk.wat")).expect("valid text");
    let mut looked_at = 0;
    for number in 0..modules {
        let started = Instant::now();
        let mut mutate = wasm_mutate::WasmMutate::default();
        mutate.seed(number).preserve_semantics(false);
        if let Ok(mutants) = mutate.run(&seed) {
            for mutant in mutants.take(2).flatten() {
                look_at(host, "mutant.wasm", mutant);
                looked_at += 1;
            }
        }
        let mut flipped = seed.clone();
        let at = (number as usize * 7) % flipped.len();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 1 << (number % 8);
        }
        look_at(host, "flipped.wasm", flipped);
        let noise: Vec<u8> = (0..2048u64).map(|i| ((i * (number + 1) * 2_654_435_761) >> 13) as u8).collect();
        let mut source = arbitrary::Unstructured::new(&noise);
        if let Ok(module) = wasm_smith::Module::new(wasm_smith::Config::default(), &mut source) {
            look_at(host, "generated.wasm", module.to_bytes());
            looked_at += 1;
        }
        assert!(started.elapsed() < WATCHDOG, "module {number} took {:?}", started.elapsed());
    }
    assert!(looked_at > modules, "only {looked_at} modules were made");
}

/// Loads a module that may be refused; a worker that panicked has ended, which does not count as a refusal.
fn look_at(host: &Host, name: &str, wasm: Vec<u8>) {
    if let Err(error @ LoadError::Worker { .. }) = load(host, name, wasm, &PluginOptions::default()) {
        panic!("{name}: {error}");
    }
}

/// Many modules, because checking one costs little on this host.
pub(crate) fn mutated_and_generated_modules_never_panic(host: &Host) {
    no_panic(host, 150);
}

/// Fewer modules, because each with a valid shape costs a process.
pub(crate) fn some_mutated_and_generated_modules_never_panic(host: &Host) {
    no_panic(host, 25);
}
