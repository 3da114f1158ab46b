//! What decides: the files whose mutants are tried, with the tests that are to notice.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::TaskError;

/// The files of one crate.
#[derive(Debug)]
pub(super) struct Deciding {
    /// The crate.
    pub(super) name: &'static str,
    /// Which of its tests are run for each mutant: those that decide fast. Words for `cargo test`.
    pub(super) tests: &'static [&'static str],
    /// Files and directories below `src`.
    pub(super) paths: &'static [&'static str],
}

/// Every crate that decides. A new file that decides belongs into its list, unless it lies in a directory that is there.
pub(super) const ALL: [Deciding; 5] = [
    Deciding {
        name: "conductor-policy",
        tests: &["--lib", "--test", "scopes", "--test", "grants", "--test", "url_hosts"],
        paths: &["scope", "scope.rs", "binding", "grant", "grant.rs"],
    },
    Deciding {
        name: "conductor-signing",
        tests: &["--lib", "--test", "acceptance"],
        paths: &[
            "verdict/judge",
            "verdict/judge.rs",
            "verdict/checks.rs",
            "verdict/policy",
            "verdict/policy.rs",
            "verdict/admission.rs",
            "verdict/signer_count.rs",
            "trust/standing.rs",
            "trust/descent.rs",
            "trust/likeness.rs",
            "trust/pattern.rs",
            "trust/role.rs",
            "trust/rotation",
            "trust/rotation.rs",
            "trust/accepted_rotations.rs",
            "trust/revoked_keys.rs",
            "trust/trusted_keys.rs",
            "trust/pins.rs",
            "text/plugin_version.rs",
        ],
    },
    Deciding {
        name: "conductor-store",
        tests: &["--lib"],
        paths: &[
            "owner_and_mode.rs",
            "own_group.rs",
            "follow_links.rs",
            "keeper/disk.rs",
            "keeper/turns.rs",
            "keeper.rs",
            "escape.rs",
        ],
    },
    Deciding {
        name: "conductor-broker",
        tests: &["--lib", "--test", "grants", "--test", "records", "--test", "network", "--test", "midi"],
        paths: &[
            "broker",
            "broker.rs",
            "rate.rs",
            "capability/network/target.rs",
            "capability/network/route",
            "capability/network/route.rs",
            "capability/network/lookup.rs",
            "launcher/confinement.rs",
            "launcher/waiting.rs",
        ],
    },
    Deciding {
        name: "conductor-daemon",
        tests: &["--lib"],
        paths: &["page/access.rs", "page/origin.rs", "page/ticket.rs", "page/peer.rs"],
    },
];

impl Deciding {
    /// Its files, from the root of the workspace, in order and without tests.
    pub(super) fn files(&self, root: &Path) -> Result<Vec<PathBuf>, TaskError> {
        let mut files = Vec::new();
        for path in self.paths {
            files.extend(self.below(root, path)?);
        }
        files.sort();
        Ok(files)
    }

    /// The files that one of the paths stands for.
    pub(super) fn below(&self, root: &Path, path: &str) -> Result<Vec<PathBuf>, TaskError> {
        let start = root.join("crates").join(self.name).join("src").join(path);
        let mut files = Vec::new();
        for entry in WalkDir::new(&start) {
            let entry =
                entry.map_err(|error| TaskError::File { path: start.clone(), source: error.into() })?;
            let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
            let is_rust = relative.extension().is_some_and(|extension| extension == "rs");
            let is_of_tests = relative.components().any(|part| {
                let name = part.as_os_str();
                name == "tests" || name == "tests.rs"
            });
            if entry.file_type().is_file() && is_rust && !is_of_tests {
                files.push(relative.to_owned());
            }
        }
        Ok(files)
    }
}
