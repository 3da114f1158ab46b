//! Guest programs for tests. A guest is built from source when the first test asks for it.
//!
//! The build commands are the ones that a plugin's author would type. Their output goes to separate directories below
//! the workspace's target directory, so that they neither wait for a build of the host nor disturb it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The workspace's target directory, wherever cargo was told to put it.
const TARGET_TMP: &str = env!("CARGO_TARGET_TMPDIR");

/// The command that installs what guests in Rust need.
const RUST_HINT: &str = "rustup target add wasm32-wasip1";

/// The command that installs what guests in C need, on Debian.
const C_HINT: &str =
    "apt-get install -y --no-install-recommends clang lld wasi-libc libclang-rt-14-dev-wasm32";

/// The module of an example plugin: such as `chord` or `notes`.
#[allow(dead_code, reason = "each test program uses the guests that it needs")]
pub(crate) fn plugin(name: &str) -> PathBuf {
    rust_module("plugins", "plugins", name)
}

/// The module of a guest in Rust below `tests/fixtures`: `hostile` or `legacy`.
#[allow(dead_code, reason = "each test program uses the guests that it needs")]
pub(crate) fn fixture(name: &str) -> PathBuf {
    rust_module("tests/fixtures", "fixtures", name)
}

/// The module of a guest in C below `tests/fixtures`: `command`.
#[allow(dead_code, reason = "each test program uses the guests that it needs")]
pub(crate) fn c_fixture(name: &str) -> PathBuf {
    let source = root().join("tests/fixtures").join(format!("{name}.c"));
    let directory = target().join("fixtures/c");
    once(&source.clone(), || {
        std::fs::create_dir_all(&directory).expect("directory for modules");
        // Other test programs may build the same module now: each of them must see a complete file or none.
        let scratch = tempfile::NamedTempFile::new_in(&directory).expect("scratch file").into_temp_path();
        let mut clang = Command::new("clang");
        clang.args(["--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror", "-Wl,--strip-all", "-o"]);
        run(clang.arg(&scratch).arg(&source), C_HINT);
        scratch.persist(directory.join(format!("{name}.wasm"))).expect("module in place");
    });
    directory.join(format!("{name}.wasm"))
}

/// Builds the workspace of guests in `folder`, and names the module of one of them.
fn rust_module(folder: &str, output: &str, name: &str) -> PathBuf {
    let folder = root().join(folder);
    let output = target().join(output);
    once(&folder, || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--locked", "--target", "wasm32-wasip1"]);
        cargo.arg("--target-dir").arg(&output).current_dir(&folder);
        // Flags meant for the host, such as those that measure coverage, break guests.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        run(&mut cargo, RUST_HINT);
    });
    let module = output.join("wasm32-wasip1/release").join(format!("{}.wasm", name.replace('-', "_")));
    assert!(module.is_file(), "{} has no guest called {name}", folder.display());
    module
}

/// Runs `build` unless this process already did for this key.
fn once(key: &Path, build: impl FnOnce()) {
    static BUILT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !built.contains(key) {
        build();
        built.insert(key.to_owned());
    }
}

fn run(command: &mut Command, hint: &str) {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => panic!("{command:?} cannot be started: {error}; to install what it needs: {hint}"),
    };
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; if something is missing: {hint}\n{words}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn target() -> PathBuf {
    Path::new(TARGET_TMP).parent().expect("target directory").to_owned()
}
