//! Loading a signed plugin of a megabyte: from compiled code, into this process and into a new worker, and for the
//! first time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use conductor_core::CodeCache;
use conductor_core::{Devices, Host, PluginOptions, WasmConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use crate::modules;
use crate::peer::bare::{self, Bare};
use crate::report::{MILLISECONDS, Row};
use crate::sample::{Effort, Subject, alternate};
use crate::stage::{Built, Result, Stage};

pub(crate) fn measure(built: &Built, effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::new(built)?;
    let bytes = modules::megabyte();
    let path = stage.plugin("megabyte", &bytes)?;

    let bare = Bytes::new(&stage, &path, &bytes)?;
    let cached = Host::with_code_cache(stage.config(), Devices::default(), cache(&stage)?)?;
    drop(cached.load(&path, &PluginOptions::default())?);
    let (subject, yardstick) = alternate(
        effort.some,
        Subject {
            batch: 1,
            call: &mut || drop(cached.load(&path, &PluginOptions::default()).expect("loads")),
        },
        Subject { batch: 1, call: &mut || drop(bare.load().expect("loads")) },
    );
    let what = "load of 1 MB compiled before, in process; SHA-256, HMAC, deserialize";
    let in_process = Row::ratio(what, MILLISECONDS, &subject, &yardstick, 1.5);

    let workers = stage.workers(stage.config(), Devices::default())?;
    drop(workers.load(&path, &PluginOptions::default())?);
    let (subject, yardstick) = alternate(
        effort.some,
        Subject {
            batch: 1,
            call: &mut || drop(workers.load(&path, &PluginOptions::default()).expect("loads")),
        },
        Subject {
            batch: 1,
            call: &mut || {
                drop(bare.load().expect("loads"));
                spawn(&built.conductor);
            },
        },
    );
    let what = "load of 1 MB compiled before, into a new worker; that and a process";
    let in_worker = Row::ratio(what, MILLISECONDS, &subject, &yardstick, 2.0);

    let config = WasmConfig { max_compile_time: std::time::Duration::from_secs(60), ..stage.config() };
    let host = Host::new(config)?;
    let (subject, yardstick) = alternate(
        effort.few,
        Subject { batch: 1, call: &mut || drop(host.load(&path, &PluginOptions::default()).expect("loads")) },
        Subject { batch: 1, call: &mut || drop(Bare::compile(&bare::config(), &bytes).expect("compiles")) },
    );
    let what = "load of 1 MB for the first time, in process; bare wasmtime compile";
    let first = Row::ratio(what, MILLISECONDS, &subject, &yardstick, 1.05);
    Ok(vec![in_process, in_worker, first])
}

fn cache(stage: &Stage) -> Result<CodeCache> {
    Ok(CodeCache::open(&stage.path().join("code-here"), &stage.path().join("code-here.secret"))?)
}

/// The least work that loading needs: reading, hashing and authenticating bytes, and making code of them.
struct Bytes {
    engine: Engine,
    plugin: std::path::PathBuf,
    code: std::path::PathBuf,
}

impl Bytes {
    fn new(stage: &Stage, plugin: &Path, bytes: &[u8]) -> Result<Self> {
        let engine = Engine::new(&bare::config())?;
        let code = stage.path().join("megabyte.code");
        fs::write(&code, Module::from_binary(&engine, bytes)?.serialize()?)?;
        Ok(Self { engine, plugin: plugin.to_owned(), code })
    }

    fn load(&self) -> Result<Module> {
        let digest = Sha256::digest(fs::read(&self.plugin)?);
        let code = fs::read(&self.code)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&digest)?;
        mac.update(&code);
        assert_ne!(mac.finalize().into_bytes().as_slice(), [0; 32]);
        // SAFETY: this program serialized the code a moment ago, into a directory that nobody else can write to.
        Ok(unsafe { Module::deserialize(&self.engine, &code) }?)
    }
}

/// Runs the daemon's program once without work, to its end.
fn spawn(program: &Path) {
    let status = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()));
}
