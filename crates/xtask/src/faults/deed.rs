//! The deeds that are killed.

/// What is done, and what is there before.
pub(super) struct Deed {
    pub(super) name: &'static str,
    /// Who does it.
    pub(super) by: By,
    /// What is done beforehand, undisturbed, with `conductorctl` for a deed of the daemon's and else with `conductor-sign`.
    pub(super) before: &'static [&'static [&'static str]],
    /// The words of the deed.
    pub(super) words: &'static [&'static str],
}

/// Who does a deed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `conductor-sign`, which is killed itself.
    Sign,
    /// The daemon, at the word of `conductorctl`.
    Daemon,
}

impl Deed {
    /// Whether the daemon does it.
    pub(super) fn needs_daemon(&self) -> bool {
        self.by == By::Daemon
    }
}

/// All deeds. `{ada}`, `{bob}` and `{bell}` stand for public keys, `~` for the home.
pub(super) const ALL: [Deed; 12] = [
    sign("trust-add", &[], &["trust", "add", "{bell}", "Bell Labs"]),
    sign("trust-remove", &[], &["trust", "remove", "{bob}"]),
    sign("trust-renew", &[], &["trust", "renew", "{bob}", "--expires", "2099-01-01T00:00:00Z"]),
    sign("trust-revoke", &[], &["trust", "revoke", "{bob}", "--reason", "stolen"]),
    sign(
        "trust-unrevoke",
        &[&["trust", "revoke", "{bob}", "--reason", "stolen"]],
        &["trust", "unrevoke", "{bob}"],
    ),
    sign("trust-rotate", &[], &["trust", "import", "~/bell.rotation.json"]),
    sign("trust-pin", &[], &["trust", "pin", "another", "{bob}"]),
    daemon("grant", &[], &["plugin", "grant", "notes", "Filesystem", "--yes"]),
    daemon(
        "revoke",
        &[&["plugin", "grant", "notes", "Filesystem", "--yes"]],
        &["plugin", "revoke", "notes", "Filesystem"],
    ),
    daemon("install", &[], &["plugin", "install", "~/new/fresh.wasm"]),
    daemon("update", &[], &["plugin", "install", "~/new/notes.wasm"]),
    daemon("remove", &[], &["plugin", "remove", "notes"]),
];

const fn sign(
    name: &'static str,
    before: &'static [&'static [&'static str]],
    words: &'static [&'static str],
) -> Deed {
    Deed { name, by: By::Sign, before, words }
}

const fn daemon(
    name: &'static str,
    before: &'static [&'static [&'static str]],
    words: &'static [&'static str],
) -> Deed {
    Deed { name, by: By::Daemon, before, words }
}
