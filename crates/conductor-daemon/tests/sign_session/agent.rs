//! Keys that an ssh-agent holds: OpenSSH's agent, and one that lies.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::shell::Shell;

const WHO: [&str; 4] = ["--name", "Your Name", "--email", "you@example.com"];

/// An agent with its own home. It ends when the value is dropped.
struct Agent {
    shell: Shell,
    child: Child,
}

impl Agent {
    fn start() -> Self {
        let shell = Shell::new();
        let socket = shell.path("agent.sock");
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a"]).arg(&socket).env_clear().env("HOME", shell.home());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("ssh-agent is installed by: cargo xtask setup");
        let agent = Self { shell: shell.with("SSH_AUTH_SOCK", &socket), child };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            assert!(Instant::now() < deadline, "the agent has no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        agent
    }

    /// Makes a key and hands it to the agent.
    fn add(&self, kind: &str, comment: &str) {
        let path = self.shell.path(comment);
        let keygen = ["-q", "-t", kind, "-N", "", "-C", comment, "-f"];
        run(Command::new("ssh-keygen").args(keygen).arg(&path));
        let socket = self.shell.path("agent.sock");
        run(Command::new("ssh-add").arg("-q").arg(&path).env("SSH_AUTH_SOCK", socket));
    }

    fn sign(&self, spec: &str) -> super::shell::Ended {
        let words = ["sign", "my_plugin.wasm", "--force", "--hardware-key", spec];
        self.shell.run(&[&words[..], &WHO].concat())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().expect("ended");
        self.child.wait().expect("ended");
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("OpenSSH is installed by: cargo xtask setup");
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[test]
fn the_only_ed25519_key_of_an_agent_signs() {
    let agent = Agent::start();
    agent.sign("ssh-agent").refused(1, "holds no Ed25519 key", "ssh-keygen -t ed25519");
    agent.add("ecdsa", "curve");
    agent.sign("ssh-agent").refused(1, "it holds 1 of other types", "ssh-add");
    agent.add("ed25519", "ada");
    assert_eq!(agent.sign("ssh-agent").code, 0);
    let listed = agent.shell.ok(&["keys", "list", "--json"]).json();
    let key = listed["keys"][0]["public_key"].as_str().expect("a key");
    assert_eq!(listed["keys"][0]["label"], "ada");
    agent.shell.ok(&["trust", "add", key, "Ada"]);
    agent.shell.ok(&["verify", "my_plugin.wasm"]);
}

#[test]
fn one_of_several_is_named_by_its_fingerprint_or_its_key() {
    let agent = Agent::start();
    agent.add("ed25519", "ada");
    agent.add("ed25519", "bob");
    agent.sign("ssh-agent").refused(1, "holds several such Ed25519 keys: ssh-agent:SHA256:", "name one");
    let listed = agent.shell.ok(&["keys", "list", "--json"]).json();
    for offer in listed["keys"].as_array().expect("a list") {
        let key = offer["public_key"].as_str().expect("a key");
        let (fingerprint, comment) = (offer["spec"].as_str(), offer["label"].as_str());
        let (fingerprint, comment) = (fingerprint.expect("a spec"), comment.expect("a comment"));
        for spec in [
            fingerprint.to_owned(),
            format!("ssh-agent:{key}"),
            format!("ssh-agent:{}", key.to_uppercase()),
            format!("ssh-agent:{comment}"),
        ] {
            assert_eq!(agent.sign(&spec).field("  Public key:"), key);
        }
    }
    agent.sign("ssh-agent:SHA256:none").refused(1, "does not hold that key", "ssh-add");
    agent.sign("ssh-agent:none").refused(1, "does not hold that key", "keys list");
    agent.sign("ssh-agent:").refused(1, "names no key", "its comment");
    // The fingerprint is the same as the one that OpenSSH prints.
    let socket = agent.shell.path("agent.sock");
    let printed = Command::new("ssh-add").arg("-l").env("SSH_AUTH_SOCK", socket).output().expect("runs");
    let printed = String::from_utf8(printed.stdout).expect("text");
    for offer in listed["keys"].as_array().expect("a list") {
        let fingerprint = offer["spec"].as_str().expect("a spec").trim_start_matches("ssh-agent:");
        assert!(printed.contains(fingerprint), "{printed}");
    }
}

/// A list of keys, encoded as an agent with these keys answers.
fn listed(keys: &[(&[u8], &str)]) -> Vec<u8> {
    let keys_and_comments =
        keys.iter().map(|(blob, comment)| [string(blob), string(comment.as_bytes())].concat());
    let count = (keys.len() as u32).to_be_bytes();
    string(&[&[12][..], &count, &keys_and_comments.collect::<Vec<_>>().concat()].concat())
}

/// A key in SSH's encoding.
fn blob(kind: &[u8], key: &[u8]) -> Vec<u8> {
    [string(kind), string(key)].concat()
}

/// An agent that lists the keys of several sources may list a key twice. Some agents hold hundreds of other keys.
#[test]
fn a_key_that_is_listed_twice_or_among_hundreds_is_used() {
    let signing = conductor_signing::SigningKey::generate().expect("a key");
    let (key, other) = (signing.public_key(), [9; 32]);
    let ours = blob(b"ssh-ed25519", key.as_bytes());
    let certificate =
        [string(b"ssh-ed25519-cert-v01@openssh.com"), string(&[0; 32]), string(key.as_bytes())].concat();
    let rsa = blob(b"ssh-rsa", &[1; 280]);
    let many: Vec<String> = (0..300).map(|number| format!("key {number}")).collect();
    let mut held: Vec<(&[u8], &str)> = many.iter().map(|comment| (&*rsa, comment.as_str())).collect();
    held.push((&ours, "mine"));
    let theirs =
        blob(b"ssh-ed25519", conductor_signing::SigningKey::from_seed(&other).public_key().as_bytes());
    let fingerprint = {
        use data_encoding::BASE64_NOPAD;
        format!(
            "ssh-agent:SHA256:{}",
            BASE64_NOPAD.encode(conductor_signing::Digest::from_bytes(&ours).as_bytes())
        )
    };
    for (name, keys, specs) in [
        (
            "twice",
            vec![(&*ours, "first"), (&*ours, "second")],
            vec!["ssh-agent", "ssh-agent:first", "ssh-agent:second"],
        ),
        ("certified", vec![(&*certificate, "k"), (&*ours, "k")], vec!["ssh-agent", "ssh-agent:k"]),
        ("many", held, vec!["ssh-agent", "ssh-agent:mine"]),
        ("both", vec![(&*theirs, "b"), (&*ours, "a"), (&*ours, "b")], vec!["ssh-agent:a"]),
    ] {
        let shell = Shell::new();
        let socket = shell.path(name);
        sign_with(&socket, listed(&keys), signing.with_seed(conductor_signing::SigningKey::from_seed));
        let shell = shell.with("SSH_AUTH_SOCK", &socket);
        let hex = format!("ssh-agent:{key}");
        for spec in specs.into_iter().chain([hex.as_str(), &fingerprint]) {
            let words = ["sign", "my_plugin.wasm", "--force", "--hardware-key", spec];
            let signed = shell.ok(&[&words[..], &WHO].concat());
            assert_eq!(signed.field("  Public key:"), key.to_string(), "{name}: {spec}");
        }
        let offers = shell.ok(&["keys", "list", "--json"]).json();
        let ours = offers["keys"].as_array().expect("a list");
        assert_eq!(ours.iter().filter(|offer| offer["public_key"] == key.to_string()).count(), 1, "{offers}");
        if name == "both" {
            let sign = [&["sign", "my_plugin.wasm", "--hardware-key", "ssh-agent:b"][..], &WHO].concat();
            shell.run(&sign).refused(1, "holds several such Ed25519 keys", "by its fingerprint");
        }
    }
}

/// Acts as an agent that holds these keys and signs with one of them.
fn sign_with(socket: &Path, identities: Vec<u8>, key: conductor_signing::SigningKey) {
    use conductor_signing::PrivateKey as _;
    let listener = UnixListener::bind(socket).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            while let Some(request) = message(&mut stream) {
                let answer = if request[0] == 11 {
                    identities.clone()
                } else {
                    let key_bytes = u32::from_be_bytes(request[1..5].try_into().expect("a length")) as usize;
                    let length = u32::from_be_bytes(
                        request[5 + key_bytes..9 + key_bytes].try_into().expect("a length"),
                    );
                    let data = &request[9 + key_bytes..][..length as usize];
                    let signature = key.sign(data).expect("signed");
                    string(&[&[14][..], &string(&blob(b"ssh-ed25519", signature.as_bytes()))].concat())
                };
                // The client may have ended already.
                let _ = stream.write_all(&answer);
            }
        }
    });
}

#[test]
fn without_an_agent_the_error_says_so() {
    let shell = Shell::new();
    let sign = [&["sign", "my_plugin.wasm", "--hardware-key", "ssh-agent"][..], &WHO].concat();
    shell.run(&sign).refused(1, "SSH_AUTH_SOCK is not set", "eval");
    let shell = shell.with("SSH_AUTH_SOCK", Path::new("/none"));
    shell.run(&sign).refused(1, "ssh-agent at /none", "");
}

/// Acts as an agent that gives these answers, until its listener is gone.
fn pretend(socket: &Path, identities: Vec<u8>, signature: Vec<u8>) {
    let listener = UnixListener::bind(socket).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut length = [0; 4];
            let Ok(()) = stream.read_exact(&mut length) else { continue };
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            let Ok(()) = stream.read_exact(&mut request) else { continue };
            let answer = if request[0] == 11 { &identities } else { &signature };
            // The client may have ended already.
            let _ = stream.write_all(answer);
        }
    });
}

/// An agent may wait for a person, so `conductor-sign` must not hold a lock while it asks the agent.
#[test]
fn no_agent_is_asked_while_something_is_locked() {
    let agent = Agent::start();
    agent.add("ed25519", "key");
    let (home, real) = (agent.shell.home().to_owned(), agent.shell.path("agent.sock"));
    let between = home.join("between.sock");
    let listener = UnixListener::bind(&between).expect("a socket");
    let config = home.join(".config/conductor");
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), Ok(mut agent)) = (stream, std::os::unix::net::UnixStream::connect(&real))
            else {
                return;
            };
            while let Some(request) = message(&mut stream) {
                if request[0] == 13 {
                    let locks = [home.clone(), config.join(".trust.lock")];
                    let is_held = |path: &std::path::PathBuf| {
                        fs::File::open(path).is_ok_and(|file| file.try_lock().is_err())
                    };
                    noted.lock().expect("sound").push(!locks.iter().any(is_held));
                }
                agent.write_all(&string(&request)).expect("asked");
                let answer = message(&mut agent).expect("answered");
                stream.write_all(&string(&answer)).expect("handed on");
            }
        }
    });
    let shell = Shell::new();
    shell.signed();
    for name in ["my_plugin.wasm", "my_plugin.wasm.sig"] {
        fs::copy(shell.path(name), agent.shell.path(name)).expect("copied");
    }
    let socket = between.clone();
    let asked = |words: &[&str]| {
        let mut command = Command::new(super::shell::PROGRAM);
        command.args(words).current_dir(agent.shell.home()).env_clear().env("HOME", agent.shell.home());
        let ended = super::shell::end(command.env("SSH_AUTH_SOCK", &socket));
        assert_eq!(ended.code, 0, "{ended:?}");
    };
    let key = ["--hardware-key", "ssh-agent"];
    asked(&[&["cosign", "my_plugin.wasm"][..], &key, &WHO].concat());
    asked(&[&["sign", "my_plugin.wasm", "--force"][..], &key, &WHO].concat());
    let digest = "ab".repeat(32);
    asked(&["trust", "revoke", &digest, "--digest", "--reason", "bad"]);
    asked(&[&["trust", "export-revocations"][..], &key].concat());
    let seen = seen.lock().expect("sound").clone();
    assert!(seen.len() >= 4 && seen.iter().all(|is_free| *is_free), "{seen:?}");
}

/// One message of the agent's protocol.
fn message(stream: &mut std::os::unix::net::UnixStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

#[test]
fn what_an_agent_gives_for_a_signature_is_verified_before_it_is_written() {
    let key = conductor_signing::SigningKey::generate().expect("a key").public_key();
    let blob = [string(b"ssh-ed25519"), string(key.as_bytes())].concat();
    let identities =
        string(&[&[12][..], &1u32.to_be_bytes(), &string(&blob), &string(b"liar \x1b[31m")].concat());
    let lie = [string(b"ssh-ed25519"), string(&[7; 64])].concat();
    for (name, identities, signature, error) in [
        (
            "lies",
            identities.clone(),
            string(&[&[14][..], &string(&lie)].concat()),
            "is none; nothing was written",
        ),
        ("refuses", identities.clone(), string(&[5]), "ssh-agent refused"),
        ("babbles", identities, string(&[14, 0, 0, 0, 9]), "sent what is no answer"),
        ("floods", vec![0xff; 4], Vec::new(), "sent what is no answer"),
        ("counts", string(&[12, 0xff, 0xff, 0xff, 0xff]), Vec::new(), "sent what is no answer"),
    ] {
        let shell = Shell::new();
        let socket = shell.path(name);
        pretend(&socket, identities, signature);
        let shell = shell.with("SSH_AUTH_SOCK", &socket);
        let sign = [&["sign", "my_plugin.wasm", "--hardware-key", "ssh-agent"][..], &WHO].concat();
        shell.run(&sign).refused(1, error, "");
        assert!(!shell.path("my_plugin.wasm.sig").exists());
        let listed = shell.run(&["keys", "list"]);
        assert!(!listed.stdout.contains('\u{1b}'), "{listed:?}");
        fs::remove_file(&socket).expect("removed");
    }
}
