//! The deeds that are disturbed.

/// What is done, and what is there before.
pub(super) struct Deed {
    pub(super) name: &'static str,
    /// Who does it.
    pub(super) by: By,
    /// What is done beforehand, undisturbed, with `conductor-sign` for a deed of its own and else with `conductorctl`.
    pub(super) before: Steps,
    /// The words of the deed.
    pub(super) words: &'static [&'static str],
    /// What is special about the home.
    pub(super) setting: Setting,
    /// Which calls are sites.
    pub(super) scope: Scope,
    /// Whether anything is decided otherwise afterwards.
    pub(super) changes: bool,
    /// Whether it may be done in part if it is killed, because it is written to more than one file.
    pub(super) in_steps: bool,
}

/// Words of commands.
type Steps = &'static [&'static [&'static str]];

/// Who does a deed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `conductor-sign`, which is disturbed itself.
    Sign,
    /// The daemon, at the word of `conductorctl`.
    Daemon,
    /// The daemon, while it starts.
    Start,
    /// The daemon, at the word of the Plugin Manager's page.
    Page,
    /// `conductorctl`, which is disturbed itself, with a daemon that is not.
    Client,
}

/// What a home is like beside the usual.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Usual,
    /// Once the daemon runs, an editor saves a configuration with one more plugin.
    Edited,
    /// The audit log has space for less than one record.
    FullLog,
    /// Nothing is compiled yet.
    Cold,
    /// A plugin is there that may run a program.
    Program,
    /// The page is served.
    Page,
}

/// Which calls are sites.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All that the program makes.
    Program,
    /// Only those about the audit log's files.
    AuditLog,
    /// All that the program and the processes that it starts make.
    Children,
}

impl Deed {
    /// Whether a daemon is part of it.
    pub(super) fn needs_daemon(&self) -> bool {
        self.by != By::Sign
    }

    const fn of(by: By, name: &'static str, before: Steps, words: &'static [&'static str]) -> Self {
        Self {
            name,
            by,
            before,
            words,
            setting: Setting::Usual,
            scope: Scope::Program,
            changes: true,
            in_steps: false,
        }
    }

    const fn in_home(self, setting: Setting) -> Self {
        Self { setting, ..self }
    }

    const fn at(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    const fn in_steps(self) -> Self {
        Self { in_steps: true, ..self }
    }

    const fn that_decides_nothing(self) -> Self {
        Self { changes: false, ..self }
    }
}

/// Grants what other deeds take away again.
const GRANTED: Steps = &[&["plugin", "grant", "notes", "Filesystem", "--yes"]];

/// All deeds. `{ada}`, `{bob}` and `{bell}` stand for public keys, `~` for the home.
pub(super) const ALL: [Deed; 20] = [
    Deed::of(By::Sign, "trust-add", &[], &["trust", "add", "{bell}", "Bell Labs"]),
    Deed::of(By::Sign, "trust-remove", &[], &["trust", "remove", "{bob}"]),
    Deed::of(By::Sign, "trust-renew", &[], &["trust", "renew", "{bob}", "--expires", "2099-01-01T00:00:00Z"]),
    Deed::of(By::Sign, "trust-revoke", &[], &["trust", "revoke", "{bob}", "--reason", "stolen"]),
    Deed::of(
        By::Sign,
        "trust-unrevoke",
        &[&["trust", "revoke", "{bob}", "--reason", "stolen"]],
        &["trust", "unrevoke", "{bob}"],
    ),
    Deed::of(By::Sign, "trust-rotate", &[], &["trust", "import", "~/bell.rotation.json"]),
    Deed::of(By::Sign, "trust-pin", &[], &["trust", "pin", "another", "{bob}"]),
    Deed::of(By::Start, "start", &[], &[]).that_decides_nothing(),
    Deed::of(By::Start, "audit-rotation", &[], &[])
        .in_home(Setting::FullLog)
        .at(Scope::AuditLog)
        .that_decides_nothing(),
    Deed::of(By::Daemon, "reload", &[], &["reload"]).in_home(Setting::Edited),
    Deed::of(By::Daemon, "grant", &[], &["plugin", "grant", "notes", "Filesystem", "--yes"]),
    Deed::of(By::Daemon, "revoke", GRANTED, &["plugin", "revoke", "notes", "Filesystem"]),
    Deed::of(By::Daemon, "install", &[], &["plugin", "install", "~/new/fresh.wasm"]),
    Deed::of(By::Daemon, "update", &[], &["plugin", "install", "~/new/notes.wasm"]),
    Deed::of(
        By::Daemon,
        "accept",
        &[&["plugin", "install", "~/other/notes.wasm"]],
        &["plugin", "accept", "notes", "--yes"],
    )
    .in_steps(),
    Deed::of(By::Daemon, "remove", &[], &["plugin", "remove", "notes"]),
    Deed::of(By::Page, "page-session", &[], &[]).in_home(Setting::Page),
    Deed::of(By::Client, "client", &[], &["plugin", "grant", "notes", "Filesystem", "--yes"]),
    Deed::of(By::Daemon, "worker-start", &[&["plugin", "disable", "notes"]], &["plugin", "enable", "notes"])
        .in_home(Setting::Cold)
        .at(Scope::Children),
    Deed::of(
        By::Daemon,
        "launcher",
        &[&["plugin", "grant", "script", "Subprocess=/usr/bin/true", "--confirm", "script"]],
        &["trigger", "script", "run", "--params", "{\"program\":\"/usr/bin/true\"}"],
    )
    .in_home(Setting::Program)
    .at(Scope::Children)
    .that_decides_nothing(),
];
