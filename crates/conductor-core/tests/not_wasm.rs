//! Files that are not plugins, and modules that claim more than they have: refused by name, without a panic and without
//! reaching the compiler.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up fails, outside its test function too"
)]

#[path = "support/plugins.rs"]
#[expect(dead_code, reason = "each test binary uses a part of the support")]
mod support;

use std::fs::File;
use std::io::Read as _;
use std::time::{Duration, Instant};

use conductor_core::{Host, PluginOptions, WasmConfig};
use conductor_signing::UnverifiedPlugin;
use support::load;

/// Longest that looking at any malformed module may take: ten times what the promise says.
const WATCHDOG: Duration = Duration::from_secs(50);

fn refusal(host: &Host, bytes: &[u8]) -> String {
    match load(host, "thing.wasm", bytes.to_vec(), &PluginOptions::default()) {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_not_a_module_is_called_what_it_is() {
    let host = Host::new(WasmConfig::default()).expect("host");
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
        assert_eq!(refusal(&host, bytes), expected);
    }
    assert_eq!(
        refusal(&host, &module),
        "module exports neither `execute` nor `_start`, so it is not a plugin"
    );
}

#[test]
fn a_gigabyte_of_zeros_is_refused_by_its_size() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("zeros.wasm");
    let file = File::create(&path).expect("created");
    file.set_len(1 << 30).expect("a sparse file");
    let host = Host::new(WasmConfig::default()).expect("host");
    let Err(error) = host.load(&path, &PluginOptions::default()) else { panic!("it was loaded") };
    let text = error.to_string();
    assert!(text.contains("67108864"), "{text}");
}

#[test]
fn modules_that_would_cost_the_compiler_too_much_are_counted_first() {
    let host = Host::new(WasmConfig::default()).expect("host");
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
        (
            function(&"(block)".repeat(1_000_000)),
            "module has 3000002 bytes in one function, more than 524288",
        ),
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
        assert_eq!(refusal(&host, &wasm), expected);
        assert!(started.elapsed() < WATCHDOG);
    }
}

#[test]
fn truncation_at_every_offset_is_refused() {
    let text = include_str!("../../../tests/vectors/imports/undeclared-capability.wat");
    let wasm = wat::parse_str(text).expect("valid text");
    let host = Host::new(WasmConfig::default()).expect("host");
    // A cut right after a section leaves a smaller module, and one that lost only its names, or its data too, is
    // still a plugin.
    let loaded = (0..wasm.len())
        .filter(|len| {
            let part = wasm.get(..*len).expect("in range").to_vec();
            load(&host, "part.wasm", part, &PluginOptions::default()).is_ok()
        })
        .count();
    assert!(loaded <= 2, "{loaded} of {} truncated modules were loaded", wasm.len());
}

#[test]
fn mutated_and_generated_modules_never_panic() {
    const MODULES: u64 = 150;
    let host = Host::new(WasmConfig::default()).expect("host");
    let seed = wat::parse_str(include_str!("../../../tests/vectors/loop/bulk.wat")).expect("valid text");
    let mut looked_at = 0;
    for number in 0..MODULES {
        let started = Instant::now();
        let mut mutate = wasm_mutate::WasmMutate::default();
        mutate.seed(number).preserve_semantics(false);
        if let Ok(mutants) = mutate.run(&seed) {
            for mutant in mutants.take(2).flatten() {
                let _ = load(&host, "mutant.wasm", mutant, &PluginOptions::default());
                looked_at += 1;
            }
        }
        let mut flipped = seed.clone();
        let at = (number as usize * 7) % flipped.len();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 1 << (number % 8);
        }
        let _ = load(&host, "flipped.wasm", flipped, &PluginOptions::default());
        let noise: Vec<u8> = (0..2048u64).map(|i| ((i * (number + 1) * 2_654_435_761) >> 13) as u8).collect();
        let mut source = arbitrary::Unstructured::new(&noise);
        if let Ok(module) = wasm_smith::Module::new(wasm_smith::Config::default(), &mut source) {
            let _ = load(&host, "generated.wasm", module.to_bytes(), &PluginOptions::default());
            looked_at += 1;
        }
        assert!(started.elapsed() < WATCHDOG, "module {number} took {:?}", started.elapsed());
    }
    assert!(looked_at > MODULES, "only {looked_at} modules were made");
}

#[test]
fn reading_stops_at_the_limit_of_the_plugin_not_of_the_host() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("small.wasm");
    std::fs::write(&path, [0; 101]).expect("written");
    assert!(UnverifiedPlugin::read(&path, 100).is_err());
    assert!(UnverifiedPlugin::read(&path, 101).is_ok());
}
