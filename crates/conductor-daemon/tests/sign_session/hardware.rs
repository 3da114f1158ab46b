//! Keys on a PKCS#11 token: SoftHSM2 is a real module whose tokens are files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::shell::{Ended, Shell};

const PIN: &str = "98765";
const WHO: [&str; 4] = ["--name", "Your Name", "--email", "you@example.com"];

/// A home directory with a token.
struct Token {
    shell: Shell,
    module: PathBuf,
}

impl Token {
    fn new() -> Self {
        let shell = Shell::new();
        let tokens = shell.path("tokens");
        fs::create_dir(&tokens).expect("a directory");
        let config = shell.path("softhsm2.conf");
        fs::write(&config, format!("directories.tokendir = {}\n", tokens.display())).expect("written");
        let token = Self { shell: shell.with("SOFTHSM2_CONF", &config), module: module() };
        token.add("release token");
        token.pin_file("pin", PIN);
        token
    }

    /// Makes another token.
    fn add(&self, label: &str) {
        let mut command = Command::new("softhsm2-util");
        command.args(["--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN]);
        command.env("SOFTHSM2_CONF", self.shell.path("softhsm2.conf"));
        let output = command.output().expect("softhsm2-util is installed by: cargo xtask setup");
        assert!(output.status.success(), "{output:?}");
    }

    fn pin_file(&self, name: &str, pin: &str) -> PathBuf {
        let path = self.shell.path(name);
        fs::write(&path, format!("{pin}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode set");
        path
    }

    /// The URI of a key on the token, with the PIN in a file.
    fn uri(&self, object: &str) -> String {
        let pin = self.shell.path("pin");
        format!("{};token=release%20token;object={object};pin-source={}", self.bare(), pin.display())
    }

    fn bare(&self) -> String {
        format!("pkcs11:module-path={}", self.module.display())
    }

    fn generate(&self, object: &str) -> Ended {
        self.shell.ok(&["generate-key", "--hardware-key", &self.uri(object)])
    }

    fn sign(&self, spec: &str) -> Ended {
        let words = ["sign", "my_plugin.wasm", "--force", "--hardware-key", spec];
        self.shell.run(&[&words[..], &WHO].concat())
    }
}

/// Where Debian installs the module, on any architecture.
fn module() -> PathBuf {
    let known = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"];
    let found = known.into_iter().map(Path::new).find(|path| path.exists());
    found.expect("SoftHSM2 is installed by: cargo xtask setup").to_owned()
}

#[test]
fn a_key_is_made_on_a_token_and_signs_there() {
    let token = Token::new();
    let made = token.generate("release");
    let key = made.field("Public key (hex):").to_owned();
    let spec = made.field("Hardware key:").to_owned();
    assert!(spec.contains(";id=%") && !spec.contains(PIN), "{spec}");
    assert_eq!(token.sign(&spec).code, 0);
    token.shell.run(&["verify", "my_plugin.wasm"]).refused(3, &format!("key {key} is not trusted"), "");
    token.shell.ok(&["trust", "add", &key, "Official Plugin"]);
    token.shell.ok(&["verify", "my_plugin.wasm"]);
    token.shell.run(&["generate-key", "--hardware-key", &token.uri("release")]).refused(
        1,
        "there is a key",
        "another label",
    );

    // The public key can be written to a file.
    token.shell.ok(&["generate-key", "pair", "--hardware-key", &token.uri("second")]);
    let listed =
        token.shell.ok(&["keys", "list", "--json", "--module", &token.module.display().to_string()]).json();
    let public = fs::read_to_string(token.shell.path("pair.public")).expect("read");
    let specs: Vec<&str> = listed["keys"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|offer| offer["public_key"] == public.trim())
        .map(|offer| offer["spec"].as_str().expect("a spec"))
        .collect();
    let [spec] = specs[..] else { panic!("{listed}") };
    let ready = format!("{spec};pin-source={}", token.shell.path("pin").display());
    assert_eq!(token.sign(&ready).code, 0, "what is listed can be used as it stands");
    assert!(!token.shell.path("pair.private").exists());
}

#[test]
fn the_command_of_the_manual_works_with_a_device_that_the_configuration_knows() {
    let token = Token::new();
    let key = token.generate("yubi").field("Public key (hex):").to_owned();
    let words = ["sign", "my_plugin.wasm", "--hardware-key", "/dev/yubikey"];
    let words = [&words[..], &WHO].concat();
    token.shell.run(&words).refused(1, "no PKCS#11 module is known for /dev/yubikey", "[signing.devices]");
    token
        .shell
        .config("config.toml", &format!("[signing.devices]\n\"/dev/yubikey\" = \"{}\"\n", token.uri("yubi")));
    assert_eq!(token.shell.ok(&words).field("  Public key:"), key);
    // The token also cosigns and rotates. A chain then needs a path.
    token.shell.key("next");
    let sign = ["sign", "my_plugin.wasm", "next"];
    token.shell.ok(&[&sign[..], &WHO].concat());
    let cosign = ["cosign", "my_plugin.wasm", "--hardware-key", "/dev/yubikey"];
    assert!(token.shell.ok(&[&cosign[..], &WHO].concat()).stdout.contains(&key));
    let rotate = ["rotate", "/dev/yubikey", "next"];
    let report = token.shell.ok(&rotate);
    assert_eq!(report.field("Old key:"), key);
    assert!(token.shell.path("next.rotation.json").exists());
    token.shell.run(&["rotate", "next", "/dev/yubikey"]).refused(2, "no place", "--out");
    let back = ["rotate", "next", "/dev/yubikey", "--out", "back.json"];
    token.shell.run(&back).refused(1, "cannot follow again", "generate-key");
}

#[test]
fn a_module_may_be_named_once_for_all() {
    let token = Token::new();
    token.generate("release");
    let without = token.uri("release").replace(&format!("module-path={};", token.module.display()), "");
    token.sign(&without).refused(1, "no PKCS#11 module", "pkcs11_module");
    let config = format!("[signing]\npkcs11_module = \"{}\"\n", token.module.display());
    token.shell.config("config.toml", &config);
    assert_eq!(token.sign(&without).code, 0);
    token.sign("pkcs11:module-name=softhsm2;object=release").refused(1, "without its place", "module-path");
    token.sign("pkcs11:module-path=/none.so;object=release").refused(
        1,
        "cannot use the PKCS#11 module /none.so",
        "",
    );
}

#[test]
fn what_is_meant_must_be_one_key() {
    let token = Token::new();
    let bare = token.bare();
    let pin = format!("?pin-value={PIN}");
    token.sign(&format!("{bare};object=none{pin}")).refused_after_warning(
        1,
        "the token has none",
        "keys list",
    );
    token.generate("one");
    token.generate("two");
    token.sign(&format!("{bare}{pin}")).refused_after_warning(1, "fits more than one key", "keys list");
    token.sign(&format!("{bare};token=other;object=one{pin}")).refused_after_warning(
        1,
        "no token",
        "keys list",
    );
    token.add("other");
    token.sign(&format!("{bare};object=one{pin}")).refused_after_warning(
        1,
        "more than one token",
        "keys list",
    );
    token.sign("pkcs11:object=a;object=b").refused(1, "occurs twice", "");
    token.sign("pkcs11:object=%4").refused(1, "two hex digits", "");
    token.sign("somewhere").refused(1, "is no hardware key", "keys list");
}

#[test]
fn a_pin_comes_from_a_private_file_or_a_terminal() {
    let token = Token::new();
    token.generate("release");
    token.pin_file("pin", "11111");
    token.sign(&token.uri("release")).refused(1, "the PIN of the token `release token` is wrong", "");
    let pin = token.pin_file("pin", PIN);
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o644)).expect("mode set");
    token.sign(&token.uri("release")).refused(1, "has mode 0644", "chmod 600");
    fs::remove_file(&pin).expect("removed");
    token.sign(&token.uri("release")).refused(1, "pin", "");
    let spec = format!("{};token=release%20token;object=release", token.bare());
    let words = ["sign", "my_plugin.wasm", "--force", "--hardware-key", &spec];
    let words = [&words[..], &WHO].concat();
    let mut typist = token.shell.type_in(&words);
    typist.answer_unseen("PIN of the token release token: ", PIN);
    let (code, shown) = typist.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(PIN), "a PIN is not shown: {shown}");
}
