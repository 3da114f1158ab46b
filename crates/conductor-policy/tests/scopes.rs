//! What a scope covers, held against the manual's own words about it for every scope and every action of a small
//! world. The scopes of this world are made of parts, from which both their text and what the manual says of them are
//! put together; no answer of the crate enters into the second.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use std::net::IpAddr;

use conductor_abi::Capability;
use conductor_policy::scope::{
    FileAccess, NetworkMethod, NetworkPrefix, Scope, SystemOperation, normal_host,
};
use url::{Host, Url};

/// The scope, which is also read from what is written of it.
fn scope(capability: Capability, text: &str) -> Scope {
    let scope = Scope::parse(capability, text).expect(text);
    let written = scope.to_string();
    if !written.is_empty() {
        assert_eq!(Scope::parse(capability, &written).as_ref(), Ok(&scope), "{text} is written as {written}");
    }
    scope
}

/// A host as the manual speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meant {
    Name(&'static str),
    Address(&'static str),
}
use Meant::{Address, Name};

/// Spellings of hosts in URLs, each with what is meant.
const REQUESTED: [(&str, Meant); 30] = [
    ("api.example.com", Name("api.example.com")),
    ("API.Example.COM", Name("api.example.com")),
    ("api.example.com.", Name("api.example.com")),
    ("%61pi.example.com", Name("api.example.com")),
    ("api\u{3002}example\u{ff0e}com", Name("api.example.com")),
    ("\u{ff41}pi.example.com", Name("api.example.com")),
    ("v2.api.example.com", Name("v2.api.example.com")),
    ("example.com", Name("example.com")),
    ("com", Name("com")),
    ("evilexample.com", Name("evilexample.com")),
    ("api-example.com", Name("api-example.com")),
    ("api.example.com.evil.org", Name("api.example.com.evil.org")),
    ("xn--bcher-kva.example", Name("xn--bcher-kva.example")),
    ("B\u{fc}cher.example", Name("xn--bcher-kva.example")),
    ("b\u{fb}cher.example", Name("xn--bcher-eva.example")),
    ("localhost", Name("localhost")),
    ("LOCALHOST.", Name("localhost")),
    ("a.localhost", Name("a.localhost")),
    ("localhost.evil.org", Name("localhost.evil.org")),
    ("127.0.0.1", Address("127.0.0.1")),
    ("127.1", Address("127.0.0.1")),
    ("0x7f.0.0.1", Address("127.0.0.1")),
    ("2130706433", Address("127.0.0.1")),
    ("127.0.0.1.", Address("127.0.0.1")),
    ("0177.0.0.01", Address("127.0.0.1")),
    ("127.0.0.2", Address("127.0.0.2")),
    ("[::1]", Address("::1")),
    ("[0:0:0:0:0:0:0:1]", Address("::1")),
    ("[::ffff:127.0.0.1]", Address("::ffff:7f00:1")),
    ("93.184.215.14", Address("93.184.215.14")),
];

/// Which hosts a pattern stands for.
#[derive(Clone, Copy, Debug)]
enum Hosts {
    Any,
    Below(&'static str),
    One(Meant),
}
use Hosts::{Any, Below, One};

/// Spellings of hosts in scopes, each with what they stand for.
const PATTERNS: [(&str, Hosts); 17] = [
    ("*", Any),
    ("*.example.com", Below("example.com")),
    ("*.EXAMPLE.com.", Below("example.com")),
    ("*.com", Below("com")),
    ("*.api.example.com", Below("api.example.com")),
    ("*.localhost", Below("localhost")),
    ("api.example.com", One(Name("api.example.com"))),
    ("Api.Example.Com.", One(Name("api.example.com"))),
    ("example.com", One(Name("example.com"))),
    ("b\u{fc}cher.example", One(Name("xn--bcher-kva.example"))),
    ("localhost", One(Name("localhost"))),
    ("localhost.", One(Name("localhost"))),
    ("127.0.0.1", One(Address("127.0.0.1"))),
    ("0x7f.1", One(Address("127.0.0.1"))),
    ("[::1]", One(Address("::1"))),
    ("[0::0:1]", One(Address("::1"))),
    ("93.184.215.14", One(Address("93.184.215.14"))),
];

/// What stands behind a host in a scope, and which ports that is; none are those of the web.
const PORTS: [(&str, Option<u16>, bool); 6] = [
    ("", None, false),
    (":*", None, true),
    (":80", Some(80), false),
    (":443", Some(443), false),
    (":8443", Some(8443), false),
    (":65535", Some(65535), false),
];

const REQUESTED_PORTS: [u16; 7] = [0, 1, 79, 80, 443, 8443, 65535];

/// One value of `hosts`: its text, and what the manual says that it covers.
#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    hosts: Hosts,
    port: Option<u16>,
    every_port: bool,
}

impl Pattern {
    fn all() -> Vec<Self> {
        let with = |(host, hosts): (&str, Hosts)| {
            PORTS.map(|(behind, port, every_port)| Self {
                text: format!("{host}{behind}"),
                hosts,
                port,
                every_port,
            })
        };
        PATTERNS.into_iter().flat_map(with).collect()
    }

    fn covers(&self, meant: Meant, port: u16) -> bool {
        let host = match (self.hosts, meant) {
            (Any, _) => true,
            (One(one), meant) => one == meant,
            (Below(suffix), Name(name)) => name.ends_with(&format!(".{suffix}")),
            (Below(_), Address(_)) => false,
        };
        let ports = match self.port {
            Some(one) => one == port,
            None => port == 80 || port == 443,
        };
        host && (ports || self.every_port)
    }

    /// Whether the user's own machine or network is named: by a name or an address that can only be there.
    fn names_inside(&self, meant: Meant, port: u16, is_private: bool) -> bool {
        let only_inside = [Name("localhost"), Address("127.0.0.1"), Address("::1")];
        matches!(self.hosts, One(_))
            && self.covers(meant, port)
            && (is_private || only_inside.contains(&meant))
    }
}

/// A host as a request has it.
fn requested(written: &str) -> Host<String> {
    let url = Url::parse(&format!("http://{written}/")).expect(written);
    normal_host(url.host().expect(written))
}

#[test]
fn spellings_of_a_host_are_the_host_that_is_meant() {
    for (written, meant) in REQUESTED {
        let host = match meant {
            Name(name) => Host::Domain(name.to_owned()),
            Address(address) => match address.parse().expect("an address") {
                IpAddr::V4(address) => Host::Ipv4(address),
                IpAddr::V6(address) => Host::Ipv6(address),
            },
        };
        assert_eq!(requested(written), host, "{written}");
    }
}

#[test]
fn hosts_and_ports_are_covered_as_the_manual_says() {
    let hosts: Vec<_> = REQUESTED.map(|(written, meant)| (requested(written), meant)).into();
    for pattern in Pattern::all() {
        for is_private in [false, true] {
            let text =
                if is_private { format!("{};private=yes", pattern.text) } else { pattern.text.clone() };
            let scope = scope(Capability::Network, &text);
            let network = scope.as_network().expect("a scope of Network");
            for ((host, meant), port) in
                hosts.iter().flat_map(|host| REQUESTED_PORTS.map(|port| (host, port)))
            {
                let what = || format!("{text}: {host} on {port}");
                let covers = network.allows(host, port, NetworkMethod::Get);
                assert_eq!(covers, pattern.covers(*meant, port), "{}", what());
                let names = network.names_private(host, port);
                assert_eq!(names, pattern.names_inside(*meant, port, is_private), "{}", what());
            }
        }
    }
}

/// A scope of several hosts covers what any of them does, and nothing more.
#[test]
fn two_hosts_cover_what_either_covers() {
    let hosts: Vec<_> = REQUESTED.map(|(written, meant)| (requested(written), meant)).into();
    let patterns: Vec<_> = Pattern::all().into_iter().step_by(5).collect();
    for (one, other) in patterns.iter().flat_map(|one| patterns.iter().map(move |other| (one, other))) {
        let text = format!("{},{}", one.text, other.text);
        let scope = scope(Capability::Network, &text);
        let network = scope.as_network().expect("a scope of Network");
        for ((host, meant), port) in hosts.iter().flat_map(|host| [0, 80, 8443].map(|port| (host, port))) {
            let expected = one.covers(*meant, port) || other.covers(*meant, port);
            assert_eq!(network.allows(host, port, NetworkMethod::Get), expected, "{text}: {host} on {port}");
        }
    }
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "WEBSOCKET"];

/// Every set of methods: the values that are named, or all where none is. `GET` is no WebSocket.
#[test]
fn methods_are_those_that_are_named() {
    let host = requested("api.example.com");
    for set in 0..1_u32 << METHODS.len() {
        let named: Vec<_> =
            (0..METHODS.len()).filter(|at| set & 1 << at != 0).map(|at| METHODS[at]).collect();
        let methods = if named.is_empty() { String::new() } else { format!(";methods={}", named.join(",")) };
        let scope = scope(Capability::Network, &format!("*{methods}"));
        let network = scope.as_network().expect("a scope of Network");
        for method in METHODS {
            let asked = NetworkMethod::parse(method).expect("a method");
            let expected = named.is_empty() || named.contains(&method);
            assert_eq!(network.allows(&host, 443, asked), expected, "{named:?}: {method}");
        }
    }
    for other in ["get", "Get", "CONNECT", "TRACE", "OPTIONS", "WebSocket", "GET ", ""] {
        assert_eq!(NetworkMethod::parse(other), None, "{other:?}");
    }
}

/// All names of up to three letters of this alphabet, in which letters look alike or mean something to the grammar or
/// a shell.
fn names() -> Vec<String> {
    let alphabet = ['a', 'A', '\u{430}', ' ', '.', '/', ','];
    let mut all = vec![String::new()];
    for _ in 0..3 {
        let longer = all.iter().flat_map(|name| alphabet.map(|letter| format!("{name}{letter}")));
        all = longer.chain(all.iter().cloned()).collect();
        all.sort();
        all.dedup();
    }
    all
}

/// A name as a value of a scope.
fn quoted(name: &str) -> String {
    let name = name.replace('%', "%25").replace(',', "%2C").replace(';', "%3B").replace('=', "%3D");
    name.replace(' ', "%20")
}

/// Ports, devices and arguments: the name itself, or with a star all that begin so, to the letter.
#[test]
fn names_are_covered_to_the_letter() {
    let names = names();
    for name in names.iter().filter(|name| name.chars().count() < 3) {
        for is_open in [false, true] {
            if name.is_empty() && !is_open {
                continue;
            }
            let text = format!("{}{}", quoted(name), if is_open { "*" } else { "" });
            let midi = scope(Capability::Midi, &text);
            let audio = scope(Capability::Audio, &text);
            let program = scope(Capability::Subprocess, &format!("/bin/x;args={text}"));
            for asked in &names {
                let expected = if is_open { asked.starts_with(name.as_str()) } else { asked == name };
                let covered = [
                    midi.as_midi().expect("of Midi").allows(asked),
                    audio.as_audio().expect("of Audio").allows(asked),
                    program.as_subprocess().expect("of Subprocess").allows_argument(asked),
                ];
                assert_eq!(covered, [expected; 3], "{text}: {asked:?}");
            }
        }
    }
}

/// A key that is left out does not narrow, save that a program gets no arguments without `args`, and System Exclusive
/// is named.
#[test]
fn what_is_left_out_does_not_narrow() {
    for asked in names() {
        assert!(scope(Capability::Midi, "sysex=yes").as_midi().expect("of Midi").allows(&asked));
        assert!(scope(Capability::Audio, "gain=0.5").as_audio().expect("of Audio").allows(&asked));
        let program = scope(Capability::Subprocess, "/bin/x");
        assert!(!program.as_subprocess().expect("of Subprocess").allows_argument(&asked), "{asked:?}");
    }
    for (text, sysex) in [("a", false), ("a;sysex=no", false), ("a;sysex=yes", true), ("sysex=yes", true)] {
        assert_eq!(scope(Capability::Midi, text).as_midi().expect("of Midi").sysex(), sysex, "{text}");
    }
}

/// A program is named by one absolute path, which leads nowhere but where it says.
#[test]
fn programs_are_absolute_paths_without_a_way_back() {
    let parts = ["", ".", "..", "bin", "x", "...", "..x", " ", "~"];
    for (first, second) in parts.iter().flat_map(|first| parts.iter().map(move |second| (*first, *second))) {
        for text in [format!("/{first}/{second}"), format!("{first}/{second}"), format!("/{first}")] {
            let names: Vec<&str> = text.split('/').skip(1).collect();
            let is_plain = names.iter().all(|name| !["", ".", ".."].contains(name));
            let expected = text.starts_with('/') && is_plain;
            let read = Scope::parse(Capability::Subprocess, &quoted(&text));
            assert_eq!(read.is_ok(), expected, "{text:?}");
            if let Ok(scope) = read {
                assert_eq!(scope.as_subprocess().expect("of Subprocess").programs(), [text]);
            }
        }
    }
}

/// Every set of operations, and those that a bare name stands for: none.
#[test]
fn operations_are_those_that_are_named() {
    let all = SystemOperation::ALL;
    assert_eq!(Scope::unnamed(Capability::SystemControl).as_system_control().expect("one").operations(), []);
    for set in 1..1_u32 << all.len() {
        let named: Vec<_> = (0..all.len()).filter(|at| set & 1 << at != 0).map(|at| all[at]).collect();
        let text = named.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let scope = scope(Capability::SystemControl, &text);
        assert_eq!(scope.as_system_control().expect("one").operations(), named, "{text}");
    }
}

/// Numbers of a scope at the edges of what they may be: what is read is what was written, and nothing is cut or wraps.
#[test]
fn numbers_are_read_whole_or_not_at_all() {
    let bytes = |text: &str| {
        let scope = Scope::parse(Capability::Filesystem, &format!("bytes={text}")).ok()?;
        assert_eq!(Scope::parse(Capability::Filesystem, &scope.to_string()).as_ref(), Ok(&scope));
        scope.as_filesystem().and_then(conductor_policy::scope::FilesystemScope::bytes)
    };
    for (unit, shift) in [("", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30)] {
        let most = u64::MAX >> shift;
        for near in
            [1, 2, 1023, 1024, u64::from(u32::MAX), u64::from(u32::MAX) + 1, i64::MAX as u64, most - 1, most]
        {
            let expected = (near <= most).then(|| near << shift);
            assert_eq!(bytes(&format!("{near}{unit}")), expected, "{near}{unit}");
        }
        let beyond = u128::from(most) + 1;
        for wrong in [format!("{beyond}{unit}"), format!("0{unit}"), format!("01{unit}"), format!("-1{unit}")]
        {
            assert_eq!(bytes(&wrong), None, "{wrong}");
        }
        for wrong in [format!("+1{unit}"), format!("1e3{unit}"), unit.to_owned(), format!("1.5{unit}")] {
            assert_eq!(bytes(&wrong), None, "{wrong}");
        }
    }
    let keys = [
        (Capability::Filesystem, "files", u64::from(u32::MAX)),
        (Capability::Audio, "seconds", 3600),
        (Capability::Subprocess, "seconds", 3600),
    ];
    for (capability, key, most) in keys {
        let edges = [0, 1, 2, most - 1, most, most + 1, u64::from(u32::MAX) + 1, 1 << 33, u64::MAX];
        for number in edges.map(u128::from).into_iter().chain([u128::from(u64::MAX) + 1]) {
            let read = Scope::parse(capability, &format!("{key}={number}"));
            let is_fit = (1..=u128::from(most)).contains(&number);
            assert_eq!(read.is_ok(), is_fit, "{key}={number} of {capability}");
            let Ok(scope) = read else { continue };
            let found = match &scope {
                Scope::Filesystem(scope) => scope.files(),
                Scope::Audio(scope) => scope.seconds(),
                Scope::Subprocess(scope) => scope.seconds(),
                Scope::Network(_) | Scope::Midi(_) | Scope::SystemControl(_) => None,
            };
            assert_eq!(found.map(u128::from), Some(number), "{key} of {capability}");
        }
    }
    for thousandths in 0..=1100_u32 {
        let text = format!("gain={}.{:03}", thousandths / 1000, thousandths % 1000);
        let read = Scope::parse(Capability::Audio, &text);
        assert_eq!(read.is_ok(), (1..=1000).contains(&thousandths), "{text}");
        if let Ok(scope) = read {
            let gain = scope.as_audio().expect("of Audio").gain_thousandths();
            assert_eq!(u32::from(gain), thousandths, "{text}");
            assert_eq!(Scope::parse(Capability::Audio, &scope.to_string()), Ok(scope));
        }
    }
}

#[test]
fn reading_is_part_of_writing_and_no_more() {
    let access = |text| scope(Capability::Filesystem, text).as_filesystem().expect("one").access();
    assert_eq!(access("read-only"), FileAccess::ReadOnly);
    assert_eq!(access("read-write"), FileAccess::ReadWrite);
    assert_eq!(access("bytes=1"), FileAccess::ReadWrite);
    assert!(FileAccess::ReadOnly < FileAccess::ReadWrite);
    for other in ["read", "write", "Read-Only", "read-only,read-write", "none", "/"] {
        assert!(Scope::parse(Capability::Filesystem, other).is_err(), "{other}");
    }
}

/// A network that begins with another one's bits is part of it, of every length: so all that it contains is contained
/// there.
#[test]
fn networks_contain_each_other_by_their_bits() {
    let v4 = [0_u32, 1, 0x7f00_0001, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
    let addresses = v4.map(|bits| IpAddr::V4(bits.into())).into_iter();
    let v6 = v4.map(|bits| IpAddr::V6((u128::from(bits) << 96 | u128::from(bits)).into()));
    let addresses: Vec<IpAddr> = addresses.chain(v6).collect();
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (false, address.to_bits()),
    };
    for address in &addresses {
        let (is_v4, own) = bits(*address);
        for length in 0..=u8::MAX {
            let most = if is_v4 { 32 } else { 128 };
            let network = NetworkPrefix::of(*address, length);
            assert_eq!(network.is_some(), (1..=most).contains(&length), "{address}/{length}");
            let Some(network) = network else { continue };
            assert_eq!(network.to_string().parse(), Ok(network));
            for other in &addresses {
                let (other_is_v4, theirs) = bits(*other);
                let expected = is_v4 == other_is_v4 && (own ^ theirs) >> (128 - u32::from(length)) == 0;
                assert_eq!(network.contains(*other), expected, "{network}: {other}");
                // Whoever is in a network that is in this one is in this one.
                let inner = NetworkPrefix::of(*other, most).filter(|_| is_v4 == other_is_v4);
                assert!(inner.is_none_or(|inner| network.contains(inner.address()) == expected));
            }
        }
    }
}
