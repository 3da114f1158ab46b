//! Key files that other programs made, in the forms that people have.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::shell::{Ended, Shell};

const WHO: [&str; 4] = ["--name", "Your Name", "--email", "you@example.com"];

/// A home with OpenSSL's key `plain.pem` and a file with a passphrase.
fn home() -> Shell {
    let shell = Shell::new();
    private(&shell, "passphrase", "secret\n");
    openssl(&shell, "genpkey -algorithm ed25519 -out plain.pem");
    shell
}

/// Writes a file that nobody else can read.
fn private(shell: &Shell, name: &str, text: &str) {
    fs::write(shell.path(name), text).expect("written");
    fs::set_permissions(shell.path(name), fs::Permissions::from_mode(0o600)).expect("mode set");
}

fn openssl(shell: &Shell, words: &str) {
    run(shell, &format!("openssl {words}"));
}

fn run(shell: &Shell, command: &str) {
    let output = Command::new("sh").args(["-c", command]).current_dir(shell.home()).output();
    let output = output.expect("a shell");
    assert!(output.status.success(), "{command}: {output:?}; to install what it takes: cargo xtask setup");
}

fn sign(shell: &Shell, key: &str) -> Ended {
    let words = ["sign", "my_plugin.wasm", key, "--passphrase-file", "passphrase"];
    shell.run(&[&words[..], &WHO].concat())
}

#[test]
fn whatever_openssl_writes_by_default_opens() {
    let shell = home();
    let key = sign(&shell, "plain").field("  Public key:").to_owned();
    for digest in ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"] {
        for bits in ["128", "192", "256"] {
            let how = format!("-v2 aes-{bits}-cbc -v2prf hmacWith{digest}");
            openssl(
                &shell,
                &format!("pkcs8 -topk8 {how} -in plain.pem -out closed.pem -passout pass:secret"),
            );
            let signed = sign(&shell, "closed.pem");
            assert_eq!((signed.code, signed.field("  Public key:")), (0, key.as_str()), "{how}: {signed:?}");
        }
    }
    openssl(&shell, "pkcs8 -topk8 -scrypt -in plain.pem -out closed.pem -passout pass:secret");
    assert_eq!(sign(&shell, "closed").field("  Public key:"), key);
}

/// The command that the hint names makes a file that can be opened.
#[test]
fn what_is_encrypted_otherwise_opens_once_it_is_encrypted_anew() {
    let shell = home();
    let key = sign(&shell, "plain").field("  Public key:").to_owned();
    for (how, name) in [
        ("-v2 des3", "3DES"),
        ("-v2 camellia-256-cbc", "Camellia-256"),
        ("-v1 PBE-SHA1-3DES", "PBES1 of PKCS #12 (SHA-1 and 3DES)"),
        ("-provider default -provider legacy -v1 PBE-MD5-DES", "PBES1 (MD5 and DES)"),
    ] {
        openssl(&shell, &format!("pkcs8 -topk8 {how} -in plain.pem -out old.pem -passout pass:secret"));
        let refused = sign(&shell, "old.pem");
        refused.refused(1, &format!("is encrypted with {name}, which is not read"), "openssl pkcs8");
        let (_, command) = refused.stderr.split_once("anew: ").expect("a command");
        run(&shell, &format!("{} -passin pass:secret -passout pass:secret", command.trim()));
        assert_eq!(sign(&shell, "old.pem.new").field("  Public key:"), key, "{how}");
    }
}

#[test]
fn what_is_no_private_key_is_named_with_what_to_do() {
    let shell = home();
    run(&shell, "ssh-keygen -q -t ed25519 -N '' -C me -f ssh");
    sign(&shell, "ssh").refused(1, "ssh: this is a private key in the format of OpenSSH", "ssh-add ssh");
    run(&shell, "chmod 600 ssh.pub");
    sign(&shell, "ssh.pub").refused(1, "ssh.pub: this is a public key", "name the private half");
    openssl(&shell, "pkey -in plain.pem -pubout -out public.pem");
    run(&shell, "chmod 600 public.pem");
    sign(&shell, "public").refused(1, "public.pem: this is a public key", "name the private half");
    openssl(&shell, "pkey -in plain.pem -outform DER -out binary");
    run(&shell, "chmod 600 binary");
    let refused = sign(&shell, "binary");
    refused.refused(1, "binary: this is ASN.1 in DER", "openssl pkey");
    let (_, command) = refused.stderr.split_once("as PEM: ").expect("a command");
    run(&shell, command);
    assert_eq!(sign(&shell, "binary").stderr, "note: the key is taken from binary.pem, not from binary\n");
}

#[test]
fn the_file_is_found_in_the_order_of_the_manual_and_said_where_there_are_several() {
    let shell = home();
    openssl(&shell, "genpkey -algorithm ed25519 -out key.pem");
    run(&shell, "cp -p plain.pem key");
    let of = |name: &str| sign(&shell, name).field("  Public key:").to_owned();
    let (bare, pem) = (of("plain"), of("key.pem"));
    let signed = sign(&shell, "key");
    assert_eq!(signed.field("  Public key:"), pem);
    assert_eq!(signed.stderr, "note: the key is taken from key.pem, not from key\n");
    fs::remove_file(shell.path("key.pem")).expect("removed");
    assert_eq!(of("key"), bare);
    let made = shell.ok(&["generate-key", "key"]).field("Public key (hex):").to_owned();
    let signed = sign(&shell, "key");
    assert_eq!(signed.field("  Public key:"), made);
    assert_eq!(signed.stderr, "note: the key is taken from key.private, not from key\n");
    assert_eq!(sign(&shell, "key.private").stderr, "", "it was named");
    // The first candidate is not skipped because it cannot be used.
    run(&shell, "chmod 640 key.private");
    let refused = sign(&shell, "key");
    assert!(refused.code == 1 && refused.stderr.contains("key.private has mode 0640"), "{refused:?}");
    sign(&shell, "none").refused(8, "none.private does not exist", "generate-key none");
}
