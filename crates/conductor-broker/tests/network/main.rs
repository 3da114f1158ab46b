//! Network against real servers on loopback: what is granted works, and nothing else is reachable.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up fails, outside its test function too"
)]

mod body;
mod bounds;
#[path = "../../../../tests/vectors/notation.rs"]
mod notation;
mod server;
#[path = "../../../../tests/vectors/table.rs"]
mod table;
mod urls;
mod websocket;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{Capability, CapabilityRequest, HttpRequest, HttpResponse, Op, Risk, Status};
use conductor_broker::devices::{Devices, NameResolver, RootCertificates};
use conductor_broker::{Broker, Session};
use conductor_call::Answer;
use conductor_call::Limits;
use conductor_policy::grant::{Ceilings, Choices, Grants};
use conductor_signing::TrustLevel;

use server::{Server, authority, respond};

const MAX_MESSAGE: u32 = 64 * 1024;

fn limits() -> Limits {
    Limits { max_message_bytes: MAX_MESSAGE, ..Limits::default() }
}

/// Names, each with its answers in order; the last answer is repeated.
#[derive(Default)]
struct Names {
    answers: Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>,
    lookups: AtomicUsize,
}

impl NameResolver for Names {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let mut names = self.answers.lock().expect("answers");
        let answers = names.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
}

fn names(entries: &[(&str, &[&str])]) -> Arc<Names> {
    let names = Names::default();
    for (name, answers) in entries {
        let answers = answers.iter().map(|text| vec![text.parse().expect("an address")]).collect();
        names.answers.lock().expect("answers").insert((*name).to_owned(), answers);
    }
    Arc::new(names)
}

fn grants(declared: Option<&str>, granted: &[&str]) -> Grants {
    let request = CapabilityRequest { name: "Network".into(), scope: declared.map(Into::into), reason: None };
    let granted: Vec<_> = granted.iter().map(|text| text.parse().expect("a grant")).collect();
    let ceilings = Ceilings { unsigned: Risk::Low, self_signed: Risk::Medium, trusted: None };
    let choices = Choices { configured: granted, ..Choices::default() };
    Grants::resolve(&[request], &choices, &TrustLevel::Trusted { key_name: "k".into() }, ceilings)
        .expect("grants")
}

fn broker(names: Arc<Names>, roots: Option<&str>) -> Broker {
    let http_roots =
        roots.map(|pem| RootCertificates::from_pem(pem.as_bytes()).expect("roots")).unwrap_or_default();
    Broker::new(Devices { names, http_roots, ..Devices::default() })
}

/// A session for a plugin that names no host, with these scopes granted by the user; without scopes, the grant is
/// automatic.
fn session(granted: &[String]) -> Arc<Session> {
    let granted: Vec<_> = granted.iter().map(|scope| format!("Network={scope}")).collect();
    let granted: Vec<_> = granted.iter().map(String::as_str).collect();
    broker(names(&[]), None).session("test", grants(None, &granted), &limits())
}

fn call(session: &Session, request: &HttpRequest<'_>) -> Answer {
    let wire = postcard::to_allocvec(request).expect("encodes");
    session.call(Op::HttpRequest.number(), &wire, Instant::now() + Duration::from_secs(10))
}

fn get(session: &Session, url: &str) -> Answer {
    call(session, &HttpRequest { method: "GET", url, headers: vec![], body: &[] })
}

fn response(answer: &Answer) -> HttpResponse {
    assert_eq!(answer.status, Status::Ok, "{}", text(answer));
    postcard::from_bytes(&answer.bytes).expect("decodes")
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

#[track_caller]
fn assert_denied(answer: &Answer, why: &str) {
    assert_eq!(answer.status, Status::Denied, "{}", text(answer));
    assert!(text(answer).contains(why), "{}", text(answer));
}

fn hello() -> Server {
    Server::http(|_, stream| respond(stream, "200 OK", "content-type: text/plain\r\n", "hello"))
}

#[test]
fn a_named_loopback_host_is_reached() {
    let server = hello();
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));

    let found = response(&get(&session, &format!("http://{origin}/path?x=1#fragment")));
    assert_eq!((found.status, found.body.as_slice()), (200, &b"hello"[..]));
    assert!(found.headers.contains(&("content-type".into(), "text/plain".into())));

    let sent = call(
        &session,
        &HttpRequest {
            method: "POST",
            url: &format!("http://{origin}/hook"),
            headers: vec![("x-note", "middle c")],
            body: b"{}",
        },
    );
    assert_eq!(response(&sent).status, 200);
    let requests = server.requests();
    assert!(requests[0].starts_with("GET /path?x=1 HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains("user-agent: conductor/"), "{}", requests[0]);
    assert!(requests[1].starts_with("POST /hook "), "{}", requests[1]);
    assert!(
        requests[1].contains("x-note: middle c\r\n") && requests[1].ends_with("\r\n\r\n{}"),
        "{}",
        requests[1]
    );
    assert_eq!(server.connections(), 1, "the connection is kept");
    assert!(sent.fuel > 2_000 + sent.bytes.len() as u64);
}

#[test]
fn localhost_is_this_machine_and_needs_its_name_in_a_grant() {
    let server = hello();
    let url = format!("http://localhost:{}/", server.port());
    let by_name = session(&[format!("localhost:{}", server.port())]);
    assert_eq!(response(&get(&by_name, &url)).status, 200);
    assert_denied(&get(&session(&["*:*".into()]), &url), "host `localhost` is on the user's own machine");
    assert_denied(&get(&session(&[]), &url), "outside the scope that was granted");
    assert_eq!(server.connections(), 1);
}

#[test]
fn no_spelling_of_a_private_address_passes_without_a_grant_by_name() {
    let automatic = session(&[]);
    let everything = session(&["*:*;private=yes".into()]);
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "router",
        "nas.local",
        "a.localhost",
    ] {
        for (session, whose) in [(&automatic, "automatic"), (&everything, "wildcard")] {
            let answer = get(session, &format!("http://{host}/"));
            assert_eq!(answer.status, Status::Denied, "{whose} {host}: {}", text(&answer));
            assert!(text(&answer).contains("no grant names it"), "{}", text(&answer));
        }
    }
    assert_eq!(automatic.denials(), 31);
}

#[test]
fn a_grant_names_one_host_and_one_port() {
    let (server, other) = (hello(), hello());
    let session = session(&[format!("127.0.0.1:{}", server.port())]);
    assert_denied(
        &get(&session, &format!("http://127.0.0.1:{}/", other.port())),
        "outside the scope that was granted",
    );
    assert_denied(
        &get(&session, &format!("http://127.0.0.2:{}/", server.port())),
        "outside the scope that was granted",
    );
    assert_eq!((server.connections(), other.connections()), (0, 0));
}

#[test]
fn the_declared_scope_bounds_the_grant() {
    let server = hello();
    let origin = format!("127.0.0.1:{}", server.port());
    let broker = broker(names(&[]), None);
    let named = format!("Network={origin}");
    let elsewhere = broker.session("test", grants(Some("api.example.com"), &[&named]), &limits());
    assert_denied(
        &get(&elsewhere, &format!("http://{origin}/")),
        "outside the scope that the plugin declares",
    );

    // A host that only the manifest names is not named by the user.
    let as_declared = broker.session("test", grants(Some(&origin), &["Network"]), &limits());
    assert_denied(
        &get(&as_declared, &format!("http://{origin}/")),
        "is a loopback address, and no grant names it",
    );

    let unapproved = broker.session("test", grants(Some(&origin), &[]), &limits());
    assert_denied(&get(&unapproved, &format!("http://{origin}/")), "at medium risk it needs approval");

    let undeclared = broker.session("test", Grants::none(), &limits());
    assert_denied(&get(&undeclared, &format!("http://{origin}/")), "Network is not declared by the plugin");

    let only_post = format!("Network={origin};methods=POST");
    let only_post = broker.session("test", grants(None, &[&only_post]), &limits());
    assert_denied(&get(&only_post, &format!("http://{origin}/")), "outside the scope that was granted");
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_public_name_with_a_private_address_is_refused_where_the_connection_is_made() {
    let server = hello();
    let port = server.port();
    let names = names(&[("rebind.example", &["127.0.0.1"]), ("metadata.example", &["169.254.169.254"])]);
    let broker = broker(Arc::clone(&names), None);
    let by_name = format!("Network=rebind.example:{port},metadata.example");
    let session = broker.session("test", grants(None, &[&by_name]), &limits());
    for url in [format!("http://rebind.example:{port}/"), "http://metadata.example/latest/meta-data/".into()]
    {
        assert_eq!(told_of_nothing(&session, &url), Status::Failed);
    }
    assert_eq!(names.lookups.load(Ordering::SeqCst), 2, "one look-up each: what is checked is what is used");
    assert_eq!(server.connections(), 0);
    assert_eq!(session.denials(), 2);
}

/// The status of a refusal that does not say whether the host exists.
#[track_caller]
fn told_of_nothing(session: &Session, url: &str) -> Status {
    let answer = get(session, url);
    let said = text(&answer);
    let said = said.split_once(" failed: ").map(|(_, why)| why);
    assert_eq!(said, Some("the host has no address that this plugin may connect to"), "{}", text(&answer));
    answer.status
}

#[test]
fn a_refusal_does_not_tell_which_names_exist_inside() {
    struct Inner;
    impl NameResolver for Inner {
        fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            match name {
                "nas.studio.example" => Ok(vec!["192.168.1.20".parse().expect("an address")]),
                "this.studio.example" => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
                "group.studio.example" => Ok(vec!["224.0.0.1".parse().expect("an address")]),
                "empty.studio.example" => Ok(Vec::new()),
                "failing.studio.example" => Err(io::Error::other("server failure")),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }
    let broker = Broker::new(Devices { names: Arc::new(Inner), ..Devices::default() });
    let session = broker.session("test", grants(None, &[]), &limits());
    let mut denials = Vec::new();
    for name in ["nas", "this", "group", "empty", "failing", "unknown"] {
        let before = session.denials();
        assert_eq!(told_of_nothing(&session, &format!("http://{name}.studio.example/")), Status::Failed);
        denials.push(session.denials() - before);
    }
    assert_eq!(denials, [1, 1, 1, 0, 0, 0], "the user learns which of them lead inside");

    // A plugin that was granted the host by name learns what is wrong with the host.
    let named = "Network=unknown.studio.example,group.studio.example;private=yes";
    let named = broker.session("test", grants(None, &[named]), &limits());
    assert!(text(&get(&named, "http://unknown.studio.example/")).contains("not found"));
    assert_denied(&get(&named, "http://group.studio.example/"), "multicast");
}

#[test]
fn an_answer_that_changes_between_look_ups_changes_nothing() {
    let server = hello();
    let port = server.port();
    // The first answer is reachable, and every later one is not: a second look-up would be noticed.
    let names = names(&[("nas.example", &["127.0.0.1", "0.0.0.0"])]);
    let broker = broker(Arc::clone(&names), None);
    let named = format!("Network=nas.example:{port};private=yes");
    let session = broker.session("test", grants(None, &[&named]), &limits());
    let url = format!("http://nas.example:{port}/");
    assert_eq!(response(&get(&session, &url)).status, 200);
    assert_eq!(names.lookups.load(Ordering::SeqCst), 1);

    // Once the grant no longer names the host as private, neither the kept connection nor the name leads there.
    session.set_grants(grants(None, &[&format!("Network=nas.example:{port}")]));
    assert_eq!(told_of_nothing(&session, &url), Status::Failed);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn redirects_are_checked_like_requests() {
    let inner = hello();
    let to_inner = format!("location: http://127.0.0.1:{}/secret\r\n", inner.port());
    let outer = Server::http(move |request, stream| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        match path {
            "/inner" => respond(stream, "302 Found", &to_inner, ""),
            "/metadata" => {
                respond(stream, "307 Temporary Redirect", "location: http://169.254.169.254/\r\n", "")
            }
            "/hex" => respond(stream, "301 Moved Permanently", "location: http://0x7f.1/\r\n", ""),
            "/file" => respond(stream, "302 Found", "location: file:///etc/passwd\r\n", ""),
            "/loop" => respond(stream, "302 Found", "location: /loop\r\n", ""),
            "/relative" => respond(stream, "303 See Other", "location: /end\r\n", ""),
            _ => respond(stream, "200 OK", "", "end"),
        }
    });
    let origin = format!("127.0.0.1:{}", outer.port());
    let session = session(&[origin.clone(), "*".into()]);
    for (path, why) in [
        ("inner", "after a redirect: Network: GET"),
        ("metadata", "after a redirect: Network: host `169.254.169.254` is a link-local address"),
        ("hex", "after a redirect: Network: host `127.0.0.1` is a loopback address"),
    ] {
        assert_denied(&get(&session, &format!("http://{origin}/{path}")), why);
    }
    assert_eq!(inner.connections(), 0);
    assert_eq!(get(&session, &format!("http://{origin}/file")).status, Status::Failed);
    let before = outer.requests().len();
    let endless = get(&session, &format!("http://{origin}/loop"));
    assert_eq!((endless.status, text(&endless).as_str()), (Status::Failed, "more than 5 redirects"));
    assert_eq!(outer.requests().len() - before, 6);

    let posted = call(
        &session,
        &HttpRequest {
            method: "POST",
            url: &format!("http://{origin}/relative"),
            headers: vec![("content-type", "text/plain")],
            body: b"note",
        },
    );
    assert_eq!(response(&posted).body, b"end");
    let last = outer.requests().pop().expect("a request");
    assert!(
        last.starts_with("GET /end ") && !last.contains("content-type") && !last.contains("note"),
        "{last}"
    );
}

#[test]
fn secrets_stay_with_the_origin_that_they_were_meant_for() {
    let second = hello();
    let location = format!("location: http://127.0.0.1:{}/\r\n", second.port());
    let first = Server::http(move |_, stream| respond(stream, "307 Temporary Redirect", &location, ""));
    let session = session(&[format!("127.0.0.1:{}", first.port()), format!("127.0.0.1:{}", second.port())]);
    let answer = call(
        &session,
        &HttpRequest {
            method: "GET",
            url: &format!("http://127.0.0.1:{}/", first.port()),
            headers: vec![
                ("authorization", "Bearer secret"),
                ("x-api-key", "secret"),
                ("accept", "text/plain"),
            ],
            body: &[],
        },
    );
    assert_eq!(response(&answer).status, 200);
    assert!(first.requests()[0].contains("Bearer secret"));
    let arrived = second.requests().remove(0);
    assert!(!arrived.contains("secret") && arrived.contains("accept: text/plain"), "{arrived}");
}

#[test]
fn https_needs_a_certificate_of_a_trusted_authority_for_that_name() {
    let (pem, tls) = authority("secure.example");
    let server = Server::https(tls, |_, stream| respond(stream, "200 OK", "", "hello"));
    let port = server.port();
    let entries: [(&str, &[&str]); 2] =
        [("secure.example", &["127.0.0.1"]), ("other.example", &["127.0.0.1"])];
    let named = format!("Network=secure.example:{port},other.example:{port};private=yes");
    let ask = |roots: Option<&str>, host: &str| {
        let broker = broker(names(&entries), roots);
        let session = broker.session("test", grants(None, &[&named]), &limits());
        get(&session, &format!("https://{host}:{port}/"))
    };
    assert_eq!(response(&ask(Some(&pem), "secure.example")).body, b"hello");
    let unknown = ask(None, "secure.example");
    assert_eq!(unknown.status, Status::Failed);
    assert!(text(&unknown).contains("UnknownIssuer"), "{}", text(&unknown));
    let wrong = ask(Some(&pem), "other.example");
    assert_eq!(wrong.status, Status::Failed);
    assert!(text(&wrong).contains("not valid for name"), "{}", text(&wrong));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_slow_server_does_not_outlast_the_deadline_nor_delay_others() {
    let slow = Server::http(|request, stream| {
        if request.starts_with("GET /drip") {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")?;
            for _ in 0..100 {
                write!(stream, "x")?;
                stream.flush()?;
                thread::sleep(Duration::from_millis(50));
            }
        } else {
            thread::sleep(Duration::from_secs(5));
        }
        Ok(())
    });
    let quick = hello();
    let broker = broker(names(&[]), None);
    let open =
        |port: u16| broker.session("test", grants(None, &[&format!("Network=127.0.0.1:{port}")]), &limits());
    let waiting = open(slow.port());
    let port = slow.port();
    let waiter = thread::spawn(move || {
        for path in ["drip", "silent"] {
            let url = format!("http://127.0.0.1:{port}/{path}");
            let request = HttpRequest { method: "GET", url: &url, headers: vec![], body: &[] };
            let wire = postcard::to_allocvec(&request).expect("encodes");
            let started = Instant::now();
            let answer = waiting.call(Op::HttpRequest.number(), &wire, started + Duration::from_millis(300));
            assert_eq!(answer.status, Status::TimedOut, "{}", text(&answer));
            assert!(started.elapsed() >= Duration::from_millis(300));
            assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        }
    });
    let other = open(quick.port());
    for _ in 0..20 {
        assert_eq!(response(&get(&other, &format!("http://127.0.0.1:{}/", quick.port()))).status, 200);
    }
    waiter.join().expect("the slow calls ended");
}

#[test]
fn taking_the_capability_away_ends_a_transfer() {
    let server = Server::http(|_, _| {
        thread::sleep(Duration::from_secs(5));
        Ok(())
    });
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));
    let running = Arc::clone(&session);
    let transfer = thread::spawn(move || get(&running, &format!("http://{origin}/")));
    while server.connections() == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    session.set_grants((*session.grants()).clone());
    thread::sleep(Duration::from_millis(50));
    assert!(!transfer.is_finished(), "a change that takes nothing away ends nothing");
    let revoked = Instant::now();
    session.revoke(Capability::Network);
    let answer = transfer.join().expect("the transfer ended");
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    assert_denied(&answer, "Network is denied by the user");
}

#[test]
fn no_proxy_is_taken_from_the_environment() {
    let proxy = hello();
    let url = format!("http://127.0.0.1:{}", proxy.port());
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", "a_named_loopback_host_is_reached"]);
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(variable, &url);
    }
    let output = child.output().expect("the test runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn it_may_be_called_from_asynchronous_code() {
    let server = hello();
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let answer = runtime.block_on(async { get(&session, &format!("http://{origin}/")) });
    assert_eq!(response(&answer).status, 200);
}

#[test]
fn malformed_requests_are_refused_before_anything_is_sent() {
    let server = hello();
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));
    let url = format!("http://{origin}/");
    let raw = |bytes: &[u8]| {
        session.call(Op::HttpRequest.number(), bytes, Instant::now() + Duration::from_secs(5)).status
    };
    let good = HttpRequest { method: "GET", url: &url, headers: vec![], body: &[] };
    let wire = postcard::to_allocvec(&good).expect("encodes");
    for end in 0..wire.len() {
        assert_eq!(raw(&wire[..end]), Status::Invalid, "cut at {end}");
    }
    assert_eq!(raw(&[&wire[..], b"\0"].concat()), Status::Invalid);
    assert_eq!(raw(&[0xff; 40]), Status::Invalid);
    assert_eq!(raw(&vec![0; MAX_MESSAGE as usize + 1]), Status::TooLarge);
    let requests = [
        HttpRequest { method: "get", ..good.clone() },
        HttpRequest { method: "TRACE", ..good.clone() },
        HttpRequest { body: b"x", ..good.clone() },
        HttpRequest { url: "http://user:pass@127.0.0.1/", ..good.clone() },
        HttpRequest { url: "/relative", ..good.clone() },
        HttpRequest { headers: vec![("host", "example.com")], ..good.clone() },
        HttpRequest { headers: vec![("x", "a\r\nevil: yes")], ..good.clone() },
        HttpRequest { headers: vec![("x", "y"); 65], ..good.clone() },
    ];
    for request in &requests {
        assert_eq!(call(&session, request).status, Status::Invalid, "{request:?}");
    }
    // Announces four billion header fields in a few bytes.
    let bomb = postcard::to_allocvec(&("GET", url.as_str(), u64::from(u32::MAX))).expect("encodes");
    assert_eq!(raw(&bomb), Status::Invalid);
    assert_eq!(server.connections(), 0);
    assert_eq!(get(&session, &url).status, Status::Ok);
}
