//! What a worker that was taken over can still do: the kernel refuses everything that this program attempts from
//! inside, and the walls stand as seen from outside.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use conductor_core::CodeCache;
use conductor_core::worker::WorkerProgram;
use conductor_core::{
    CompileError, Host, LoadError, Outcome, Plugin, PluginOptions, ProcessWall, WasmConfig,
};

use crate::attempts::Verdict;
use crate::hosts;
use crate::support::{self, REQUEST};

/// Fewest attempts at each stage, so that a list that was cut short does not pass as a list of refusals.
const FEWEST_ATTEMPTS: usize = 250;

/// A worker in its usual state.
pub(crate) fn with_its_own_directory_as_root() {
    let wall = everything_is_refused("try-all", None);
    assert_eq!(wall.root, wall.user_namespace);
}

/// A development directory is named by its full path, so the root directory stays.
pub(crate) fn with_the_root_left_in_place() {
    let development = tempfile::tempdir().expect("directory");
    let wall = everything_is_refused("try-all", Some(development.path()));
    assert!(!wall.root);
}

/// On a system without user namespaces, landlock and the filter must suffice.
pub(crate) fn without_namespaces() {
    let wall = everything_is_refused("try-all-without-namespaces", None);
    assert!(!wall.root && !wall.user_namespace && !wall.network_namespace);
}

/// A worker that compiles has no directory at all and may make almost no system calls.
pub(crate) fn while_it_compiles() {
    let directory = tempfile::tempdir().expect("directory");
    let config = WasmConfig { data_dir: Some(directory.path().to_owned()), ..WasmConfig::default() };
    let mut other = plugin(&hosts::with(config, WorkerProgram::this(["worker"])), "other", None);
    assert_eq!(other.execute(REQUEST).outcome, Outcome::Ok);
    let secret = directory.path().join("secret");
    fs::write(&secret, "secret").expect("written");
    let before = state(&secret);
    let mut arguments = vec!["misbehave".to_owned(), "try-all-compiling".to_owned()];
    arguments.push(std::process::id().to_string());
    arguments.push(other.worker_pid().expect("a worker").to_string());
    arguments.push(secret.to_str().expect("UTF-8").to_owned());
    let host = hosts::with(WasmConfig::default(), WorkerProgram::this(arguments));
    let wasm = wat::parse_str("(module (func (export \"_start\")))").expect("valid text");
    let error = support::load(&host, "taken-over.wasm", wasm, &PluginOptions::default()).err();
    let Some(LoadError::Compile { source: CompileError::InWorker { cause, .. } }) = error else {
        panic!("{error:?}");
    };
    let (count, wrong) = cause.split_once(" attempts; wrong: ").expect("what was tried");
    assert!(count.parse::<usize>().expect("a number") >= FEWEST_ATTEMPTS, "{cause}");
    assert_eq!(wrong, "[]");
    assert_eq!(state(&secret), before);
    assert_eq!(other.execute(REQUEST).outcome, Outcome::Ok);
}

fn everything_is_refused(name: &str, development: Option<&Path>) -> ProcessWall {
    let directory = tempfile::tempdir().expect("directory");
    let data = directory.path().join("data");
    let config = || WasmConfig { data_dir: Some(data.clone()), ..WasmConfig::default() };
    let mut other = plugin(&hosts::with(config(), WorkerProgram::this(["worker"])), "other", None);
    assert_eq!(other.execute(REQUEST).outcome, Outcome::Ok);
    let other_pid = other.worker_pid().expect("a worker");

    let kept = tempfile::tempdir().expect("directory");
    let cached = kept_code(kept.path(), config());
    let mut outside = vec![directory.path().join("secret"), data.join("other/file")];
    for path in &outside {
        fs::write(path, "secret").expect("written");
    }
    outside.push(kept.path().join("code.secret"));
    outside.push(cached);
    let before: Vec<_> = outside.iter().map(|path| state(path)).collect();
    // A descriptor like those that the host's libraries open and that child processes would inherit.
    let inherited = fs::File::open(&outside[0]).expect("opened");
    rustix::io::fcntl_setfd(inherited.as_fd(), rustix::io::FdFlags::empty()).expect("flags");

    let own = data.join("taken-over");
    let wall = other.walls().process.expect("a wall");
    let own_root = development.is_none() && name == "try-all" && wall.root;
    let own_inside = if own_root { Path::new("/") } else { own.as_path() };
    let mut arguments = vec!["misbehave".to_owned(), name.to_owned()];
    arguments.extend([std::process::id(), other_pid].map(|pid| pid.to_string()));
    arguments.push(own_inside.to_str().expect("UTF-8").to_owned());
    arguments.extend(outside.iter().map(|path| path.to_str().expect("UTF-8").to_owned()));
    let cache =
        CodeCache::open(&kept.path().join("code"), &kept.path().join("code.secret")).expect("a cache");
    let host = hosts::with_cache(config(), WorkerProgram::this(arguments), Some(cache));
    let mut plugin = plugin(&host, "taken-over", development);
    // The results of the attempts are written down before the first call is answered.
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);

    let wall = plugin.walls().process.expect("a wall");
    assert!(wall.stands());
    assert_eq!(wall.root, own_root);
    for stage in ["Locked", "Started"] {
        check(&own.join(format!("tried-{stage}")), own_root);
    }
    let pid = plugin.worker_pid().expect("it still runs");
    check_threads(pid);
    drop(inherited);
    let after: Vec<_> = outside.iter().map(|path| state(path)).collect();
    assert_eq!(before, after);
    let found = fs::read_dir(directory.path()).expect("readable").count();
    assert_eq!(found, 2, "nothing was made beside the data directories");
    assert_eq!(fs::read_dir(data.join("other")).expect("readable").count(), 1);
    assert_eq!(other.execute(REQUEST).outcome, Outcome::Ok);
    assert_eq!(other.worker_pid(), Some(other_pid));
    wall
}

/// The file with the code of the plugin whose worker is taken over, which was compiled before.
fn kept_code(kept: &Path, config: WasmConfig) -> PathBuf {
    let cache = CodeCache::open(&kept.join("code"), &kept.join("code.secret")).expect("a cache");
    let host = hosts::with_cache(config, WorkerProgram::this(["worker"]), Some(cache));
    let mut plugin = plugin(&host, "taken-over", None);
    assert_eq!(plugin.execute(REQUEST).outcome, Outcome::Ok);
    let digest = plugin.info().digest.to_string();
    let mut files =
        fs::read_dir(kept.join("code")).expect("readable").map(|entry| entry.expect("entry").path());
    files.find(|path| path.to_string_lossy().contains(&digest) && path.is_file()).expect("its code")
}

fn plugin(host: &Host, name: &str, development: Option<&Path>) -> Box<dyn Plugin> {
    let directories = development.iter().map(|path| (path.to_path_buf(), "/dev".to_owned())).collect();
    let options = PluginOptions { directories, ..PluginOptions::default() };
    hosts::load_with_directory(host, name, options).expect("loads")
}

/// Compares the results of the attempts with the verdicts.
fn check(path: &Path, own_root: bool) {
    let text = fs::read_to_string(path).expect("what was tried");
    let mut wrong = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, '\t');
        let mut part = || parts.next().expect("a part");
        let (verdict, errno, name) = (part(), part(), part());
        let verdict = Verdict::ALL
            .into_iter()
            .find(|known| format!("{known:?}") == verdict)
            .unwrap_or_else(|| panic!("{line}"));
        if !verdict.holds(errno.parse().expect("a number"), own_root) {
            wrong.push(format!("{name}: errno {errno}, expected {verdict:?}"));
        }
    }
    let path = path.display();
    assert!(text.lines().count() >= FEWEST_ATTEMPTS, "{path}: only {} attempts", text.lines().count());
    assert!(wrong.is_empty(), "{path}: {} attempts:\n{}", wrong.len(), wrong.join("\n"));
}

/// Every thread of the worker is behind the walls, not only the thread that set them up.
fn check_threads(pid: u32) {
    let mut threads = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).expect("a process") {
        let path = thread.expect("a thread").path().join("status");
        let status = fs::read_to_string(&path).expect("readable");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            line.unwrap_or_else(|| panic!("{} has no {name}", path.display()))
        };
        assert_eq!(field("Seccomp:"), "2", "{status}");
        assert!(field("Seccomp_filters:").parse::<u32>().is_ok_and(|count| count >= 2), "{status}");
        assert_eq!(field("NoNewPrivs:"), "1", "{status}");
        for capabilities in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(field(capabilities), "0000000000000000", "{status}");
        }
        threads += 1;
    }
    assert!(threads >= 2, "the worker has only {threads} threads");
}

/// The state of a file that must not change. The modification time of cached code is left out, because using the code
/// changes it.
fn state(path: &Path) -> (Vec<u8>, u32, Option<std::time::SystemTime>, u64) {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(path).expect("there");
    #[expect(clippy::disallowed_methods, reason = "files of this test's own")]
    let bytes = fs::read(path).expect("readable");
    let is_code = path.extension().is_some_and(|extension| extension == "code");
    let modified = (!is_code).then(|| found.modified().expect("a time"));
    (bytes, found.mode(), modified, found.nlink())
}
