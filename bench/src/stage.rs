//! The place of a run: a directory that is deleted afterwards, a key that is trusted in it, and plugins signed with
//! that key.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use conductor_core::clock::SystemClock;
use conductor_core::worker::WorkerProgram;
use conductor_core::{CodeCache, Devices, Host, PluginOptions, WasmConfig, WorkerOptions};
use conductor_signing::{
    Developer, NewKey, PluginFile, SigningKey, SigningRequest, TrustStore, signature_path,
};
use tempfile::TempDir;

use crate::modules;

/// Any error ends the run.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The request that plugins parse: 200 bytes.
pub(crate) const REQUEST: &[u8; 200] = br#"{"action":"parse","context":{"velocity":100,"note":60,"channel":0,"current_mode":"default","timestamp":1764106000000,"metadata":{}},"parameters":{"port":"synthesizer","channel":0,"intervals":[0,4,7]}}"#;

/// Programs and guests that were built before.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Built {
    /// The daemon
    #[arg(long, value_name = "FILE")]
    pub(crate) conductor: PathBuf,
    /// The signing tool
    #[arg(long, value_name = "FILE")]
    pub(crate) conductor_sign: PathBuf,
    /// Directory of the guests
    #[arg(long, value_name = "DIR")]
    pub(crate) guests: PathBuf,
}

/// A directory with a trusted key.
pub(crate) struct Stage {
    pub(crate) built: Built,
    directory: TempDir,
    key: SigningKey,
}

impl Stage {
    pub(crate) fn new(built: &Built) -> Result<Self> {
        let stage =
            Self { built: built.clone(), directory: tempfile::tempdir()?, key: SigningKey::generate()? };
        TrustStore::add(&stage.config_dir(), NewKey::new("bench", stage.key.public_key()))?;
        Ok(stage)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of the trust store.
    pub(crate) fn config_dir(&self) -> PathBuf {
        self.path().join("config")
    }

    /// The bytes of a guest as it was built.
    pub(crate) fn built(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.built.guests.join(format!("{name}.wasm"));
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// The bytes of a guest, with a manifest that names it.
    pub(crate) fn guest(&self, name: &str) -> Result<Vec<u8>> {
        Ok(modules::renamed(&self.built(name)?, name))
    }

    /// Writes and signs a plugin.
    pub(crate) fn plugin(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path().join(format!("{name}.wasm"));
        fs::write(&path, bytes)?;
        let request = SigningRequest::of(Developer::new("Bench", "bench@example.org")?);
        let document = PluginFile::scan(&path)?.sign(&self.key, request)?;
        fs::write(signature_path(&path), document.to_json())?;
        Ok(path)
    }

    /// The configuration of hosts, which requires signatures.
    pub(crate) fn config(&self) -> WasmConfig {
        WasmConfig {
            require_signature: true,
            trust_dir: Some(self.config_dir()),
            max_calls_per_second: u32::MAX,
            ..WasmConfig::default()
        }
    }

    /// A host that runs plugins in the daemon's worker processes, behind both walls, with a cache of compiled code.
    pub(crate) fn workers(&self, config: WasmConfig, devices: Devices) -> Result<Host> {
        let cache = CodeCache::open(&self.path().join("code"), &self.path().join("code.secret"))?;
        let program = WorkerProgram::new(&self.built.conductor, ["worker"]);
        let options = WorkerOptions {
            program,
            cache: Some(cache),
            allow_weak_isolation: false,
            clock: std::sync::Arc::new(SystemClock),
        };
        Ok(Host::with_workers(config, devices, options)?)
    }
}

/// Options that grant Midi.
pub(crate) fn with_midi() -> Result<PluginOptions> {
    Ok(PluginOptions { granted: vec!["Midi".parse()?], ..PluginOptions::default() })
}

/// Runs a call that must succeed.
pub(crate) fn succeed(plugin: &mut dyn conductor_core::Plugin, request: &[u8]) {
    let report = plugin.execute(request);
    assert_eq!(report.outcome, conductor_core::Outcome::Ok, "{report:?}");
}
