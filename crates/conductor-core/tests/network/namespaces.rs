//! What is inside, against the kernel's own routing tables: in network namespaces with neighbours that have addresses of the
//! internet. Nothing leaves them.
//!
//! Each scene runs in a process of its own, because a user namespace can only be entered by a process without threads. It needs
//! no privilege.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use conductor_abi::Status;
use conductor_core::broker::{Broker, Session};
use conductor_core::devices::{Devices, Networks};
use nix::sched::{CloneFlags, unshare};

use crate::{assert_denied, get, grants, limits, names, response, text};

/// Runs a scene of this file in namespaces of its own.
fn play(scene: &str) {
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("namespaces::scenes::{scene}"), "--ignored", "--nocapture"])
        .output()
        .expect("unshare runs; install util-linux");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}\n{errors}");
}

#[test]
fn neighbours_with_addresses_of_the_internet_are_inside() {
    play("neighbours");
}

#[test]
fn what_is_configured_corrects_what_the_routes_say() {
    play("corrections");
}

#[test]
fn behind_a_full_tunnel_the_internet_is_outside_and_neighbours_are_not() {
    play("full_tunnel");
}

#[test]
fn a_split_tunnel_leads_outside() {
    play("split_tunnel");
}

#[test]
fn containers_on_a_bridge_are_inside() {
    play("bridge");
}

#[test]
fn a_policy_rule_is_followed() {
    play("policy_rule");
}

/// Runs `ip` with these words, in the namespace of the calling thread.
fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("ip runs; install iproute2");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A machine on the other end of links: a thread in a network namespace of its own, whose web server answers every address
/// that the machine has.
struct Machine {
    thread: i32,
    commands: Sender<Vec<String>>,
    done: std::sync::mpsc::Receiver<()>,
}

impl Machine {
    fn start() -> Self {
        let (commands, commanded) = channel::<Vec<String>>();
        let (report, done) = channel();
        let (number, numbered) = channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            ip("link set lo up");
            let listener = TcpListener::bind("[::]:80").expect("port 80 of this namespace");
            thread::spawn(move || serve(&listener));
            number.send(rustix::thread::gettid().as_raw_nonzero().get()).expect("the scene goes on");
            for words in commanded {
                words.iter().for_each(|words| ip(words));
                report.send(()).expect("the scene goes on");
            }
        });
        Self { thread: numbered.recv().expect("a machine"), commands, done }
    }

    /// Links this machine, as `link`, to that one, as `peer`.
    fn link(&self, link: &str, peer: &str) {
        ip(&format!("link add {link} type veth peer name {peer} netns {}", self.thread));
        ip(&format!("link set {link} up"));
        self.ip(&[&format!("link set {peer} up")]);
    }

    /// Links both by what looks like a tunnel: an interface that asks for no neighbours, as those of tun and WireGuard do.
    fn tunnel(&self, link: &str, peer: &str) {
        let address = "address 02:00:00:00:00:01";
        ip(&format!("link add {link} {address} type veth peer name {peer} netns {}", self.thread));
        self.ip(&[&format!("link set {peer} {address} arp off up")]);
        ip(&format!("link set {link} arp off up"));
    }

    /// Runs `ip` on that machine.
    fn ip(&self, words: &[&str]) {
        self.commands
            .send(words.iter().map(|words| (*words).to_owned()).collect())
            .expect("the machine runs");
        self.done.recv().expect("the machine did so");
    }
}

/// Answers each connection with one page, for as long as the process runs.
fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        thread::spawn(move || {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                head.push(byte[0]);
            }
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
            // Whoever only looks whether somebody answers does not read it.
            let _ = stream.write_all(answer.as_bytes());
        });
    }
}

/// A plugin that was granted what is granted without asking, or these scopes by name.
fn plugin(networks: Networks, granted: &[&str]) -> Arc<Session> {
    let names = names(&[("neighbour.example", &["5.6.7.2"]), ("far.example", &["8.8.4.4"])]);
    let broker = Broker::new(Devices { names, networks: Arc::new(networks), ..Devices::default() });
    broker.session("test", grants(None, granted), &limits())
}

#[track_caller]
fn assert_reached(session: &Session, host: &str) {
    let answer = get(session, &format!("http://{host}/"));
    assert_eq!(response(&answer).body, b"hello", "{host}");
}

/// Refused as inside, and nobody was connected to: the plugin is told the same as of a host that does not exist.
#[track_caller]
fn assert_inside(session: &Session, host: &str) {
    let before = session.denials();
    let answer = get(session, &format!("http://{host}/"));
    assert_eq!(answer.status, Status::Failed, "{host}: {}", text(&answer));
    assert!(
        text(&answer).contains("no address that this plugin may connect to"),
        "{host}: {}",
        text(&answer)
    );
    assert_eq!(session.denials(), before + 1, "{host} is denied, not merely out of reach");
}

mod scenes {
    use super::*;

    /// A link with a neighbour, who is the router as well.
    fn home() -> Machine {
        ip("link set lo up");
        let neighbour = Machine::start();
        neighbour.link("eth0", "peer0");
        ip("addr add 5.6.7.1/24 dev eth0");
        ip("addr add 2a00:5:6:7::1/64 dev eth0 nodad");
        neighbour.ip(&[
            "addr add 5.6.7.2/24 dev peer0",
            "addr add 2a00:5:6:7::2/64 dev peer0 nodad",
            "addr add 8.8.4.4/32 dev lo",
            "addr add 2a00:8:8:4::4/128 dev lo nodad",
        ]);
        neighbour
    }

    #[test]
    #[ignore = "played in a network namespace by the test of its name"]
    fn neighbours() {
        let neighbour = home();
        neighbour.ip(&["addr add 9.9.9.9/32 dev lo", "addr add 6.6.6.6/32 dev lo"]);
        ip("route add default via 5.6.7.2");
        ip("-6 route add default via 2a00:5:6:7::2");
        ip("route add 9.9.9.0/24 dev eth0");
        ip("route add 4.4.4.0/24 via 6.6.6.6 dev eth0 onlink");
        let automatic = plugin(Networks::default(), &[]);
        for host in ["8.8.4.4", "[2a00:8:8:4::4]", "far.example"] {
            assert_reached(&automatic, host);
        }
        let everything = plugin(Networks::default(), &["Network=*:*;private=yes"]);
        for session in [&automatic, &everything] {
            for host in [
                // A neighbour, which is the router too, by all of its addresses on the link.
                "5.6.7.2",
                "[2a00:5:6:7::2]",
                "neighbour.example",
                // One that may not even exist.
                "5.6.7.99",
                // A network that is routed on the link.
                "9.9.9.9",
                // A router's own address, to which the way leads through another router.
                "6.6.6.6",
                // This machine.
                "5.6.7.1",
                "[2a00:5:6:7::1]",
            ] {
                assert_inside(session, host);
            }
        }
        // The broadcast address of the link is no host, whoever names it.
        let named = plugin(
            Networks::default(),
            &["Network=5.6.7.2,[2a00:5:6:7::2],neighbour.example,5.6.7.255;private=yes"],
        );
        for host in ["5.6.7.2", "[2a00:5:6:7::2]", "neighbour.example"] {
            assert_reached(&named, host);
        }
        assert_denied(&get(&named, "http://5.6.7.255/"), "multicast or broadcast");
        // Where there is no way to, there is nothing to deny.
        ip("route del default");
        let nowhere = get(&automatic, "http://3.3.3.3/");
        assert_eq!((nowhere.status, text(&nowhere).contains("no address")), (Status::Failed, true));
    }

    #[test]
    #[ignore = "played in a network namespace by the test of its name"]
    fn corrections() {
        let _neighbour = home();
        ip("route add default via 5.6.7.2");
        let networks = |inside: &[&str], outside: &[&str]| {
            let read = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a network")).collect();
            Networks { inside: read(inside), outside: read(outside) }
        };
        let corrected = plugin(networks(&["8.8.4.0/24"], &["5.6.7.0/24"]), &[]);
        assert_inside(&corrected, "8.8.4.4");
        assert_reached(&corrected, "5.6.7.2");
        assert_inside(&corrected, "5.6.7.1");
        assert_reached(&plugin(networks(&["8.8.4.0/24"], &["8.8.4.4"]), &[]), "8.8.4.4");
    }

    #[test]
    #[ignore = "played in a network namespace by the test of its name"]
    fn full_tunnel() {
        let neighbour = home();
        neighbour.tunnel("tun0", "end0");
        ip("addr add 10.8.0.2/24 dev tun0");
        neighbour.ip(&["addr add 10.8.0.1/24 dev end0"]);
        ip("route add default dev tun0");
        let automatic = plugin(Networks::default(), &[]);
        assert_reached(&automatic, "8.8.4.4");
        assert_inside(&automatic, "5.6.7.2");
        assert_inside(&automatic, "neighbour.example");
    }

    #[test]
    #[ignore = "played in a network namespace by the test of its name"]
    fn split_tunnel() {
        let neighbour = home();
        neighbour.tunnel("tun0", "end0");
        ip("addr add 10.8.0.2/24 dev tun0");
        neighbour.ip(&["addr add 10.8.0.1/24 dev end0", "addr add 4.4.4.4/32 dev lo"]);
        ip("route add default via 5.6.7.2");
        ip("route add 4.4.4.0/24 dev tun0");
        let automatic = plugin(Networks::default(), &[]);
        assert_reached(&automatic, "4.4.4.4");
        assert_reached(&automatic, "8.8.4.4");
        assert_inside(&automatic, "5.6.7.2");
        // An address of the tunnel's own network, public as it is.
        ip("addr add 12.0.0.2/24 dev tun0");
        neighbour.ip(&["addr add 12.0.0.1/24 dev end0"]);
        assert_inside(&automatic, "12.0.0.1");
    }

    #[test]
    #[ignore = "played in a network namespace by the test of its name"]
    fn bridge() {
        let _neighbour = home();
        ip("route add default via 5.6.7.2");
        ip("link add docker0 type bridge");
        ip("addr add 11.12.13.1/24 dev docker0");
        ip("link set docker0 up");
        let container = Machine::start();
        container.link("veth0", "eth0");
        ip("link set veth0 master docker0");
        container.ip(&["addr add 11.12.13.2/24 dev eth0"]);
        let automatic = plugin(Networks::default(), &[]);
        assert_inside(&automatic, "11.12.13.2");
        assert_reached(&automatic, "8.8.4.4");
        assert_reached(&plugin(Networks::default(), &["Network=11.12.13.2;private=yes"]), "11.12.13.2");
    }

    /// The rules of wg-quick: all but the tunnel's own packets take its table, save what the main table knows better.
    #[test]
    #[ignore = "played in a network namespace by the test of its name"]
    fn policy_rule() {
        let neighbour = home();
        neighbour.tunnel("wg0", "end0");
        ip("addr add 10.8.0.2/32 dev wg0");
        neighbour.ip(&[
            "addr add 10.8.0.1/32 dev end0",
            "route add 10.8.0.2 dev end0",
            "addr add 4.4.4.4/32 dev lo",
        ]);
        ip("route add default dev wg0 table 51820");
        ip("rule add not fwmark 51820 table 51820");
        ip("rule add table main suppress_prefixlength 0");
        let automatic = plugin(Networks::default(), &[]);
        // The main table alone knows no way to it.
        assert_reached(&automatic, "4.4.4.4");
        assert_inside(&automatic, "5.6.7.2");
        // A rule about ports leads one of them to the link.
        ip("route add 4.4.4.0/24 dev eth0 table 80");
        ip("rule add pref 1 ipproto tcp dport 80 table 80");
        assert_inside(&automatic, "4.4.4.4");
    }
}
