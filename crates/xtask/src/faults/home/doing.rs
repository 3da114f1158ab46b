//! Doing a deed under the supervisor.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::state::Row;
use super::{CONFIG_DIR, Home, STATE_DIR, append, failed};
use crate::error::TaskError;
use crate::faults::deed::{By, Deed, Scope, Setting};
use crate::faults::running::{Ended, Running};
use crate::program::{Captured, Program};
use crate::scratch::LIMIT;

/// Status with which the supervisor ends where it killed the program.
const KILLED: i32 = 137;

/// Most bytes that are read of the list of sites of one deed.
const MOST_SITES_BYTES: u64 = 64 * 1024 * 1024;

/// What an editor adds to the configuration.
const ADDED: &str = "\n[plugins.fresh]\npath = \"~/new/fresh.wasm\"\n";

/// What happens to a deed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::faults) enum Plan {
    /// It is killed at this site, from 1; 0 for at none.
    Kill(usize),
    /// The call at this site, from 1, fails with one of its errors, which is chosen by a number; at 0 none does.
    Fail { site: usize, choice: usize },
}

/// A site that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::faults) struct Site {
    /// Whether the deed was disturbed there.
    pub(in crate::faults) is_hit: bool,
    /// Whether a file is changed there, so that it is a site for a kill as well.
    pub(in crate::faults) changes: bool,
    /// The system call.
    pub(in crate::faults) call: String,
    /// How many errors it may return.
    pub(in crate::faults) errors: usize,
    /// The name of the error that it returned.
    pub(in crate::faults) error: Option<String>,
    /// The thread that made the call.
    thread: String,
    /// The file, from the home; empty if it is about none.
    pub(in crate::faults) path: String,
}

/// What came of a deed.
pub(in crate::faults) struct Done {
    /// Whether it was said to be done.
    pub(in crate::faults) is_done: bool,
    /// Status of whoever told the daemon to do it.
    pub(in crate::faults) answer: Option<i32>,
    /// How the disturbed program ended.
    pub(in crate::faults) status: ExitStatus,
    /// Sites that were reached.
    pub(in crate::faults) sites: Vec<Site>,
    /// What was said, by whoever was told to do it.
    pub(in crate::faults) said: String,
    /// What the daemon said.
    pub(in crate::faults) log: String,
    /// What ran right afterwards, if the daemon went on and said so.
    pub(in crate::faults) rows: Vec<Row>,
}

impl Site {
    /// Reads a line of the supervisor's log.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.splitn(7, ' ');
        let is_hit = words.next()? == "!";
        let changes = words.next()? == "changes";
        let call = words.next()?.to_owned();
        let errors = words.next()?.parse().ok()?;
        let error = words.next().filter(|error| *error != "-").map(str::to_owned);
        let thread = words.next()?.to_owned();
        let path = words.next()?.to_owned();
        Some(Self { is_hit, changes, call, errors, error, thread, path })
    }
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { call, error, thread, path, .. } = self;
        write!(f, "{call} {path} in {thread}")?;
        error.as_ref().map_or(Ok(()), |error| write!(f, ", {error}"))
    }
}

impl Done {
    /// The site at which the deed was disturbed, if it came that far.
    pub(in crate::faults) fn hit(&self) -> Option<&Site> {
        self.sites.iter().find(|site| site.is_hit)
    }

    /// Whether the program was killed from here.
    pub(in crate::faults) fn is_killed(&self) -> bool {
        self.status.code() == Some(KILLED) && self.hit().is_some()
    }
}

/// A deed without what the supervisor knows.
struct Told {
    is_done: bool,
    answer: Option<i32>,
    said: String,
    rows: Vec<Row>,
    ended: Ended,
}

impl Home {
    /// Does the deed under the supervisor.
    pub(in crate::faults) fn do_deed(&self, deed: &Deed, plan: Plan) -> Result<Done, TaskError> {
        let (log, armed) = (self.at("../log"), self.at("../armed"));
        fs::write(&log, "").map_err(failed(&log))?;
        fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).map_err(failed(&log))?;
        // It is there only if the deed before needed it.
        let _ = fs::remove_file(&armed);
        let looks = matches!(plan, Plan::Fail { .. });
        let told = match deed.by {
            By::Sign => {
                let program = self.supervised(deed, plan, Path::new("-"), "conductor-sign");
                let captured = program.args(self.words(deed.words)?).capture(LIMIT)?;
                Told::of(captured, Vec::new())
            }
            By::Start => {
                let daemon = Running::begin(
                    self.supervised(deed, plan, Path::new("-"), "conductor").args(["run", "--events"]),
                )?;
                let is_done = daemon.is_ready();
                let rows = if looks && is_done { self.rows().unwrap_or_default() } else { Vec::new() };
                Told { is_done, answer: None, said: String::new(), rows, ended: daemon.stop()? }
            }
            By::Daemon | By::Page => {
                let daemon = Running::start(self.supervised(deed, plan, &armed, "conductor").args(["run"]))?;
                if deed.setting == Setting::Edited {
                    append(&self.at(CONFIG_DIR).join("config.toml"), ADDED)?;
                }
                fs::write(&armed, "").map_err(failed(&armed))?;
                let captured = match deed.by {
                    By::Page => self.visit_page()?,
                    By::Sign | By::Daemon | By::Start | By::Client => self.run("conductorctl", deed.words)?,
                };
                let rows = if looks { self.rows().unwrap_or_default() } else { Vec::new() };
                Told { ended: daemon.stop()?, ..Told::of(captured, rows) }
            }
            By::Client => {
                let daemon = Running::start(self.as_user("conductor").args(["run"]))?;
                let program = self.supervised(deed, plan, Path::new("-"), "conductorctl");
                let captured = program.args(self.words(deed.words)?).capture(LIMIT)?;
                let rows = self.rows()?;
                let Ended { status, log } = daemon.stop()?;
                if !status.success() {
                    let status = crate::program::in_words(status);
                    return Err(TaskError::Status { command: "conductor run".to_owned(), status });
                }
                let mut told = Told::of(captured, rows);
                told.ended.log = log;
                told
            }
        };
        let mut sites = Vec::new();
        let opened = fs::File::open(&log);
        opened.and_then(|file| file.take(MOST_SITES_BYTES).read_to_end(&mut sites)).map_err(failed(&log))?;
        let sites = String::from_utf8_lossy(&sites).lines().filter_map(Site::read).collect();
        let Told { is_done, answer, said, rows, ended: Ended { status, log } } = told;
        Ok(Done { is_done, answer, status, sites, said, log, rows })
    }

    /// A program under the supervisor.
    fn supervised(&self, deed: &Deed, plan: Plan, armed: &Path, program: &str) -> Program {
        let (act, site, choice) = match plan {
            Plan::Kill(site) => ("kill", site, 0),
            Plan::Fail { site, choice } => ("fail", site, choice),
        };
        let (root, scope) = match deed.scope {
            Scope::Program => (self.path(), "program"),
            Scope::AuditLog => (self.audit_log(), "files"),
            Scope::Children => (self.path(), "children"),
        };
        self.as_user("supervisor")
            .args([root.as_os_str(), self.at("../log").as_os_str()])
            .args([act, &site.to_string(), &choice.to_string(), scope])
            .args([armed.as_os_str(), self.scratch.path().join(program).as_os_str()])
    }

    /// Where the audit log is.
    pub(super) fn audit_log(&self) -> PathBuf {
        self.at(STATE_DIR).join("conductor/audit.jsonl")
    }

    /// Does something through the page, as its user's browser.
    fn visit_page(&self) -> Result<Captured, TaskError> {
        let address = self.run("conductorctl", &["ui", "--print"])?;
        if !address.status.success() {
            return Ok(address);
        }
        let words = self.words(&["~/new/fresh.wasm", "{bell}"])?;
        self.user_program("node".as_ref())
            .args([self.scratch.path().join("page.mjs").as_os_str(), address.stdout.trim().as_ref()])
            .args(words)
            .capture(LIMIT)
    }
}

impl Told {
    /// What was told by a program that ended.
    fn of(captured: Captured, rows: Vec<Row>) -> Self {
        let Captured { status, stdout, stderr } = captured;
        let said = format!("{stdout}{stderr}");
        let ended = Ended { status, log: String::new() };
        Self { is_done: status.success(), answer: status.code(), said, rows, ended }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_a_site() {
        let site = Site::read("! changes openat 5 EMFILE conductor-spawn /a b").expect("a site");
        assert_eq!(site.to_string(), "openat /a b in conductor-spawn, EMFILE");
        assert!(site.is_hit && site.changes && site.errors == 5);
        let site = Site::read(". uses mmap 1 - audit ").expect("a site");
        assert_eq!((site.is_hit, site.error, site.path.as_str()), (false, None, ""));
        assert_eq!(Site::read(". mmap"), None);
    }
}
