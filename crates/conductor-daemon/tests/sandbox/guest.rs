//! The hostile guest, loaded through the library with a data directory that the test can read.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use conductor_abi::Request;
use conductor_core::CodeCache;
use conductor_core::clock::SystemClock;
use conductor_core::worker::WorkerProgram;
use conductor_core::{
    CallReport, Devices, Host, Limits, LoadError, Plugin, PluginOptions, WasmConfig, WorkerOptions,
};
use conductor_signing::UnverifiedPlugin;
use serde_json::Value;
use tempfile::TempDir;

/// A host with its own data directory.
pub(crate) struct Guests {
    home: TempDir,
    host: Host,
}

/// Makes two tests of each function: one with guests in this process, one with guests in workers.
macro_rules! in_both_modes {
    ($($name:ident)*) => {
        $(mod $name {
            #[test]
            fn in_process() {
                super::$name(&crate::sandbox::guest::Guests::in_process());
            }

            #[test]
            fn in_worker() {
                super::$name(&crate::sandbox::guest::Guests::in_workers());
            }
        })*
    };
}
pub(crate) use in_both_modes;

impl Guests {
    pub(crate) fn in_process() -> Self {
        Self::hosted_by(|config| Host::new(config).expect("host"))
    }

    pub(crate) fn in_workers() -> Self {
        Self::hosted_by(|config| {
            let program = WorkerProgram::new(env!("CARGO_BIN_EXE_conductor"), ["worker"]);
            // One cache for all tests, because other tests check what is in it.
            let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox-code");
            let cache = CodeCache::open(&cache, &cache.with_extension("secret")).expect("code cache");
            let options = WorkerOptions {
                program,
                cache: Some(cache),
                allow_weak_isolation: false,
                clock: std::sync::Arc::new(SystemClock),
            };
            Host::with_workers(config, Devices::default(), options).expect("host")
        })
    }

    fn hosted_by(host: impl FnOnce(WasmConfig) -> Host) -> Self {
        let home = tempfile::tempdir().expect("scratch home");
        let config = WasmConfig { data_dir: Some(home.path().join("plugin-data")), ..WasmConfig::default() };
        Self { home, host: host(config) }
    }

    /// The directory of everything that the test made, including the data directories.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The data directory of the guest with this name.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.home.path().join("plugin-data").join(name)
    }

    /// The hostile guest with these grants.
    pub(crate) fn hostile(&self, grants: &[&str], limits: Limits) -> Box<dyn Plugin> {
        self.try_hostile(grants, limits).expect("the hostile guest loads")
    }

    /// As [`Self::hostile`], for tests in which loading may be refused.
    pub(crate) fn try_hostile(&self, grants: &[&str], limits: Limits) -> Result<Box<dyn Plugin>, LoadError> {
        let grants = grants.iter().map(|text| text.parse().expect("a grant")).collect();
        let options = PluginOptions {
            limits: Some(limits),
            granted: grants,
            accept_unsigned: true,
            ..PluginOptions::default()
        };
        self.host.load(&crate::wasm::fixture("hostile"), &options)
    }

    /// The hostile guest under another name, which makes it another plugin.
    pub(crate) fn renamed(&self, name: &str) -> Box<dyn Plugin> {
        assert_eq!(name.len(), "hostile".len(), "a name of the same length keeps the module valid");
        let mut module = Vec::new();
        let file = File::open(crate::wasm::fixture("hostile"));
        file.and_then(|mut file| file.read_to_end(&mut module)).expect("built and readable");
        // The manifest is in the module twice: in its section, and in the answer of `init`.
        let (old, new) = (br#""name":"hostile""#, format!(r#""name":"{name}""#).into_bytes());
        let mut found = 0;
        for at in 0..module.len() {
            if module[at..].starts_with(old) {
                module.splice(at..at + old.len(), new.iter().copied());
                found += 1;
            }
        }
        assert!(found > 0, "the manifest names it");
        let options = PluginOptions {
            granted: vec!["Filesystem".parse().expect("a grant")],
            accept_unsigned: true,
            ..PluginOptions::default()
        };
        let plugin = UnverifiedPlugin::from_parts("renamed.wasm", module, None);
        let plugin = self.host.load_unverified(plugin, &options).expect("the renamed guest loads");
        assert_eq!(plugin.info().name.as_str(), name);
        plugin
    }
}

/// One call of an action.
pub(crate) fn call(plugin: &mut dyn Plugin, action: &str, parameters: Value) -> CallReport {
    let request = Request { action: action.into(), parameters, ..Request::default() };
    plugin.execute(&serde_json::to_vec(&request).expect("a request"))
}

/// The reply as JSON.
pub(crate) fn reply(report: &CallReport) -> Value {
    let reply = report.reply.as_deref().unwrap_or_else(|| panic!("no reply: {report:?}"));
    serde_json::from_slice(reply).expect("a reply in JSON")
}
