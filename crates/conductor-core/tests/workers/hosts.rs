//! Hosts that run plugins in this process or in workers, which are this program again.

use std::process::ExitCode;

use conductor_core::worker::{WorkerError, WorkerProgram};
use conductor_core::{Devices, Host, WasmConfig, WorkerOptions};

pub(crate) fn in_process() -> Host {
    Host::new(WasmConfig::default()).expect("host")
}

pub(crate) fn in_workers() -> Host {
    with(WasmConfig::default(), WorkerProgram::this(["worker"]))
}

/// A host whose workers are a given program.
pub(crate) fn with(config: WasmConfig, program: WorkerProgram) -> Host {
    let options = WorkerOptions { program, cache: None, allow_weak_isolation: false };
    Host::with_workers(config, Devices::default(), options).expect("host")
}

/// How a worker ends: what went wrong has no place to be shown at.
pub(crate) fn as_exit_code(result: Result<(), WorkerError>) -> ExitCode {
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
