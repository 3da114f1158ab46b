//! The home in which deeds are disturbed, put back as it was before each.

mod doing;
mod state;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::deed::{By, Deed, Setting};
use super::running::Running;
use crate::error::TaskError;
use crate::guests;
use crate::ordinary::Account;
use crate::places::Places;
use crate::program::{Captured, Program};
use crate::scratch::LIMIT;

pub(super) use doing::{Done, Plan, Site};
use state::CACHE;
pub(super) use state::State;

/// Counts the sites of a program, and kills it or lets a call fail at one.
const SUPERVISOR: &str = include_str!("supervisor.c");

/// A session of the page.
const PAGE: &str = include_str!("page.mjs");

/// Fills an audit log.
const FILL: &str = include_str!("fill.mjs");

/// Bytes at which an audit log is full: 64 MiB, as the manual says.
const FULL: &str = "67108864";

/// Where small modules are that an earlier version has in its home, from the root of the workspace.
const MODULES: &str = "tests/homes/grants-v1/data/plugins";

/// A section without a meaning, which makes another file of a module.
const SECTION: &[u8] = b"\x00\x06\x05other";

/// What the daemon runs: `notes` is called, and was denied what it would get by itself. `stolen` is of a revoked key, and
/// `strange` of another key than the one before; neither must ever be loaded. The plugin that is installed stands in it.
const CONFIG: &str = "[ui]\nenabled = false\n\n[plugins.notes]\n\n[plugins.stolen]\n\n[plugins.strange]\n\n\
                      [[inputs]]\nname = \"clock\"\ntype = \"interval\"\nevery = \"1h\"\n";

/// Where that is, from the home.
const CONFIG_DIR: &str = ".config/conductor";

/// Where the plugins are that it names, from the home.
const PLUGINS_DIR: &str = ".local/share/conductor/plugins";

/// Where the audit log is, and the key with which code in the cache is authenticated, from the home.
const STATE_DIR: &str = ".local/state";

/// Modules by their place in the home, the file that they are copied from, and who signs them.
const SIGNED: [(&str, &str, &str); 7] = [
    (".local/share/conductor/plugins/notes.wasm", "loose.wasm", "ada"),
    (".local/share/conductor/plugins/stolen.wasm", "lights.wasm", "eve"),
    (".local/share/conductor/plugins/strange.wasm", "hooks.wasm", "ada"),
    ("new/fresh.wasm", "loose.wasm", "ada"),
    ("new/notes.wasm", "loose.wasm", "ada"),
    ("other/notes.wasm", "loose.wasm", "bob"),
    ("other/strange.wasm", "hooks.wasm", "bob"),
];

/// A home, and a copy of what it was before.
pub(super) struct Home {
    scratch: TempDir,
    account: Option<Account>,
    /// The module of the plugin that runs programs.
    script: PathBuf,
}

impl Home {
    /// Makes a home with keys, signed plugins and another version of one.
    pub(super) fn new(places: &Places) -> Result<Self, TaskError> {
        let scratch = TempDir::with_prefix("conductor-faults-");
        let scratch =
            scratch.map_err(|source| TaskError::File { path: "temporary directory".into(), source })?;
        let account = Account::of_ordinary_user(places)?;
        let home = Self { scratch, account, script: guests::PLUGINS.module(places, "script")? };
        fs::set_permissions(home.scratch.path(), fs::Permissions::from_mode(0o711))
            .map_err(failed(home.scratch.path()))?;
        home.build(places)?;
        for directory in
            ["", "new", "other", ".config", CONFIG_DIR, ".local", ".local/share", ".local/share/conductor"]
        {
            let path = home.at(directory);
            fs::create_dir_all(&path).map_err(failed(&path))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed(&path))?;
        }
        let plugins = home.at(PLUGINS_DIR);
        fs::create_dir_all(&plugins).map_err(failed(&plugins))?;
        for (module, from, _) in SIGNED {
            let from = places.root.join(MODULES).join(from);
            fs::copy(&from, home.at(module)).map_err(failed(&from))?;
        }
        let other = home.at("new/notes.wasm");
        let bytes = [read_bytes(&other)?, SECTION.to_vec()].concat();
        fs::write(&other, bytes).map_err(failed(&other))?;
        fs::write(home.at(CONFIG_DIR).join("config.toml"), CONFIG).map_err(failed(&home.path()))?;
        home.give_to_user()?;
        home.decide()?;
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

    /// Makes keys, signs, trusts, revokes and denies.
    fn decide(&self) -> Result<(), TaskError> {
        for key in ["ada", "bob", "bell", "eve"] {
            self.must("conductor-sign", &["generate-key", &format!("~/{key}")])?;
        }
        self.must("conductor-sign", &["rotate", "~/bob", "~/bell"])?;
        for (key, name) in [("{ada}", "Ada"), ("{bob}", "Bob"), ("{eve}", "Eve")] {
            self.must("conductor-sign", &["trust", "add", key, name])?;
        }
        for (module, _, key) in SIGNED {
            self.sign(&format!("~/{module}"), key)?;
        }
        self.must("conductor-sign", &["trust", "revoke", "{eve}", "--reason", "stolen"])?;
        self.with_daemon(|home| {
            home.must("conductorctl", &["plugin", "revoke", "notes", "Midi"])?;
            home.must("conductorctl", &["plugin", "install", "~/other/strange.wasm"])
        })?;
        Ok(())
    }

    /// Signs a module.
    fn sign(&self, module: &str, key: &str) -> Result<(), TaskError> {
        let who = ["--name", "Somebody", "--email", "somebody@example.org", "--force"];
        let key = format!("~/{key}");
        self.must("conductor-sign", &[&["sign", module, &key], &who[..]].concat()).map(drop)
    }

    /// Compiles the supervisor and copies the programs to where the user can run them.
    fn build(&self, places: &Places) -> Result<(), TaskError> {
        for (name, text) in [("supervisor.c", SUPERVISOR), ("page.mjs", PAGE), ("fill.mjs", FILL)] {
            let path = self.scratch.path().join(name);
            fs::write(&path, text).map_err(failed(&path))?;
        }
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
        let config = self.at(CONFIG_DIR).join("config.toml");
        match deed.setting {
            Setting::Page => {
                let served = CONFIG.replace("enabled = false", "enabled = true\nport = 0");
                fs::write(&config, served).map_err(failed(&config))?;
            }
            Setting::Program => {
                append(&config, "\n[plugins.script]\n")?;
                let module = self.at(PLUGINS_DIR).join("script.wasm");
                fs::copy(&self.script, &module).map_err(failed(&self.script))?;
                self.give_to_user()?;
                self.sign("~/.local/share/conductor/plugins/script.wasm", "ada")?;
            }
            Setting::Usual | Setting::Edited | Setting::FullLog | Setting::Cold => {}
        }
        match deed.by {
            By::Sign => {
                deed.before.iter().try_for_each(|words| self.must("conductor-sign", words).map(drop))?
            }
            By::Daemon | By::Start | By::Page | By::Client => self.with_daemon(|home| {
                deed.before.iter().try_for_each(|words| home.must("conductorctl", words).map(drop))
            })?,
        }
        match deed.setting {
            Setting::FullLog => self
                .user_program("node".as_ref())
                .args([self.scratch.path().join("fill.mjs").as_os_str(), self.audit_log().as_os_str()])
                .args([FULL])
                .run_unseen()?,
            Setting::Cold => {
                let cache = self.at(CACHE);
                fs::remove_dir_all(&cache).map_err(failed(&cache))?;
            }
            Setting::Usual | Setting::Edited | Setting::Program | Setting::Page => {}
        }
        self.keep("prepared")
    }

    /// Does something while the daemon runs, undisturbed.
    fn with_daemon<T>(&self, action: impl FnOnce(&Self) -> Result<T, TaskError>) -> Result<T, TaskError> {
        let daemon = Running::start(self.as_user("conductor").args(["run"]))?;
        let result = action(self)?;
        let status = daemon.stop()?.status;
        if status.success() {
            return Ok(result);
        }
        let status = crate::program::in_words(status);
        Err(TaskError::Status { command: "conductor run".to_owned(), status })
    }

    /// A program of ours, run by the user in the home.
    fn as_user(&self, program: &str) -> Program {
        self.user_program(self.scratch.path().join(program).as_os_str())
    }

    /// Any program, run by the user in the home.
    fn user_program(&self, program: &OsStr) -> Program {
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
        let word = |word: &&str| {
            let key = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
            if let Some(key) = key.filter(|key| key.bytes().all(|byte| byte.is_ascii_lowercase())) {
                let path = self.at(&format!("{key}.public"));
                let key = fs::read_to_string(&path).map_err(failed(&path))?;
                return Ok(key.trim().to_owned());
            }
            Ok(match word.strip_prefix("~/") {
                Some(path) => self.at(path).to_string_lossy().into_owned(),
                None => (*word).to_owned(),
            })
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

/// Adds text to the end of a file.
fn append(path: &Path, text: &str) -> Result<(), TaskError> {
    let file = fs::OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed(path))
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
