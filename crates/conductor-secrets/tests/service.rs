//! A real Secret Service on a bus of its own: gnome-keyring, which needs no display for this. What it asks for can only be
//! declined without one, so a small service of the test asks where the answer is yes.

#![cfg(target_os = "linux")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up fails, outside its test function too"
)]

#[path = "service/prompting.rs"]
mod prompting;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use conductor_broker::devices::{SecretValueError, SecretValues as _};
use conductor_policy::secret::{KeptIn, SecretId, SecretPlace};
use conductor_secrets::{KeepError, Vault};
use conductor_signing::SecretText;
use tempfile::TempDir;
use zbus::connection::Builder;
use zbus::{Connection, ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use prompting::Asking;

const PASSWORD: &str = "of the test";

const SERVICE: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";
const INTERFACE: &str = "org.freedesktop.Secret.Service";

/// Longest that the service may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bus and the service on it, which end with the test.
struct Desktop {
    directory: TempDir,
    bus: Child,
    address: String,
    keyring: Option<Child>,
}

impl Desktop {
    /// A bus without a Secret Service.
    fn bare() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        for name in ["home", "run", "data"] {
            fs::create_dir(directory.path().join(name)).expect("created");
        }
        let config = directory.path().join("bus.conf");
        let listen = format!("unix:path={}", directory.path().join("bus").display());
        let text = format!(
            "<busconfig><type>session</type><listen>{listen}</listen><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>"
        );
        fs::write(&config, text).expect("written");
        let mut command = Command::new("dbus-daemon");
        command.arg("--nofork").arg("--print-address").arg(format!("--config-file={}", config.display()));
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut bus =
            command.spawn().unwrap_or_else(|error| panic!("dbus-daemon: {error}; run: cargo xtask setup"));
        let mut address = String::new();
        BufReader::new(bus.stdout.take().expect("output")).read_line(&mut address).expect("an address");
        Self { directory, bus, address: address.trim().to_owned(), keyring: None }
    }

    /// A bus with a Secret Service whose default collection is unlocked.
    fn start() -> Self {
        let mut desktop = Self::bare();
        let at = |name: &str| desktop.directory.path().join(name);
        let mut command = Command::new("gnome-keyring-daemon");
        command.args(["--unlock", "--components=secrets", "--foreground"]);
        command.arg(format!("--control-directory={}", at("run/keyring").display()));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", at("home"));
        command.env("XDG_RUNTIME_DIR", at("run")).env("XDG_DATA_HOME", at("data"));
        command.env("DBUS_SESSION_BUS_ADDRESS", &desktop.address);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut keyring = command
            .spawn()
            .unwrap_or_else(|error| panic!("gnome-keyring-daemon: {error}; run: cargo xtask setup"));
        keyring.stdin.take().expect("input").write_all(PASSWORD.as_bytes()).expect("written");
        desktop.keyring = Some(keyring);
        let deadline = Instant::now() + PATIENCE;
        while desktop.default_collection().is_none() {
            assert!(Instant::now() < deadline, "no default collection");
            thread::sleep(Duration::from_millis(50));
        }
        desktop
    }

    fn connect(&self) -> Connection {
        zruntime::block_on(Builder::address(self.address.as_str()).build()).expect("the bus")
    }

    fn default_collection(&self) -> Option<OwnedObjectPath> {
        let bus = self.connect();
        let answer = zruntime::block_on(bus.call_method(
            Some(SERVICE),
            PATH,
            Some(INTERFACE),
            "ReadAlias",
            &("default",),
        ));
        let path: OwnedObjectPath = answer.ok()?.body().deserialize().ok()?;
        (path.as_str() != "/").then_some(path)
    }

    fn lock(&self) {
        let (bus, collection) = (self.connect(), self.default_collection().expect("a collection"));
        let arguments = (vec![ObjectPath::from(&collection)],);
        zruntime::block_on(bus.call_method(Some(SERVICE), PATH, Some(INTERFACE), "Lock", &arguments))
            .expect("locked");
    }

    /// Unlocks the collection as the login does, without a prompt.
    fn unlock(&self) {
        let (bus, collection) = (self.connect(), self.default_collection().expect("a collection"));
        zruntime::block_on(async {
            let session = ("plain", Variant::from(""));
            let opened = bus.call_method(Some(SERVICE), PATH, Some(INTERFACE), "OpenSession", &session).await;
            let opened = opened.expect("a session");
            let (_, session): (OwnedVariant, OwnedObjectPath) =
                opened.body().deserialize().expect("a session");
            let password = (session, &[][..] as &[u8], PASSWORD.as_bytes(), "text/plain");
            let interface = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";
            bus.call_method(
                Some(SERVICE),
                PATH,
                Some(interface),
                "UnlockWithMasterPassword",
                &(ObjectPath::from(&collection), password),
            )
            .await
            .expect("unlocked");
        });
    }

    fn vault(&self) -> Vault {
        Vault::on_bus(self.file().to_path_buf(), self.address.clone())
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("state/secrets")
    }

    /// Whether a text is in any file of the desktop.
    fn holds(&self, text: &str) -> bool {
        fn look(directory: &Path, text: &[u8]) -> bool {
            fs::read_dir(directory).expect("listed").flatten().any(|entry| {
                let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
                let is_there = |path: &Path| {
                    fs::File::open(path).and_then(|mut file| {
                        let mut bytes = Vec::new();
                        std::io::Read::read_to_end(&mut file, &mut bytes).map(|_| bytes)
                    })
                };
                kind.is_dir() && look(&path, text)
                    || kind.is_file()
                        && is_there(&path)
                            .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text))
            })
        }
        look(self.directory.path(), text.as_bytes())
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for child in self.keyring.iter_mut().chain([&mut self.bus]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn id(digit: u8) -> SecretId {
    SecretId::from_random([digit; 16])
}

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn in_service(id: SecretId) -> SecretPlace {
    SecretPlace { kept_in: KeptIn::SecretService, id }
}

#[test]
fn the_secret_service_keeps_secrets() {
    let desktop = Desktop::start();
    let vault = desktop.vault();
    let keep = |digit, text: &str| vault.keep(&id(digit), "a label", &secret(text), PATIENCE);
    assert_eq!(keep(1, "hush-that-nobody-sees").expect("kept"), KeptIn::SecretService);
    assert_eq!(keep(2, "Basic other=").expect("kept"), KeptIn::SecretService);
    assert!(!desktop.file().exists() && !desktop.holds("hush-that-nobody-sees"), "it is in no file as it is");
    assert_eq!(vault.read(&in_service(id(1))), Ok(secret("hush-that-nobody-sees")));
    assert_eq!(vault.read(&in_service(id(2))), Ok(secret("Basic other=")));
    keep(1, "replaced").expect("kept");
    assert_eq!(vault.read(&in_service(id(1))), Ok(secret("replaced")));
    vault.forget(&in_service(id(1)), PATIENCE).expect("forgotten");
    vault.forget(&in_service(id(1)), PATIENCE).expect("forgotten already");
    assert_eq!(vault.read(&in_service(id(1))), Err(SecretValueError::Missing));
    assert_eq!(vault.read(&in_service(id(2))), Ok(secret("Basic other=")));
}

#[test]
fn a_locked_collection_is_said_at_once_and_asked_for() {
    let desktop = Desktop::start();
    let vault = desktop.vault();
    vault.keep(&id(1), "a label", &secret("hush"), PATIENCE).expect("kept");
    desktop.lock();
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(vault.read(&in_service(id(1))), Err(SecretValueError::Locked));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "nobody is waited for: {:?}", began.elapsed());
    // Nobody can be asked here, because there is no display: the prompt ends as one that is declined.
    let began = Instant::now();
    let refused = vault.keep(&id(2), "a label", &secret("other"), PATIENCE).expect_err("locked");
    assert!(matches!(refused, KeepError::Locked { .. } | KeepError::Service { .. }), "{refused:?}");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert!(!desktop.file().exists(), "it does not go into the file instead");
    desktop.unlock();
    assert_eq!(vault.read(&in_service(id(1))), Ok(secret("hush")));
}

#[test]
fn without_a_secret_service_the_file_keeps_secrets() {
    let desktop = Desktop::bare();
    let vault = desktop.vault();
    assert_eq!(vault.keep(&id(1), "a label", &secret("hush"), PATIENCE).expect("kept"), KeptIn::File);
    let place = SecretPlace { kept_in: KeptIn::File, id: id(1) };
    assert_eq!(vault.read(&place), Ok(secret("hush")));
    assert!(matches!(vault.read(&in_service(id(1))), Err(SecretValueError::Unavailable { .. })));
    vault.forget(&place, PATIENCE).expect("forgotten");
    assert_eq!(vault.read(&place), Err(SecretValueError::Missing));
    let nowhere = Vault::on_bus(desktop.file(), "unix:path=/nowhere/bus".to_owned());
    assert_eq!(nowhere.keep(&id(2), "a label", &secret("hush"), PATIENCE).expect("kept"), KeptIn::File);
}

#[test]
fn what_a_prompt_is_accepted_for_is_done() {
    let desktop = Desktop::bare();
    let asking = Asking::start(&desktop.address, true);
    let vault = desktop.vault();
    let keep = |text: &str| vault.keep(&id(1), "a label", &secret(text), PATIENCE);
    assert_eq!(keep("hush").expect("kept"), KeptIn::SecretService);
    assert_eq!(asking.asked(), ["unlock", "create"]);
    assert_eq!(vault.read(&in_service(id(1))), Ok(secret("hush")));
    assert_eq!(keep("other").expect("kept"), KeptIn::SecretService);
    assert_eq!(asking.asked(), ["create"], "it is unlocked already");

    // Reading asks on its own, waits for nobody, and goes on once the person has answered.
    asking.lock();
    assert_eq!(vault.read(&in_service(id(1))), Err(SecretValueError::Locked));
    let deadline = Instant::now() + PATIENCE;
    while vault.read(&in_service(id(1))) != Ok(secret("other")) {
        assert!(Instant::now() < deadline, "it stays locked");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(asking.asked(), ["unlock"], "the person is asked once");

    asking.lock();
    vault.forget(&in_service(id(1)), PATIENCE).expect("forgotten");
    assert_eq!(asking.asked(), ["unlock", "delete"]);
    assert_eq!(vault.read(&in_service(id(1))), Err(SecretValueError::Missing));
    assert!(!desktop.file().exists(), "nothing goes into the file");
}

#[test]
fn what_a_prompt_is_declined_for_is_not_done() {
    let desktop = Desktop::bare();
    let asking = Asking::start(&desktop.address, false);
    let vault = desktop.vault();
    let refused = vault.keep(&id(1), "a label", &secret("hush"), PATIENCE).expect_err("declined");
    assert!(matches!(refused, KeepError::Locked { .. }), "{refused:?}");
    assert_eq!(asking.asked(), ["unlock"]);
    assert_eq!(vault.read(&in_service(id(1))), Err(SecretValueError::Missing));
    assert!(!desktop.file().exists(), "it does not go into the file instead");
}
