//! Packets of all kinds, sent to an input.

mod standard;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rosc::{OscArray, OscBundle, OscColor, OscMessage, OscMidiMessage, OscPacket, OscTime, OscType, encoder};
use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::flaw::{MAX_DEPTH, MAX_MESSAGES};
use super::*;
use crate::event::Body;
use crate::input::InputState;
use crate::osc_address::{Address, MAX_ADDRESS_BYTES};

/// The events that a datagram leads to, and what of it is dropped.
fn received(datagram: &[u8]) -> (Vec<Body>, BTreeMap<&'static str, u64>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let emitter = Emitter::new(
        Arc::new(InputState::new("osc".into())),
        Arc::new(move |event, _| sink.lock().expect("lock").push(event.body)),
    );
    deliver(datagram, Ipv4Addr::LOCALHOST.into(), &mut Warned::default(), &emitter);
    let delivered = std::mem::take(&mut *seen.lock().expect("lock"));
    (delivered, emitter.state().dropped())
}

fn delivered(datagram: &[u8]) -> Vec<Body> {
    let (delivered, dropped) = received(datagram);
    assert_eq!(dropped, BTreeMap::new());
    delivered
}

fn dropped(datagram: &[u8]) -> BTreeMap<&'static str, u64> {
    let (delivered, dropped) = received(datagram);
    assert_eq!(delivered, []);
    dropped
}

fn once(cause: &'static str) -> BTreeMap<&'static str, u64> {
    BTreeMap::from([(cause, 1)])
}

fn message(address: &str, args: Vec<OscType>) -> OscPacket {
    OscPacket::Message(OscMessage { addr: address.into(), args })
}

fn bundle(content: Vec<OscPacket>) -> OscPacket {
    OscPacket::Bundle(OscBundle { timetag: OscTime { seconds: 0, fractional: 1 }, content })
}

fn encoded(packet: OscPacket) -> Vec<u8> {
    encoder::encode(&packet).expect("encodes")
}

/// A bundle of elements that may be other than packets.
fn bundle_of(elements: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"#bundle\0\0\0\0\0\0\0\0\x01".to_vec();
    for element in elements {
        bytes.extend(u32::try_from(element.len()).expect("short").to_be_bytes());
        bytes.extend(*element);
    }
    bytes
}

fn osc(address: &str, arguments: &str, value: Option<f64>) -> Body {
    let address = Address::new(address).expect("short");
    Body::Osc { address, arguments: Some(arguments.into()), value }
}

#[test]
fn bundles_are_taken_apart_in_order() {
    let inner = bundle(vec![message("/b", vec![OscType::Float(0.5)]), message("/c", vec![])]);
    let packet = bundle(vec![message("/a", vec![OscType::Int(1), OscType::String("x".into())]), inner]);
    assert_eq!(
        delivered(&encoded(packet)),
        [osc("/a", r#"[1,"x"]"#, Some(1.0)), osc("/b", "[0.5]", Some(0.5)), osc("/c", "[]", None)]
    );
    assert_eq!(delivered(&encoded(bundle(vec![]))), []);
}

#[test]
fn a_datagram_does_not_grow_when_it_becomes_an_event() {
    let blob = vec![OscType::Int(7), OscType::Blob(vec![200; 60_000])];
    let tags = vec![OscType::Bool(true); 60_000];
    for (arguments, value) in [(blob, Some(7.0)), (tags, None)] {
        let address = Address::new("/a").expect("short");
        let flagged = Body::Osc { address, arguments: None, value };
        assert_eq!(delivered(&encoded(message("/a", arguments))), [flagged]);
    }
    let long = format!("/{}", "a".repeat(MAX_ADDRESS_BYTES));
    assert_eq!(dropped(&encoded(message(&long, vec![]))), once("address-too-long"));
    // Each byte that is not text becomes three bytes of text.
    let latin = [&b"/"[..], &[0xff; MAX_ADDRESS_BYTES / 2], b"\0"].concat();
    assert_eq!(dropped(&latin), once("address-too-long"));
}

#[test]
fn a_datagram_holds_only_so_many_messages() {
    let many = |count| bundle(vec![message("/a", vec![]); count]);
    assert_eq!(delivered(&encoded(many(MAX_MESSAGES))).len(), MAX_MESSAGES);
    assert_eq!(dropped(&encoded(many(MAX_MESSAGES + 1))), once("too-many-messages"));
    let nested = bundle(vec![many(MAX_MESSAGES / 2), many(MAX_MESSAGES / 2), message("/a", vec![])]);
    assert_eq!(dropped(&encoded(nested)), once("too-many-messages"));
    for element in [&b"#bundle\0"[..], b""] {
        assert_eq!(dropped(&bundle_of(&vec![element; 4000])), once("too-many-messages"));
    }
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |levels| (0..levels).fold(b"/a\0\0".to_vec(), |inner, _| bundle_of(&[&inner]));
    assert_eq!(delivered(&nested(MAX_DEPTH)).len(), 1);
    assert_eq!(dropped(&nested(MAX_DEPTH + 1)), once("too-deep"));
    assert_eq!(dropped(&nested(3000)), once("too-deep"));
    let arrays = [&b"/a\0\0,"[..], &[b'['; 30_000], &[b']'; 30_000], &[0; 3]].concat();
    assert_eq!(dropped(&arrays), once("too-deep"));
    assert_eq!(delivered(b"/a\0\0,[i]\0\0\0\0\0\0\0\x05"), [osc("/a", "[[5]]", None)]);
}

#[test]
fn what_is_no_osc_is_counted_by_cause() {
    for (datagram, cause) in [
        (&b""[..], "empty"),
        (b"x", "no-address"),
        (b"/a", "no-address"),
        (b"\0\0\0\0,i\0\0\0\0\0\x01", "no-address"),
        (b"GET / HTTP/1.1\r\n\0", "no-address"),
        (b"/a\0\0,i\0\0\0\0\x01", "cut-off"),
        (b"/a\0\0,i", "cut-off"),
        (b"/a\0\0,s\0\0abc", "cut-off"),
        (b"/a\0\0,b\0\0\xff\xff\xff\xffabcd", "cut-off"),
        (b"/a\0\0,Z\0\0", "unknown-type"),
        (b"/a\0\0,[\0\0", "open-array"),
        (b"#bundle\0", "broken-bundle"),
        (b"#bundle\0\0\0\0\0\0\0\0\x01\xff\xff\xff\xff", "broken-bundle"),
        (b"#bundle\0\0\0\0\0\0\0\0\x01\0\0", "broken-bundle"),
    ] {
        assert_eq!(dropped(datagram), once(cause), "{datagram:?}");
    }
}

#[test]
fn what_senders_make_of_the_specification_is_delivered() {
    for (datagram, expected) in [
        (&b"/info\0\0\0"[..], osc("/info", "[]", None)),
        (b"/info\0", osc("/info", "[]", None)),
        (b"/old\0\0\0\0\0\0\0\x05", osc("/old", "[[0,0,0,5]]", None)),
        (b"button\0\0,i\0\0\0\0\0\x01", osc("button", "[1]", Some(1.0))),
        (b"/looper~ m\0\0,f\0\0\x3f\x80\0\0", osc("/looper~ m", "[1.0]", Some(1.0))),
        (b"/L\xc3\xa4\0\0\0\0,T\0\0", osc("/Lä", "[true]", None)),
        (b"/L\xe4\0,T\0\0", osc("/L\u{fffd}", "[true]", None)),
        (b"/b\0\0,b\0\0\0\0\0\x05abcde", osc("/b", "[[97,98,99,100,101]]", None)),
        (b"/s\0\0,S\0\0sym\0", osc("/s", r#"["sym"]"#, None)),
        (b"/s\0\0,sT\0a\0", osc("/s", r#"["a",true]"#, None)),
        (b"/t\0\0,i\0\0\0\0\0\x01more", osc("/t", "[1]", Some(1.0))),
        (b"#a\0\0", osc("#a", "[]", None)),
    ] {
        assert_eq!(delivered(datagram), [expected], "{datagram:?}");
    }
}

#[test]
fn a_message_that_is_dropped_costs_no_other_one() {
    let (good, bad) = (b"/a\0\0", b"/a\0\0,Z\0\0");
    let (delivered, dropped) = received(&bundle_of(&[bad, good, &bundle_of(&[bad, good]), b"", good]));
    assert_eq!(delivered.len(), 3);
    assert_eq!(dropped, BTreeMap::from([("unknown-type", 2), ("empty", 1)]));
    let cut = bundle_of(&[good, b"/longer\0"]);
    let (delivered, dropped) = received(&cut[..cut.len() - 4]);
    assert_eq!((delivered.len(), dropped), (1, once("broken-bundle")));
}

#[test]
fn each_sender_and_cause_is_warned_of_once() {
    let emitter = Emitter::new(Arc::new(InputState::new("osc".into())), Arc::new(|_, _| {}));
    let mut warned = Warned::default();
    for number in 0..2 * u32::try_from(MAX_WARNINGS).expect("small") {
        for datagram in [&b"x"[..], b"/a\0\0,Z\0\0", b"x"] {
            deliver(datagram, Ipv4Addr::from_bits(number).into(), &mut warned, &emitter);
        }
        assert_eq!(warned.of.len(), MAX_WARNINGS.min(2 * (usize::try_from(number).expect("small") + 1)));
    }
    let count = 2 * u64::try_from(MAX_WARNINGS).expect("small");
    assert_eq!(
        emitter.state().dropped(),
        BTreeMap::from([("no-address", 2 * count), ("unknown-type", count)])
    );
}

#[test]
fn what_the_kernel_drops_is_counted() {
    const SENT: u64 = 4000;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
    socket.set_nonblocking(true).expect("set");
    set_socket_recv_buffer_size(&socket, 16 * 1024).expect("set");
    let sender = UdpSocket::bind("127.0.0.1:0").expect("socket");
    sender.connect(socket.local_addr().expect("address")).expect("connected");
    // More packets than the socket has room for, before anybody reads.
    (0..SENT).for_each(|_| assert_eq!(sender.send(b"/a\0\0").expect("sent"), 4));
    let delivered = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&delivered);
    let state = Arc::new(InputState::new("osc".into()));
    let emitter = Emitter::new(
        Arc::clone(&state),
        Arc::new(move |_, _| {
            counter.fetch_add(1, Ordering::Relaxed);
        }),
    );
    let stop = Stop::new().expect("pipe");
    let end = stop.clone();
    let reader = std::thread::spawn(move || receive(&socket, &emitter, &end));
    let deadline = Instant::now() + Duration::from_secs(30);
    let count = || state.dropped().get(overflow::NAME).copied().unwrap_or_default();
    while count() + delivered.load(Ordering::Relaxed) < SENT {
        assert!(Instant::now() < deadline, "{} dropped, {delivered:?} delivered", count());
        std::thread::sleep(Duration::from_millis(10));
    }
    stop.stop();
    reader.join().expect("thread").expect("received");
    assert!(count() > 0, "{SENT} packets fit into the socket");
    assert_eq!(count() + delivered.load(Ordering::Relaxed), SENT);
}

fn argument() -> impl Strategy<Value = (OscType, serde_json::Value)> {
    use serde_json::json;
    let plain = prop_oneof![
        any::<i32>().prop_map(|number| (OscType::Int(number), json!(number))),
        any::<i64>().prop_map(|number| (OscType::Long(number), json!(number))),
        any::<f32>().prop_map(|number| (OscType::Float(number), json!(f64::from(number)))),
        any::<f64>().prop_map(|number| (OscType::Double(number), json!(number))),
        "[^\0]{0,9}".prop_map(|text| (OscType::String(text.clone()), json!(text))),
        any::<char>().prop_map(|c| (OscType::Char(c), json!(c))),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|blob| (OscType::Blob(blob.clone()), json!(blob))),
        any::<bool>().prop_map(|boolean| (OscType::Bool(boolean), json!(boolean))),
        any::<[u8; 4]>().prop_map(|[port, status, data1, data2]| {
            let midi = OscMidiMessage { port, status, data1, data2 };
            (OscType::Midi(midi), json!([port, status, data1, data2]))
        }),
        any::<[u8; 4]>().prop_map(|[red, green, blue, alpha]| {
            (OscType::Color(OscColor { red, green, blue, alpha }), json!([red, green, blue, alpha]))
        }),
        any::<(u32, u32)>().prop_map(|(seconds, fractional)| {
            let time = u64::from(seconds) << 32 | u64::from(fractional);
            (OscType::Time(OscTime { seconds, fractional }), json!(time))
        }),
        Just((OscType::Nil, json!(null))),
        Just((OscType::Inf, json!("infinitum"))),
    ];
    plain.prop_recursive(3, 16, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|inner| {
            let (content, json): (Vec<_>, Vec<_>) = inner.into_iter().unzip();
            (OscType::Array(OscArray { content }), json!(json))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_another_implementation_writes_is_read(
        messages in prop::collection::vec(("/[!-~]{0,12}", prop::collection::vec(argument(), 0..6)), 1..5),
    ) {
        let (content, expected): (Vec<_>, Vec<_>) = messages.into_iter().map(|(address, arguments)| {
            let (arguments, json): (Vec<_>, Vec<_>) = arguments.into_iter().unzip();
            (message(&address, arguments), (address, serde_json::Value::from(json).to_string()))
        }).unzip();
        let read = delivered(&encoded(bundle(content))).into_iter().map(|body| {
            let Body::Osc { address, arguments, .. } = body else { panic!("no OSC") };
            (address.as_str().to_owned(), arguments.expect("short").into_string())
        });
        prop_assert_eq!(read.collect::<Vec<(String, String)>>(), expected);
    }

    #[test]
    fn any_datagram_is_delivered_or_counted(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(b'/'), Just(b','), Just(b'[')], 0..200),
        how in 0..3,
    ) {
        let datagram = match how {
            0 => bytes,
            1 => [b"/a\0\0,", &bytes[..]].concat(),
            _ => [b"#bundle\0\0\0\0\0\0\0\0\x01", &bytes[..]].concat(),
        };
        let (delivered, dropped) = received(&datagram);
        let is_empty_bundle = how == 2 && datagram.len() == 16;
        prop_assert!(is_empty_bundle || !delivered.is_empty() || !dropped.is_empty());
    }
}
