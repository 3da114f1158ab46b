//! Plugins for tests: unsigned plugins from bytes, and a plugin that keeps answering in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use conductor_core::{Host, LoadError, Outcome, Plugin, PluginOptions};
use conductor_signing::UnverifiedPlugin;

/// A request that any plugin accepts.
pub(crate) const REQUEST: &[u8] = br#"{"action":"go","context":{"timestamp":0},"parameters":null}"#;

/// Loads a plugin from bytes under the host's own policy.
pub(crate) fn load(
    host: &Host,
    file_name: &str,
    wasm: Vec<u8>,
    options: &PluginOptions,
) -> Result<Box<dyn Plugin>, LoadError> {
    host.load_unverified(UnverifiedPlugin::from_parts(file_name, wasm, None), options)
}

/// A well-behaved plugin that is called over and over while an attack runs.
pub(crate) struct Bystander {
    answered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Bystander {
    pub(crate) fn start(host: &Host) -> Self {
        let wasm = wat::parse_str(
            r#"(module
                (memory (export "memory") 1)
                (func (export "alloc") (param i32) (result i32) (i32.const 1024))
                (func (export "execute") (param i32 i32) (result i32) (i32.const 0)))"#,
        )
        .expect("valid text");
        let mut plugin = load(host, "bystander.wasm", wasm, &PluginOptions::default()).expect("loads");
        let (answered, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (answered, stop) = (Arc::clone(&answered), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
                    answered.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            }
        });
        Self { answered, stop, thread }
    }

    /// Number of calls answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends the background calls, and checks that each was answered.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the other plugin answered every call");
    }
}
