//! The rows confusion, threshold and rollback as directories of `tests/vectors`, written by another implementation.
//!
//! A directory holds the files of a plugin, `plugin.wasm`, `plugin.wasm.sig` and where needed
//! `plugin.wasm.rotation.json`; those of the user's four trust files that are not empty; `policy`, if it differs from
//! the strictest policy without rules; and in `expect` the exit status and the words of the verdict.

mod confusion;
mod rollback;
mod threshold;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use conductor_signing::{
    RequireStatement, SignaturePolicy, SignerRule, TrustStore, UnverifiedPlugin, VerificationPolicy,
};
use serde_json::Value;

use super::other::{self, Party};
use super::support::VECTORS;

const ROWS: [&str; 3] = ["confusion", "threshold", "rollback"];

/// One directory: its files by name.
pub(super) struct Vector {
    name: &'static str,
    files: BTreeMap<&'static str, Vec<u8>>,
    trusted: Vec<String>,
}

impl Vector {
    /// A plugin with its document.
    fn new(name: &'static str, wasm: &[u8], document: &Value) -> Self {
        let document = format!("{document:#}\n").into_bytes();
        let files = BTreeMap::from([("plugin.wasm", wasm.to_vec()), ("plugin.wasm.sig", document)]);
        Self { name, files, trusted: Vec::new() }
    }

    fn file(mut self, name: &'static str, text: &str) -> Self {
        self.files.insert(name, text.as_bytes().to_vec());
        self
    }

    /// Makes the user trust a key; `more` are further lines of the entry.
    fn trusting(mut self, name: &str, party: &Party, more: &str) -> Self {
        self.trusted.push(format!(
            "\n[[keys]]\nname = \"{name}\"\npublic_key = \"{}\"\nadded_at = \"{}\"\n{more}",
            party.key(),
            other::DATE
        ));
        let text = format!("version = 1\n{}", self.trusted.concat());
        self.file("trusted_keys.toml", &text)
    }

    fn revoked(self, what: &str, kind: &str) -> Self {
        let kind = if kind.is_empty() { String::new() } else { format!("kind = \"{kind}\"\n") };
        let date = other::DATE;
        self.file(
            "revoked_keys.toml",
            &format!(
                "version = 1\n\n[[revoked]]\n{what}\n{kind}revoked_at = \"{date}\"\nreason = \"gone\"\n"
            ),
        )
    }

    /// Pins the plugin `chord`; `more` are further lines of the pin.
    fn pinned(self, publisher: &Party, more: &str) -> Self {
        let (key, date) = (publisher.key(), other::DATE);
        self.file(
            "pins.toml",
            &format!(
                "version = 1\n\n[[pins]]\nname = \"chord\"\npublisher = \"{key}\"\npublisher_since = \"{date}\"\n{more}"
            ),
        )
    }

    fn policy(self, lines: &str) -> Self {
        self.file("policy", lines)
    }

    fn expect(self, verdict: &str) -> Self {
        self.file("expect", &format!("{verdict}\n"))
    }
}

fn all() -> impl Iterator<Item = (&'static str, Vector)> {
    let rows = [confusion::vectors(), threshold::vectors(), rollback::vectors()];
    ROWS.into_iter().zip(rows).flat_map(|(row, vectors)| vectors.into_iter().map(move |vector| (row, vector)))
}

/// The verdict for the files of a directory.
fn verdict(folder: &Path) -> String {
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let empty = || "version = 1\n".to_owned();
    let files = ["trusted_keys.toml", "revoked_keys.toml", "pins.toml", "rotations.toml"]
        .map(|name| text(name).unwrap_or_else(empty));
    let trust = TrustStore::from_texts(files.each_ref().map(String::as_str)).expect("a trust store");
    let mut policy = VerificationPolicy::from(SignaturePolicy::TrustedSigner);
    for line in text("policy").unwrap_or_default().lines() {
        let (setting, value) = line.split_once(" = ").expect("a setting");
        match (setting, value) {
            ("signature", "any") => policy.signature = SignaturePolicy::AnySigner,
            ("statement", _) => {
                policy.statement = value.parse::<RequireStatement>().expect("a requirement");
            }
            ("signers", _) => {
                let (count, keys) = value.split_once(" of ").unwrap_or((value, ""));
                let keys = keys.split_whitespace().map(|key| key.parse().expect("a key")).collect();
                let rule = SignerRule::new(vec![], vec![], count.parse().expect("a number"), keys, None);
                policy.rules.push(rule.expect("a rule"));
            }
            other => panic!("{}: {other:?}", folder.display()),
        }
    }
    let plugin = UnverifiedPlugin::read(&folder.join("plugin.wasm"), 1024 * 1024).expect("read");
    match plugin.verify(&policy, &trust) {
        Ok(plugin) => match plugin.max_risk() {
            None => "0: let in".to_owned(),
            Some(risk) => format!("0: let in, {risk} at most"),
        },
        Err(error) => format!("{}: {error}", error.exit_code()),
    }
}

#[test]
fn every_vector_gets_its_verdict() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let folders = fs::read_dir(Path::new(VECTORS).join(row)).expect("the vectors");
        let folders: Vec<PathBuf> = folders.map(|entry| entry.expect("an entry").path()).collect();
        assert!(folders.len() >= 10, "{row}: {} vectors", folders.len());
        for folder in folders {
            let expected = fs::read_to_string(folder.join("expect")).expect("a verdict");
            let found = verdict(&folder);
            if found != expected.trim_end() {
                wrong.push(format!(
                    "{}\n  expected {}\n  found    {found}",
                    folder.display(),
                    expected.trim_end()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The directories hold exactly what the other implementation writes: no file was edited by hand. Where they differ,
/// the written files are left below the target directory, so that whoever changed a vector can copy them.
#[test]
fn the_folders_are_as_they_are_written() {
    let anew = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors");
    let (mut written, mut different) = (0, Vec::new());
    for (row, vector) in all() {
        let folder = Path::new(row).join(vector.name);
        for (name, bytes) in &vector.files {
            let file = folder.join(name);
            if !read(&Path::new(VECTORS).join(&file)).is_ok_and(|found| found == *bytes) {
                fs::create_dir_all(anew.join(&folder)).expect("a directory");
                fs::write(anew.join(&file), bytes).expect("written");
                different.push(file);
            }
        }
        written += 1;
    }
    assert!(different.is_empty(), "{different:?} differ from what is in {}", anew.display());
    let folders = ROWS.map(|row| fs::read_dir(Path::new(VECTORS).join(row)).expect("the vectors").count());
    assert_eq!(folders.iter().sum::<usize>(), written);
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
