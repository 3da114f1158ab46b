//! Which walls the programs of this package put around plugins.

use std::path::PathBuf;
use std::sync::Arc;

#[cfg(target_os = "linux")]
use conductor_core::launcher::Launcher;
use conductor_core::{Devices, Host, HostError, MidiInputs, MidiOutputs, Networks, Sounding, WasmConfig};
use conductor_secrets::Vault;
use conductor_surface::desktop::UserDesktop;
use conductor_surface::sound::SystemSound;

use crate::paths::Paths;

/// Argument with which this package's `conductor` runs as a worker.
pub const WORKER_ARGUMENT: &str = "worker";

/// Argument with which this package's `conductor` starts a program for a plugin.
pub const LAUNCH_ARGUMENT: &str = "launch";

/// The devices that a program of this package offers to plugins that are granted them. `sounding` is what plugins leave
/// sounding at `midi`.
#[must_use]
pub fn devices(
    midi: Arc<dyn MidiOutputs>,
    sounding: Sounding,
    midi_inputs: Arc<dyn MidiInputs>,
    networks: &Networks,
    paths: &Paths,
) -> Devices {
    let devices = Devices {
        midi,
        sounding: Some(sounding),
        midi_inputs,
        audio: Arc::new(SystemSound),
        secrets: Arc::new(Vault::new(paths.secrets_file())),
        desktop: Arc::new(UserDesktop),
        networks: Arc::new(networks.clone()),
        ..Devices::default()
    };
    #[cfg(target_os = "linux")]
    let devices = Devices { launcher: Some(Launcher::this([LAUNCH_ARGUMENT])), ..devices };
    devices
}

/// Longest wait for the launcher's check.
#[cfg(target_os = "linux")]
const PROGRAM_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Checks whether this machine can run programs for plugins.
///
/// # Errors
///
/// Says why not, in words.
#[cfg(target_os = "linux")]
pub(crate) fn check_programs() -> Result<(), String> {
    Launcher::this([LAUNCH_ARGUMENT]).check(PROGRAM_WAIT)
}

/// Where plugins run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each plugin in its own process, which the operating system confines.
    Workers {
        /// Whether plugins run even where the operating system cannot confine them.
        allow_weak: bool,
    },
    /// All plugins in this process, behind WebAssembly alone.
    InProcess,
}

/// How plugins are hosted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosting {
    isolation: Isolation,
    code_dir: PathBuf,
    code_secret: PathBuf,
}

impl Hosting {
    /// Hosts plugins, with the compiled code and its secret in the usual places.
    #[must_use]
    pub fn new(isolation: Isolation, paths: &Paths) -> Self {
        Self { isolation, code_dir: paths.code_dir(), code_secret: paths.state_dir().join("code.secret") }
    }

    /// Makes the host.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot run plugins, or cannot confine them although `isolation` demands it.
    pub fn host(&self, config: WasmConfig, devices: Devices) -> Result<Host, HostError> {
        match self.isolation {
            Isolation::InProcess => {
                tracing::warn!("plugins run in this process, behind one wall");
                Host::with_devices(config, devices)
            }
            Isolation::Workers { allow_weak } => self.with_workers(config, devices, allow_weak),
        }
    }

    #[cfg(target_os = "linux")]
    fn with_workers(
        &self,
        config: WasmConfig,
        devices: Devices,
        allow_weak_isolation: bool,
    ) -> Result<Host, HostError> {
        use conductor_core::CodeCache;
        use conductor_core::WorkerOptions;
        use conductor_core::clock::SystemClock;
        use conductor_core::worker::WorkerProgram;

        let cache = match CodeCache::open(&self.code_dir, &self.code_secret) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!("compiled code is not kept: {error}");
                None
            }
        };
        let program = WorkerProgram::this([WORKER_ARGUMENT]);
        let clock = Arc::new(SystemClock);
        let options = WorkerOptions { program, cache, allow_weak_isolation, clock };
        let host = Host::with_workers(config, devices, options)?;
        if host.walls().both_stand() {
            let landlock_abi = host.walls().process.map(|wall| wall.landlock_abi);
            tracing::info!(landlock_abi, "plugins run in worker processes that the kernel confines");
        } else {
            tracing::warn!(
                "this system cannot confine plugins: they run behind one wall, as --allow-weak-isolation permits"
            );
        }
        Ok(host)
    }

    #[cfg(not(target_os = "linux"))]
    fn with_workers(
        &self,
        config: WasmConfig,
        devices: Devices,
        allow_weak: bool,
    ) -> Result<Host, HostError> {
        if !allow_weak {
            return Err(HostError::NoWorkers);
        }
        tracing::warn!(
            "worker processes exist on Linux only so far: plugins run behind one wall, as --allow-weak-isolation permits"
        );
        Host::with_devices(config, devices)
    }
}
