//! Row modes: keys and trust files that somebody else could have read or written, or that are damaged.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use conductor_signing::{FileError, KeyFileError, KeyPaths, SigningKey, TrustStore, atomic_file};

use super::support::{Scratch, VECTORS};

/// A key pair on disk.
fn key(scratch: &Scratch) -> KeyPaths {
    let paths = KeyPaths::from_argument(&scratch.path("key")).expect("paths");
    scratch.key.write_new(&paths).expect("written");
    paths
}

/// The command that mends the file, as the hint gives it.
fn mend(path: &Path) -> String {
    SigningKey::read(path).err().expect("refused").hint().expect("a hint")
}

#[test]
fn a_private_key_that_others_can_read_is_refused() {
    let scratch = Scratch::new();
    let path = key(&scratch).private;
    assert!(SigningKey::read(&path).is_ok());
    for mode in [0o640, 0o604, 0o620, 0o601, 0o644, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode set");
        let error = SigningKey::read(&path).err().expect("refused");
        assert!(matches!(error, KeyFileError::File(FileError::Mode { found, .. }) if found == mode));
        assert_eq!(mend(&path), format!("chmod 600 {}", path.display()));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode set");
    assert!(SigningKey::read(&path).is_ok(), "the command mends it");
}

#[test]
fn a_private_key_is_a_file_of_its_own() {
    let scratch = Scratch::new();
    let path = key(&scratch).private;
    let link = scratch.path("link.private");
    symlink(&path, &link).expect("linked");
    assert!(matches!(SigningKey::read(&link), Err(KeyFileError::File(FileError::Symlink { .. }))));
    let target = path.canonicalize().expect("a path");
    assert_eq!(
        mend(&link),
        format!("put the file itself there: mv -f {} {}", target.display(), link.display())
    );
    assert!(matches!(
        SigningKey::read(scratch.dir.path()),
        Err(KeyFileError::File(FileError::Directory { .. }))
    ));
    let missing = scratch.path("none.private");
    assert!(matches!(SigningKey::read(&missing), Err(KeyFileError::File(FileError::Missing { .. }))));
    let base = scratch.path("none");
    assert_eq!(mend(&missing), format!("make a key with: conductor-sign generate-key {}", base.display()));
}

#[test]
fn commands_survive_paths_with_spaces_and_quotes() {
    let scratch = Scratch::new();
    let path = scratch.path("my 'best' key.private");
    fs::copy(key(&scratch).private, &path).expect("copied");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("mode set");
    let dir = scratch.dir.path().display();
    assert_eq!(mend(&path), format!(r"chmod 600 '{dir}/my '\''best'\'' key.private'"));
}

/// Each file of `tests/vectors/modes` is a damaged trust file. Its name says which trust file, its first line which
/// error is expected.
#[test]
fn damaged_trust_files_get_their_verdict() {
    let mut seen = 0;
    for entry in fs::read_dir(format!("{VECTORS}/modes")).expect("the vectors") {
        let file = entry.expect("an entry").path();
        let text = fs::read_to_string(&file).expect("text");
        let expect = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).expect("a verdict");
        let revoked = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("revoked-"));
        let scratch = Scratch::new();
        let path = scratch.path(if revoked { "revoked_keys.toml" } else { "trusted_keys.toml" });
        atomic_file::replace(&path, text.as_bytes(), atomic_file::PRIVATE).expect("written");
        let error = TrustStore::load(scratch.dir.path()).expect_err("refused").to_string();
        assert_eq!(error, format!("{}:{expect}", path.display()), "{}", file.display());
        seen += 1;
    }
    assert!(seen >= 6, "{seen} vectors");
}
