//! Servers, names that lead to them, and a plugin that may reach all of them.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use conductor_abi::{CapabilityRequest, Op, Risk};
use conductor_broker::audit::{AuditKey, AuditRecord, AuditSink, NotRecorded};
use conductor_broker::devices::{Devices, NameResolver, RootCertificates, SecretValueError, SecretValues};
use conductor_broker::{Broker, Session};
use conductor_call::{Answer, Limits};
use conductor_policy::grant::store::Subject;
use conductor_policy::grant::{Ceilings, Choices, Grants};
use conductor_policy::secret::{
    Declared, HeldSecrets, KeptIn, SecretId, SecretPlace, SecretStore, StoredSecret,
};
use conductor_signing::keeper::Keeper;
use conductor_signing::{Digest, SecretText, TrustLevel};

use crate::http2::Http2Server;
use crate::log;
use crate::server::{Server, Stream, authority, authority_for, respond};

/// The secret, which stands nowhere else in this process.
pub(crate) const SECRET: &str = "Zq-7f3a9c55-must-not-be-seen-40-bytes-x";

/// Names that are granted, and that the servers with TLS have a certificate for.
const NAMES: [&str; 7] = [
    "api.example",
    "evil.example",
    "x.api.example",
    "api.example.evil.example",
    "xn--bcher-kva.example",
    "late.example",
    "xn--pi-6kc.example",
];

/// Every name is this machine's.
struct ThisMachine;

impl NameResolver for ThisMachine {
    fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

/// What is recorded.
#[derive(Default)]
pub(crate) struct Recorded(Mutex<String>, OnceLock<AuditKey>);

impl Recorded {
    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("records"))
    }
}

impl AuditSink for Recorded {
    fn record(&self, record: &AuditRecord) -> Result<(), NotRecorded> {
        self.0.lock().expect("records").push_str(&record.to_line());
        Ok(())
    }

    fn key(&self) -> &AuditKey {
        self.1.get_or_init(|| AuditKey::from_bytes([1; 32]))
    }
}

/// What is done before a secret is given out.
type Before = Box<dyn Fn() + Send + Sync>;

/// Where the secrets are.
pub(crate) struct Values {
    pub(crate) text: Mutex<Result<String, SecretValueError>>,
    pub(crate) before: Mutex<Option<Before>>,
}

impl SecretValues for Values {
    fn read(&self, _place: &SecretPlace) -> Result<SecretText, SecretValueError> {
        if let Some(before) = &*self.before.lock().expect("before") {
            before();
        }
        self.text.lock().expect("text").clone().map(SecretText::new)
    }
}

pub(crate) struct World {
    pub(crate) tls: Server,
    pub(crate) other: Server,
    pub(crate) plain: Server,
    pub(crate) stranger: Server,
    pub(crate) http2: Http2Server,
    pub(crate) records: Arc<Recorded>,
    pub(crate) values: Arc<Values>,
    broker: Broker,
}

/// Whose secrets they are.
pub(crate) fn subject() -> Subject {
    Subject {
        name: "hostile".parse().expect("a name"),
        publisher: None,
        digest: Digest::from_bytes(b"hostile"),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        log::begin();
        let (pem, config) = authority_for(&NAMES);
        let (_, of_nobody) = authority("api.example");
        let ports: Arc<OnceLock<BTreeMap<&'static str, u16>>> = Arc::default();
        let handler = || {
            let ports = Arc::clone(&ports);
            move |request: &str, stream: &mut dyn Stream| answer(&ports, request, stream)
        };
        let tls = Server::https(config.clone(), handler());
        let http2 = {
            let ports = Arc::clone(&ports);
            Http2Server::start(config.clone(), Arc::new(move |path: &str| redirect(&ports, path, "HTTP2")))
        };
        let other = Server::https(config, handler());
        let (plain, stranger) = (Server::http(handler()), Server::https(of_nobody, handler()));
        let of = |name, server: &Server| (name, server.port());
        let all = [
            of("TLS", &tls),
            of("OTHER", &other),
            of("PLAIN", &plain),
            of("STRANGER", &stranger),
            ("HTTP2", http2.port()),
        ];
        ports.set(all.into()).expect("set once");
        let values = Arc::new(Values { text: Mutex::new(Ok(SECRET.to_owned())), before: Mutex::new(None) });
        let devices = Devices {
            names: Arc::new(ThisMachine),
            http_roots: RootCertificates::from_pem(pem.as_bytes()).expect("roots"),
            secrets: Arc::clone(&values) as _,
            ..Devices::default()
        };
        let mut broker = Broker::new(devices);
        let records = Arc::new(Recorded::default());
        broker.record_in(Arc::clone(&records) as _);
        Self { tls, other, plain, stranger, http2, records, values, broker }
    }

    pub(crate) fn servers(&self) -> [&Server; 4] {
        [&self.tls, &self.other, &self.plain, &self.stranger]
    }

    /// A text with the ports of the servers.
    pub(crate) fn with_ports(&self, text: &str) -> String {
        text.replace("STRANGER", &self.stranger.port().to_string())
            .replace("TLS", &self.tls.port().to_string())
            .replace("OTHER", &self.other.port().to_string())
            .replace("PLAIN", &self.plain.port().to_string())
            .replace("HTTP2", &self.http2.port().to_string())
    }

    /// The secrets of the plugin, as the user entered and confirmed them.
    pub(crate) fn secrets(&self) -> HeldSecrets {
        self.secrets_for(self.plain.port())
    }

    /// As [`World::secrets`], with this port of `localhost` among the hosts.
    fn secrets_for(&self, port: u16) -> HeldSecrets {
        let local = format!("localhost:{port}");
        let hosts = |texts: &[&str]| {
            texts.iter().map(|text| self.with_ports(text).parse().expect("a host")).collect::<Vec<_>>()
        };
        let confirmed = hosts(&[
            "api.example:TLS",
            &local,
            "api.example:PLAIN",
            "api.example:STRANGER",
            "api.example:HTTP2",
            "xn--bcher-kva.example:TLS",
        ]);
        let all = [confirmed.clone(), hosts(&["late.example:TLS"])].concat();
        let declared = [
            Declared { name: "token".to_owned(), reason: None, hosts: all },
            Declared { name: "missing".to_owned(), reason: None, hosts: hosts(&["api.example:TLS"]) },
        ];
        let directory = tempfile::tempdir().expect("directory");
        let (keeper, subject) = (Keeper::of(directory.path()), subject());
        let stored = StoredSecret {
            plugin: subject.name.clone(),
            holder: subject.holder(),
            name: "token".to_owned(),
            hosts: confirmed,
            kept_in: KeptIn::File,
            id: SecretId::from_random([7; 16]),
            set_at: keeper.now(),
        };
        SecretStore::put(&keeper, &subject, stored).expect("kept");
        HeldSecrets::of(&declared, &subject, &SecretStore::load(&keeper).expect("read"))
    }

    /// A plugin that may reach every server under every name.
    pub(crate) fn session(&self) -> Arc<Session> {
        self.session_for(self.plain.port())
    }

    /// As [`World::session`], for a plugin whose secret may go to this port of `localhost`.
    pub(crate) fn session_for(&self, port: u16) -> Arc<Session> {
        let mut hosts = vec![format!("localhost:{port}")];
        let ports = self.servers().map(Server::port);
        for port in ports.into_iter().chain([self.http2.port()]) {
            for name in NAMES.into_iter().chain(["127.0.0.1", "[::ffff:127.0.0.1]"]) {
                hosts.push(format!("{name}:{port}"));
            }
        }
        let granted: Vec<_> = hosts
            .iter()
            .map(|host| format!("Network={host};private=yes").parse().expect("a grant"))
            .collect();
        let request = CapabilityRequest { name: "Network".into(), scope: None, reason: None };
        let choices = Choices { configured: granted, ..Choices::default() };
        let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Medium, trusted: None };
        let trust = TrustLevel::Trusted { key_name: "k".into() };
        let grants = Grants::resolve(&[request], &choices, &trust, ceilings).expect("grants");
        let session = self.broker.session("hostile", grants, &Limits::default());
        session.set_secrets(self.secrets_for(port));
        session
    }
}

/// Asks for something as the plugin would.
pub(crate) fn ask(session: &Session, op: Op, request: &impl serde::Serialize) -> Answer {
    let wire = postcard::to_allocvec(request).expect("encodes");
    session.call(op.number(), &wire, Instant::now() + Duration::from_secs(20))
}

pub(crate) fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

/// Redirects as the path says, and does not speak WebSocket.
fn answer(
    ports: &OnceLock<BTreeMap<&'static str, u16>>,
    request: &str,
    stream: &mut dyn Stream,
) -> io::Result<()> {
    match request.split(' ').nth(1).unwrap_or_default() {
        "/socket" => respond(stream, "403 Forbidden", "", "no"),
        path => match redirect(ports, path, "OTHER") {
            Some(to) => respond(stream, "307 Temporary Redirect", &format!("location: {to}\r\n"), ""),
            None => respond(stream, "200 OK", "", "done"),
        },
    }
}

/// Where a path leads, if it leads elsewhere. `other` is the server of the other host.
fn redirect(ports: &OnceLock<BTreeMap<&'static str, u16>>, path: &str, other: &str) -> Option<String> {
    let port = |name| ports.get().expect("they are known")[name];
    Some(match path {
        "/to/next" => "/next".to_owned(),
        "/to/other-host" => format!("https://evil.example:{}/", port(other)),
        "/to/other-port" => format!("https://api.example:{}/", port("OTHER")),
        "/to/api" => format!("https://api.example:{}/", port("TLS")),
        "/to/plain" => format!("http://api.example:{}/", port("PLAIN")),
        _ => return None,
    })
}
