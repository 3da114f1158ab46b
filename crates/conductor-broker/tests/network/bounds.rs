//! Bounds on a plugin's use of the network: bytes, connections, look-ups, and how much of an answer is held.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conductor_abi::{HttpRequest, Op, Status};
use conductor_broker::Broker;
use conductor_broker::devices::{Devices, NameResolver};
use conductor_call::Answer;
use conductor_call::{Limit, Limits};

use crate::server::{Server, respond};
use crate::{broker, get, grants, hello, limits, names, response, session, text};

#[test]
fn answers_are_bounded_while_they_arrive() {
    let server = Server::http(|request, stream| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        match path {
            "/announced" => write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n"),
            "/fits" => respond(stream, "200 OK", "", &"x".repeat(60_000)),
            "/header" => respond(stream, "200 OK", &format!("x-big: {}\r\n", "y".repeat(100_000)), ""),
            _ => {
                write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                loop {
                    write!(stream, "1000\r\n{}\r\n", "x".repeat(0x1000))?;
                }
            }
        }
    });
    let origin = format!("127.0.0.1:{}", server.port());
    let session = session(std::slice::from_ref(&origin));
    assert_eq!(response(&get(&session, &format!("http://{origin}/fits"))).body.len(), 60_000);
    // The bound on header fields is not a setting of the configuration.
    let configured = Some(Limit::MessageBytes);
    for (path, limit) in [("announced", configured), ("endless", configured), ("header", None)] {
        let answer = get(&session, &format!("http://{origin}/{path}"));
        assert_eq!(answer.status, Status::TooLarge, "{path}: {}", text(&answer));
        assert_eq!(answer.refused_by, limit, "{path}");
    }
}

#[test]
fn a_minute_carries_so_many_bytes_heads_and_urls_included() {
    let server = hello();
    let origin = format!("127.0.0.1:{}", server.port());
    let session = |max_network_bytes_per_minute| {
        let limits = Limits { max_network_bytes_per_minute, ..limits() };
        broker(names(&[]), None).session("test", grants(None, &[&format!("Network={origin}")]), &limits)
    };
    let refused = |answer: &Answer| {
        assert_eq!((answer.status, answer.refused_by), (Status::RateLimited, Some(Limit::NetworkRate)));
    };
    let url = format!("http://{origin}/");
    let plenty = session(10_000);
    let mut answered = 0;
    while answered < 1_000 {
        let answer = get(&plenty, &url);
        if answer.status != Status::Ok {
            refused(&answer);
            break;
        }
        answered += 1;
    }
    // Each request with its answer takes some 150 bytes beside the five bytes of the body.
    assert!((30..100).contains(&answered), "{answered}");

    // The bytes of a URL count before the answer arrives, and bytes that are thrown away count too.
    refused(&get(&session(1_000), &format!("{url}?{}", "x".repeat(2_000))));
    let pouring = Server::http(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        while write!(stream, "1000\r\n{}\r\n", "x".repeat(0x1000)).is_ok() {}
        Ok(())
    });
    let origin = format!("127.0.0.1:{}", pouring.port());
    let limits =
        Limits { max_network_bytes_per_minute: 1_000_000, max_message_bytes: 64 * 1024 * 1024, ..limits() };
    let poured =
        broker(names(&[]), None).session("test", grants(None, &[&format!("Network={origin}")]), &limits);
    refused(&get(&poured, &format!("http://{origin}/")));
}

#[test]
fn a_plugin_has_so_many_connections_however_many_hosts_it_asks() {
    let servers: Vec<_> = (0..6).map(|_| hello()).collect();
    let slow = Server::http(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")?;
        thread::sleep(Duration::from_secs(20));
        Ok(())
    });
    let limits = Limits { max_network_connections: 3, ..limits() };
    let granted = grants(None, &["Network=127.0.0.1:*"]);
    let session = broker(names(&[]), None).session("test", granted, &limits);
    // A kept connection is closed when another needs its place.
    for _ in 0..2 {
        for server in &servers {
            let url = format!("http://127.0.0.1:{}/", server.port());
            assert_eq!(response(&get(&session, &url)).body, b"hello");
        }
    }
    let open = || {
        let url = format!("http://127.0.0.1:{}/", slow.port());
        let request = HttpRequest { method: "GET", url: &url, headers: vec![], body: &[] };
        let wire = postcard::to_allocvec(&request).expect("encodes");
        session.call(Op::HttpOpen.number(), &wire, Instant::now() + Duration::from_secs(10))
    };
    let statuses: Vec<_> = (0..4).map(|_| open()).map(|answer| (answer.status, answer.refused_by)).collect();
    let (opened, refused) = ((Status::Ok, None), (Status::RateLimited, Some(Limit::NetworkConnections)));
    assert_eq!(statuses, [opened, opened, opened, refused]);
}

#[test]
fn names_that_never_resolve_do_not_pile_up() {
    struct Stuck(AtomicUsize);
    impl NameResolver for Stuck {
        fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            // This is longer than the whole test takes on a busy machine.
            thread::sleep(Duration::from_secs(60));
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        }
    }
    let stuck = Arc::new(Stuck(AtomicUsize::new(0)));
    let names: Arc<dyn NameResolver> = Arc::clone(&stuck) as Arc<dyn NameResolver>;
    let broker = Broker::new(Devices { names, ..Devices::default() });
    let session = broker.session("test", grants(None, &[]), &limits());
    for number in 0..8 {
        let url = format!("http://host{number}.example/");
        let request = HttpRequest { method: "GET", url: &url, headers: vec![], body: &[] };
        let wire = postcard::to_allocvec(&request).expect("encodes");
        let answer =
            session.call(Op::HttpRequest.number(), &wire, Instant::now() + Duration::from_millis(100));
        let expected = if number < 4 {
            (Status::TimedOut, None)
        } else {
            (Status::RateLimited, Some(Limit::NetworkLookups))
        };
        assert_eq!((answer.status, answer.refused_by), expected, "{}", text(&answer));
    }
    assert_eq!(stuck.0.load(Ordering::SeqCst), 4);
}
