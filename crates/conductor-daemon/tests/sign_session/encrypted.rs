//! Key files that are encrypted with a passphrase.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::shell::Shell;

const WHO: [&str; 4] = ["--name", "Your Name", "--email", "you@example.com"];

/// Writes a passphrase to a file that nobody else can read.
fn passphrase(shell: &Shell, name: &str, text: &str) {
    fs::write(shell.path(name), format!("{text}\n")).expect("written");
    fs::set_permissions(shell.path(name), fs::Permissions::from_mode(0o600)).expect("mode set");
}

fn sign<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["sign", "my_plugin.wasm", "key"], words, &WHO].concat()
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_alone() {
    let shell = Shell::new();
    passphrase(&shell, "right", "correct horse");
    passphrase(&shell, "wrong", "correct Horse");
    passphrase(&shell, "empty", "");
    let encrypt = ["generate-key", "key", "--encrypt", "--passphrase-file"];
    shell.run(&[&encrypt[..], &["empty"]].concat()).refused(1, "the passphrase is empty", "");
    shell.run(&[&encrypt[..], &["none"]].concat()).refused(1, "none", "");
    let made = shell.ok(&[&encrypt[..], &["right"]].concat());
    let text = fs::read_to_string(shell.path("key.private")).expect("read");
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{text}");
    let mode = fs::metadata(shell.path("key.private")).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        shell.ok(&sign(&["--passphrase-file", "right"])).field("  Public key:"),
        made.field("Public key (hex):")
    );
    shell.run(&sign(&["--passphrase-file", "wrong"])).refused(1, "does not open the private key", "");
    shell.run(&sign(&[])).refused(1, "no terminal to ask on", "--passphrase-file");
    fs::set_permissions(shell.path("right"), fs::Permissions::from_mode(0o640)).expect("mode set");
    shell.run(&sign(&["--passphrase-file", "right"])).refused(1, "has mode 0640", "chmod 600 right");
    shell.run(&["generate-key", "other", "--passphrase-file", "right"]).refused_usage();
}

#[test]
fn a_person_is_asked_twice_for_a_new_passphrase_and_once_for_an_old_one() {
    let shell = Shell::new();
    let mut typist = shell.type_in(&["generate-key", "key", "--encrypt"]);
    typist.answer_unseen("Passphrase for key.private: ", "open sesame");
    typist.answer_unseen("The same passphrase again: ", "open sesam");
    let (code, shown) = typist.end();
    assert!(code == 1 && shown.contains("the two passphrases differ"), "{shown}");
    assert!(!shell.path("key.private").exists());

    let mut typist = shell.type_in(&["generate-key", "key", "--encrypt"]);
    typist.answer_unseen("Passphrase for key.private: ", "open sesame");
    typist.answer_unseen("The same passphrase again: ", "open sesame");
    let (code, shown) = typist.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("sesame"), "a passphrase is not shown: {shown}");

    let mut typist = shell.type_in(&sign(&[]));
    typist.answer_unseen("Passphrase for key.private: ", "open sesame");
    let (code, shown) = typist.end();
    assert_eq!(code, 0, "{shown}");
}

#[test]
fn what_was_typed_before_a_passphrase_is_asked_for_is_none() {
    let shell = Shell::new();
    let mut typist = shell.type_in_late(&["generate-key", "key", "--encrypt"]);
    typist.answer("soon\r\n", "too early");
    typist.answer_unseen("Passphrase for key.private: ", "open sesame");
    typist.answer_unseen("The same passphrase again: ", "open sesame");
    let (code, shown) = typist.end();
    assert_eq!(code, 0, "{shown}");
}

/// OpenSSL is on every Debian machine that has HTTPS. The file is PKCS#8, whichever program reads it.
#[test]
fn the_file_is_what_openssl_reads_and_writes() {
    let shell = Shell::new();
    passphrase(&shell, "right", "correct horse");
    let made = shell.ok(&["generate-key", "key", "--encrypt", "--passphrase-file", "right"]);
    let openssl = |words: &[&str]| {
        let output = Command::new("openssl").args(words).current_dir(shell.home()).output();
        let output = output.expect("openssl is installed by: cargo xtask setup");
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let words = ["pkey", "-in", "key.private", "-passin", "pass:correct horse", "-pubout", "-outform", "DER"];
    let public = openssl(&words);
    let hex: String = public[public.len() - 32..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, made.field("Public key (hex):"));

    openssl(&[
        "genpkey",
        "-algorithm",
        "ed25519",
        "-aes-256-cbc",
        "-pass",
        "pass:correct horse",
        "-out",
        "theirs.private",
    ]);
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "plain.private"]);
    openssl(&["genpkey", "-algorithm", "x25519", "-out", "other.private"]);
    for name in ["theirs", "plain", "other"] {
        let path = shell.path(&format!("{name}.private"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("mode set");
    }
    let sign = |key: &str| {
        shell.run(&[&["sign", "my_plugin.wasm", key, "--passphrase-file", "right"][..], &WHO].concat())
    };
    assert_eq!(sign("theirs").code, 0);
    assert_eq!(sign("plain").code, 0);
    sign("other").refused(1, "one of X25519, and signing needs Ed25519", "");
    fs::write(shell.path("plain.private"), "-----BEGIN NONSENSE-----\n").expect("written");
    sign("plain").refused(1, "not a private key in PKCS#8", "");
}
