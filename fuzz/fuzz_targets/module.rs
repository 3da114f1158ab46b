//! Any bytes as a module: the module is refused, or it runs and stays within its limits. The host survives both.

#![no_main]
#![forbid(unsafe_code)]

use std::sync::LazyLock;
use std::time::Duration;

use conductor_abi::Capability;
use conductor_core::{Host, Limits, Outcome, PluginOptions, WasmConfig};
use conductor_signing::UnverifiedPlugin;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use wasm_mutate::WasmMutate;

const REQUEST: &[u8] = br#"{"action":"go","context":{"timestamp":0},"parameters":null}"#;

/// Small limits, so that many inputs fit into a second.
fn limits() -> Limits {
    Limits {
        max_fuel: 200_000,
        max_memory_bytes: 4 * 1024 * 1024,
        max_table_elements: 1_000,
        max_execution_time: Duration::from_millis(500),
        max_open_files: 8,
        max_message_bytes: 4 * 1024,
        max_reply_bytes: 4 * 1024,
        max_log_bytes: 4 * 1024,
        max_module_bytes: 1024 * 1024,
        ..Limits::default()
    }
}

static HOST: LazyLock<Host> = LazyLock::new(|| match Host::new(WasmConfig::default()) {
    Ok(host) => host,
    #[expect(clippy::panic, reason = "there is nothing to fuzz without a host")]
    Err(error) => panic!("{error}"),
});

fuzz_target!(|bytes: &[u8]| {
    let options = PluginOptions {
        limits: Some(limits()),
        accept_unsigned: true,
        // A module may declare Network for public hosts, and would get it automatically.
        denied: vec![Capability::Network],
        ..PluginOptions::default()
    };
    let plugin = UnverifiedPlugin::from_parts("fuzzed.wasm", bytes.to_vec(), None);
    let Ok(mut plugin) = HOST.load_unverified(plugin, &options) else { return };
    // The second call finds what the first one left behind.
    for _ in 0..2 {
        let report = plugin.execute(REQUEST);
        let limits = limits();
        assert!(report.fuel_used <= limits.max_fuel, "{report:?}");
        assert!(report.peak_memory_bytes <= limits.max_memory_bytes, "{report:?}");
        assert!(report.reply.is_none_or(|reply| reply.len() <= limits.max_reply_bytes as usize));
        assert!(
            report.log.iter().map(|line| line.text.len()).sum::<usize>() <= limits.max_log_bytes as usize
        );
        // The modules run in this process, so there is no worker to crash.
        assert!(!matches!(report.outcome, Outcome::Crashed { .. }), "{:?}", report.outcome);
    }
});

// Most changes of single bytes make a module malformed, so that it is refused. Every second change therefore keeps the
// module valid, so that compiler and instance are tested as well.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let valid = data.get(..size).filter(|wasm| seed.is_multiple_of(2) && wasmparser::validate(wasm).is_ok());
    match valid.and_then(|wasm| mutant(wasm, max_size, seed)) {
        Some(mutant) => {
            data[..mutant.len()].copy_from_slice(&mutant);
            mutant.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
});

/// A valid module that differs from this one, if one of at most `max_size` bytes is found quickly.
fn mutant(wasm: &[u8], max_size: usize, seed: u32) -> Option<Vec<u8>> {
    let mut mutate = WasmMutate::default();
    mutate.seed(seed.into()).fuel(200).preserve_semantics(false);
    let mut mutants = mutate.run(wasm).ok()?;
    mutants.next()?.ok().filter(|mutant| mutant.len() <= max_size)
}
