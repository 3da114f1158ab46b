//! The home in which deeds are killed, put back as it was before each, and what is found in it afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use tempfile::TempDir;
use walkdir::WalkDir;

use crate::error::TaskError;
use crate::ordinary::Account;
use crate::places::Places;
use crate::program::{Captured, Program};
use crate::scratch::LIMIT;

use super::deed::{By, Deed};
use super::running::Running;

/// Counts the sites of a program and kills it at one.
const SUPERVISOR: &str = include_str!("supervisor.c");

/// Status with which it ends where it killed the program.
const KILLED: i32 = 137;

/// Where a small module is that an earlier version has in its home, from the root of the workspace.
const MODULE: &str = "tests/homes/grants-v1/data/plugins/loose.wasm";

/// A section without a meaning, which makes another file of a module.
const SECTION: &[u8] = b"\x00\x06\x05other";

/// What the daemon runs; the plugin that is installed stands in it.
const CONFIG: &str = "[ui]\nenabled = false\n\n[plugins.notes]\n\n[[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"1h\"\n";

/// Where that is, from the home.
const CONFIG_DIR: &str = ".config/conductor";

/// Where the audit log is, and the key with which code in the cache is authenticated, from the home.
const STATE_DIR: &str = ".local/state";

/// Files of which there may be any number, because they can be made again.
const CACHE: &str = ".cache";

/// Members that say when something was decided, which no two runs have in common.
const TIMES: [&str; 6] =
    ["added_at", "removed_at", "revoked_at", "accepted_at", "statement_seen_at", "since"];

/// What is decided, in a form that can be compared.
pub(super) type State = String;

/// A home, and a copy of what it was before.
pub(super) struct Home {
    scratch: TempDir,
    account: Option<Account>,
}

/// What came of a deed.
pub(super) struct Done {
    /// Whether it was said to be done.
    pub(super) is_done: bool,
    /// Whether it was killed.
    pub(super) is_killed: bool,
    /// Its sites.
    pub(super) sites: Vec<String>,
    /// What was said.
    pub(super) said: String,
}

impl Home {
    /// Makes a home with keys, a signed plugin and another version of it.
    pub(super) fn new(places: &Places) -> Result<Self, TaskError> {
        let scratch = TempDir::with_prefix("conductor-faults-");
        let scratch =
            scratch.map_err(|source| TaskError::File { path: "temporary directory".into(), source })?;
        let account = Account::of_ordinary_user(places)?;
        let home = Self { scratch, account };
        fs::set_permissions(home.scratch.path(), fs::Permissions::from_mode(0o711))
            .map_err(failed(home.scratch.path()))?;
        home.build(places)?;
        for directory in ["", CONFIG_DIR, ".local/share/conductor/plugins", "new"] {
            let path = home.at(directory);
            fs::create_dir_all(&path).map_err(failed(&path))?;
        }
        for directory in
            ["", "new", ".config", CONFIG_DIR, ".local", ".local/share", ".local/share/conductor"]
        {
            let path = home.at(directory);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed(&path))?;
        }
        let installed = home.at(".local/share/conductor/plugins/notes.wasm");
        let module = places.root.join(MODULE);
        fs::copy(&module, &installed).map_err(failed(&module))?;
        fs::copy(&module, home.at("new/fresh.wasm")).map_err(failed(&module))?;
        let mut other = read_bytes(&module)?;
        other.extend_from_slice(SECTION);
        fs::write(home.at("new/notes.wasm"), other).map_err(failed(&module))?;
        fs::write(home.at(CONFIG_DIR).join("config.toml"), CONFIG).map_err(failed(&home.path()))?;
        home.give_to_user()?;
        for key in ["ada", "bob", "bell"] {
            home.must("conductor-sign", &["generate-key", &format!("~/{key}")])?;
        }
        home.must("conductor-sign", &["rotate", "~/bob", "~/bell"])?;
        for (key, name) in [("{ada}", "Ada"), ("{bob}", "Bob")] {
            home.must("conductor-sign", &["trust", "add", key, name])?;
        }
        for module in ["~/.local/share/conductor/plugins/notes.wasm", "~/new/notes.wasm", "~/new/fresh.wasm"]
        {
            let who = ["--name", "Ada", "--email", "ada@example.org"];
            home.must("conductor-sign", &[&["sign", module, "~/ada"], &who[..]].concat())?;
        }
        home.keep("first")?;
        // The code of all modules is in the cache from the beginning, so that no start has to compile.
        home.with_daemon(|home| {
            let install = |module| home.must("conductorctl", &["plugin", "install", module]).map(drop);
            install("~/new/notes.wasm").and_then(|()| install("~/new/fresh.wasm"))
        })?;
        for directory in [CACHE, STATE_DIR] {
            copy(home.scratch.path(), &format!("home/{directory}"), &format!("first/{directory}"))?;
        }
        Ok(home)
    }

    /// Compiles the supervisor and copies the programs to where the user can run them.
    fn build(&self, places: &Places) -> Result<(), TaskError> {
        let source = self.scratch.path().join("supervisor.c");
        fs::write(&source, SUPERVISOR).map_err(failed(&source))?;
        let words = ["-O1", "-Wall", "-Wextra", "-Werror", "-o"];
        Program::new("cc", self.scratch.path())
            .args(words)
            .args(["supervisor", "supervisor.c"])
            .run_unseen()?;
        let built = places.target()?.join("debug");
        for program in ["conductor", "conductorctl", "conductor-sign"] {
            let from = built.join(program);
            fs::copy(&from, self.scratch.path().join(program)).map_err(failed(&from))?;
        }
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.scratch.path().join("home")
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.path() } else { self.path().join(path) }
    }

    /// Who does everything here.
    pub(super) fn who(&self) -> &'static str {
        if self.account.is_some() { crate::setup::ORDINARY_USER } else { "this user" }
    }

    fn give_to_user(&self) -> Result<(), TaskError> {
        let Some(account) = &self.account else { return Ok(()) };
        let owner = format!("{}:{}", account.user, account.group);
        Program::new("chown", self.scratch.path()).args(["-R", &owner, "home"]).run_unseen()
    }

    /// Remembers the home as it is.
    fn keep(&self, name: &str) -> Result<(), TaskError> {
        copy(self.scratch.path(), "home", name)
    }

    /// Puts the home back as it was when a deed was prepared.
    pub(super) fn put_back(&self) -> Result<(), TaskError> {
        copy(self.scratch.path(), "prepared", "home")
    }

    /// Puts a fresh home in place, and does in it what comes before the deed.
    pub(super) fn prepare(&self, deed: &Deed) -> Result<(), TaskError> {
        copy(self.scratch.path(), "first", "home")?;
        match deed.by {
            By::Sign => {
                deed.before.iter().try_for_each(|words| self.must("conductor-sign", words).map(drop))?
            }
            By::Daemon => self.with_daemon(|home| {
                deed.before.iter().try_for_each(|words| home.must("conductorctl", words).map(drop))
            })?,
        }
        self.keep("prepared")
    }

    /// Does the deed under the supervisor, which kills it at a site, from 1; 0 for at none.
    pub(super) fn do_deed(&self, deed: &Deed, site: usize) -> Result<Done, TaskError> {
        let (log, armed) = (self.at("../log"), self.at("../armed"));
        fs::write(&log, "").map_err(failed(&log))?;
        fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).map_err(failed(&log))?;
        let _ = fs::remove_file(&armed);
        let number = site.to_string();
        let supervised = |armed: &Path, program: &str| {
            let words = [self.path().into_os_string(), log.clone().into_os_string(), (&number).into()];
            let program = self.scratch.path().join(program);
            self.as_user("supervisor").args(words).args([armed.as_os_str(), program.as_os_str()])
        };
        let (captured, status) = match deed.by {
            By::Sign => {
                let mut program = supervised(Path::new("-"), "conductor-sign").args(self.words(deed.words)?);
                let captured = program.capture(LIMIT)?;
                let status = captured.status;
                (captured, status)
            }
            By::Daemon => {
                let daemon = Running::start(supervised(&armed, "conductor").args(["run"]))?;
                fs::write(&armed, "").map_err(failed(&armed))?;
                let captured = self.run("conductorctl", deed.words)?;
                (captured, daemon.stop()?)
            }
        };
        let sites = fs::read_to_string(&log).map_err(failed(&log))?;
        let said = format!("{}{}", captured.stdout, captured.stderr);
        Ok(Done {
            is_done: captured.status.success(),
            is_killed: status.code() == Some(KILLED),
            sites: sites.lines().map(str::to_owned).collect(),
            said,
        })
    }

    /// Does the deed once more, undisturbed; it may say that it is done already.
    pub(super) fn do_again(&self, deed: &Deed) -> Result<(), TaskError> {
        match deed.by {
            By::Sign => {
                self.run("conductor-sign", deed.words)?;
                self.state(deed).map(drop)
            }
            // The next start has been, and it is what cleans up.
            By::Daemon => Ok(()),
        }
    }

    /// What is decided, read by the next start.
    pub(super) fn state(&self, deed: &Deed) -> Result<State, TaskError> {
        let mut state = String::new();
        for words in [["trust", "list"], ["trust", "revoked"], ["trust", "pins"], ["trust", "rotations"]] {
            let said = self.must("conductor-sign", &[&words[..], &["--json"]].concat())?;
            let mut json: Json = serde_json::from_str(&said).unwrap_or_default();
            without_times(&mut json);
            state += &format!("{json}\n");
        }
        if deed.needs_daemon() {
            state += &self.with_daemon(Self::plugins)?;
            self.must("conductorctl", &["audit", "verify"])?;
        }
        Ok(state)
    }

    /// What runs, and what it may do.
    fn plugins(&self) -> Result<State, TaskError> {
        let list = self.must("conductorctl", &["plugin", "list", "--json"])?;
        let list: Json = serde_json::from_str(&list).unwrap_or_default();
        let mut state = String::new();
        for plugin in list.get("plugins").and_then(Json::as_array).into_iter().flatten() {
            let alias = plugin.get("alias").and_then(Json::as_str).unwrap_or_default();
            let shown = self.must("conductorctl", &["plugin", "show", alias, "--json"])?;
            let shown: Json = serde_json::from_str(&shown).unwrap_or_default();
            let part = |field: &str| shown.get(field).cloned().unwrap_or_default();
            let parts =
                ["alias", "name", "state", "why", "trust", "digest", "bound_to", "capabilities"].map(part);
            state += &format!("{}\n", Json::from(parts.to_vec()));
        }
        Ok(state)
    }

    /// Does something while the daemon runs, undisturbed.
    fn with_daemon<T>(&self, action: impl FnOnce(&Self) -> Result<T, TaskError>) -> Result<T, TaskError> {
        let daemon = Running::start(self.as_user("conductor").args(["run"]))?;
        let result = action(self)?;
        let status = daemon.stop()?;
        if status.success() {
            return Ok(result);
        }
        let status = crate::program::in_words(status);
        Err(TaskError::Status { command: "conductor run".to_owned(), status })
    }

    /// All files of the home, but for those of caches.
    pub(super) fn files(&self) -> Result<BTreeSet<String>, TaskError> {
        let root = self.path();
        let mut files = BTreeSet::new();
        for entry in WalkDir::new(&root) {
            let entry =
                entry.map_err(|error| TaskError::File { path: root.clone(), source: error.into() })?;
            let path = entry.path().strip_prefix(&root).unwrap_or(entry.path());
            if !path.starts_with(CACHE) {
                files.insert(path.to_string_lossy().into_owned());
            }
        }
        Ok(files)
    }

    /// A program of ours, run by the user in the home.
    fn as_user(&self, program: &str) -> Program {
        let program = self.scratch.path().join(program);
        let command = match &self.account {
            Some(Account { user, group }) => Program::new("setpriv", self.scratch.path())
                .args(["--reuid", user, "--regid", group, "--clear-groups", "--"])
                .args([program]),
            None => Program::new(program, self.scratch.path()),
        };
        command.only_env([("HOME", self.path().as_os_str()), ("PATH", "/usr/bin:/bin".as_ref())])
    }

    fn run(&self, program: &str, words: &[&str]) -> Result<Captured, TaskError> {
        self.as_user(program).args(self.words(words)?).capture(LIMIT)
    }

    /// Runs a program that has to succeed; what it printed.
    fn must(&self, program: &str, words: &[&str]) -> Result<String, TaskError> {
        let captured = self.run(program, words)?;
        if captured.status.success() {
            return Ok(captured.stdout);
        }
        let said = captured.stderr.lines().take(3).collect::<Vec<_>>().join(" ");
        Err(TaskError::Output { command: format!("{program} {}", words.join(" ")), found: said })
    }

    /// Words with what the marks in them stand for.
    fn words(&self, words: &[&str]) -> Result<Vec<String>, TaskError> {
        let word = |word: &&str| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            Some(key) => {
                let path = self.at(&format!("{key}.public"));
                let key = fs::read_to_string(&path).map_err(failed(&path))?;
                Ok(key.trim().to_owned())
            }
            None => Ok(match word.strip_prefix("~/") {
                Some(path) => self.at(path).to_string_lossy().into_owned(),
                None => (*word).to_owned(),
            }),
        };
        words.iter().map(word).collect()
    }
}

/// Puts a copy of one directory in the place of another, owners and modes included.
fn copy(scratch: &Path, from: &str, to: &str) -> Result<(), TaskError> {
    let target = scratch.join(to);
    if target.exists() {
        fs::remove_dir_all(&target).map_err(failed(&target))?;
    }
    Program::new("cp", scratch).args(["-a", from, to]).run_unseen()
}

/// Leaves out when something was decided.
fn without_times(json: &mut Json) {
    match json {
        Json::Object(members) => {
            members.retain(|name, _| !TIMES.contains(&name.as_str()));
            members.values_mut().for_each(without_times);
        }
        Json::Array(values) => values.iter_mut().for_each(without_times),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, TaskError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|mut file| std::io::Read::read_to_end(&mut file, &mut bytes));
    read.map_err(failed(path))?;
    Ok(bytes)
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> TaskError + use<> {
    let path = path.to_owned();
    move |source| TaskError::File { path, source }
}
