//! A plugin that asks for web pages.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conductor_abi::{CapabilityRequest, HttpRequest, HttpResponse, Op, Risk, Status};
use conductor_broker::devices::{Devices, NameResolver, Networks};
use conductor_broker::{Broker, Session};
use conductor_call::Answer;
use conductor_call::Limits;
use conductor_policy::grant::{Ceilings, Choices, Grants};
use conductor_signing::TrustLevel;

/// Longest wait for a page.
const PATIENCE: Duration = Duration::from_secs(10);

/// The only names that can be resolved.
struct Names(BTreeMap<&'static str, IpAddr>);

impl NameResolver for Names {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let address = self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(vec![*address])
    }
}

/// A plugin that names no host, with the automatic grant, or with these scopes granted by the user.
pub(crate) fn plugin(networks: Networks, granted: &[&str]) -> Arc<Session> {
    let names = [("neighbour.example", [5, 6, 7, 2]), ("far.example", [8, 8, 4, 4])];
    let names = Names(names.map(|(name, address)| (name, address.into())).into());
    let broker =
        Broker::new(Devices { names: Arc::new(names), networks: Arc::new(networks), ..Devices::default() });
    let request = CapabilityRequest { name: "Network".into(), scope: None, reason: None };
    let configured = granted.iter().map(|text| text.parse().expect("a grant")).collect();
    let choices = Choices { configured, ..Choices::default() };
    let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Medium, trusted: None };
    let trust = TrustLevel::Trusted { key_name: "k".into() };
    let grants = Grants::resolve(&[request], &choices, &trust, ceilings).expect("grants");
    broker.session("test", grants, &Limits::default())
}

pub(crate) fn get(session: &Session, host: &str) -> Answer {
    get_within(session, host, PATIENCE)
}

fn get_within(session: &Session, host: &str, patience: Duration) -> Answer {
    let url = format!("http://{host}/");
    let request = HttpRequest { method: "GET", url: &url, headers: vec![], body: &[] };
    let wire = postcard::to_allocvec(&request).expect("encodes");
    session.call(Op::HttpRequest.number(), &wire, Instant::now() + patience)
}

pub(crate) fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

#[track_caller]
pub(crate) fn assert_reached(session: &Session, host: &str) {
    let answer = get(session, host);
    assert_eq!(answer.status, Status::Ok, "{host}: {}", text(&answer));
    let response: HttpResponse = postcard::from_bytes(&answer.bytes).expect("decodes");
    assert_eq!(response.body, b"hello", "{host}");
}

/// Asserts that the broker tries to connect to the host; nobody answers there.
#[track_caller]
pub(crate) fn assert_outside(session: &Session, host: &str) {
    let before = session.denials();
    let answer = get_within(session, host, Duration::from_secs(1));
    assert_eq!(answer.status, Status::TimedOut, "{host}: {}", text(&answer));
    assert_eq!(session.denials(), before, "{host}");
}

/// Asserts that the host is refused as inside and that nobody was connected to. The plugin learns no more than for a
/// host that does not exist.
#[track_caller]
pub(crate) fn assert_inside(session: &Session, host: &str) {
    let before = session.denials();
    let answer = get(session, host);
    assert_eq!(answer.status, Status::Failed, "{host}: {}", text(&answer));
    assert!(
        text(&answer).contains("no address that this plugin may connect to"),
        "{host}: {}",
        text(&answer)
    );
    assert_eq!(session.denials(), before + 1, "{host} is denied, not merely out of reach");
}
