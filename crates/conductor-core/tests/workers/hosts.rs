//! Hosts that run plugins in this process or in workers; the workers are this program again.

use std::process::ExitCode;
use std::sync::Arc;

use conductor_core::clock::SystemClock;
use conductor_core::worker::{WorkerError, WorkerProgram};
use conductor_core::{
    CodeCache, Devices, Host, HostError, LoadError, Plugin, PluginOptions, WasmConfig, WorkerOptions,
};

use crate::support;

/// A test for any host, and its name.
pub(crate) type OnHost = (&'static str, fn(&Host));

pub(crate) fn in_process() -> Host {
    Host::new(WasmConfig::default()).expect("host")
}

pub(crate) fn in_workers() -> Host {
    with(WasmConfig::default(), WorkerProgram::this(["worker"]))
}

/// A host whose workers run a given program.
pub(crate) fn with(config: WasmConfig, program: WorkerProgram) -> Host {
    with_cache(config, program, None)
}

/// As [`with`], but may fail.
pub(crate) fn try_with(config: WasmConfig, program: WorkerProgram) -> Result<Host, HostError> {
    let options =
        WorkerOptions { program, cache: None, allow_weak_isolation: false, clock: Arc::new(SystemClock) };
    Host::with_workers(config, Devices::default(), options)
}

/// As [`with`], with a cache of compiled code.
pub(crate) fn with_cache(config: WasmConfig, program: WorkerProgram, cache: Option<CodeCache>) -> Host {
    let clock = Arc::new(SystemClock);
    let options = WorkerOptions { program, cache, allow_weak_isolation: false, clock };
    Host::with_workers(config, Devices::default(), options).expect("host")
}

/// Loads a plugin that does nothing and has its own data directory.
pub(crate) fn load_with_directory(
    host: &Host,
    name: &str,
    options: PluginOptions,
) -> Result<Box<dyn Plugin>, LoadError> {
    let manifest = format!(
        r#"{{\"name\":\"{name}\",\"version\":\"1\",\"capabilities\":[{{\"name\":\"Filesystem\"}}]}}"#
    );
    let wasm = wat::parse_str(format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "alloc") (param i32) (result i32) (i32.const 1024))
            (func (export "execute") (param i32 i32) (result i32) (i32.const 0))
            (@custom "conductor:manifest" "{manifest}"))"#
    ))
    .expect("valid text");
    let granted = vec!["Filesystem".parse().expect("a grant")];
    let options = PluginOptions { granted, accept_unsigned: true, ..options };
    support::load(host, &format!("{name}.wasm"), wasm, &options)
}

/// The exit status of a worker. An error cannot be shown anywhere.
pub(crate) fn as_exit_code(result: Result<(), WorkerError>) -> ExitCode {
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
