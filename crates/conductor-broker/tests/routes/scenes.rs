//! The scenes: what a plugin can reach in each, and what it cannot reach.

use conductor_abi::Status;
use conductor_broker::devices::Networks;

use crate::machine::{Machine, ip};
use crate::plugin::{assert_inside, assert_outside, assert_reached, get, plugin, text};

/// Every scene with its name.
pub(crate) const ALL: [(&str, fn()); 8] = [
    ("neighbours", neighbours),
    ("corrections", corrections),
    ("full_tunnel", full_tunnel),
    ("split_tunnel", split_tunnel),
    ("bridge", bridge),
    ("policy_rule", policy_rule),
    ("kept_connection", kept_connection),
    ("no_word_of_the_kernel", no_word_of_the_kernel),
];

/// Scenes with a real tunnel device, where `/dev/net/tun` can be opened.
pub(crate) const TUN: [(&str, fn()); 2] = [("tun_full", tun_full), ("tun_split", tun_split)];

/// A link to a neighbour, who is also the router.
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
            // The neighbour, who is also the router, by each of its addresses on the link.
            "5.6.7.2",
            "[2a00:5:6:7::2]",
            "neighbour.example",
            // An address on the link that nobody has.
            "5.6.7.99",
            // A network that is routed onto the link.
            "9.9.9.9",
            // A router's own address, which is reached through another router.
            "6.6.6.6",
            // This machine.
            "5.6.7.1",
            "[2a00:5:6:7::1]",
        ] {
            assert_inside(session, host);
        }
    }
    // The broadcast address of the link is refused even if the user names it.
    let named = plugin(
        Networks::default(),
        &["Network=5.6.7.2,[2a00:5:6:7::2],neighbour.example,5.6.7.255;private=yes"],
    );
    for host in ["5.6.7.2", "[2a00:5:6:7::2]", "neighbour.example"] {
        assert_reached(&named, host);
    }
    let group = get(&named, "5.6.7.255");
    assert_eq!(group.status, Status::Denied, "{}", text(&group));
    assert!(text(&group).contains("multicast or broadcast"), "{}", text(&group));
    // An address without a route is unreachable, and nothing is denied.
    ip("route del default");
    let nowhere = get(&automatic, "3.3.3.3");
    assert_eq!((nowhere.status, text(&nowhere).contains("no address")), (Status::Failed, true));
}

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
    // An address in the tunnel's own network, although the address is public.
    ip("addr add 12.0.0.2/24 dev tun0");
    neighbour.ip(&["addr add 12.0.0.1/24 dev end0"]);
    assert_inside(&automatic, "12.0.0.1");
}

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

/// A kept connection to an address that was outside is not used once the address is inside.
fn kept_connection() {
    let neighbour = home();
    ip("route add default via 5.6.7.2");
    let automatic = plugin(Networks::default(), &[]);
    assert_reached(&automatic, "8.8.4.4");
    assert_reached(&automatic, "8.8.4.4");
    assert_eq!(neighbour.connections(), 1, "it is kept");
    ip("route add 8.8.4.4/32 dev eth0");
    assert_inside(&automatic, "8.8.4.4");
    ip("route del 8.8.4.4/32 dev eth0");
    assert_reached(&automatic, "8.8.4.4");
    assert_eq!(neighbour.connections(), 2, "the first was given up");
}

/// If the kernel does not say where an address leads, nobody is connected to.
fn no_word_of_the_kernel() {
    let _neighbour = home();
    ip("route add default via 5.6.7.2");
    let automatic = plugin(Networks::default(), &[]);
    assert_reached(&automatic, "8.8.4.4");
    refuse_netlink();
    // Nothing is sent over a kept connection either.
    for host in ["8.8.4.4", "far.example"] {
        let answer = get(&automatic, host);
        assert_eq!(answer.status, Status::Failed, "{host}: {}", text(&answer));
        let told = text(&answer);
        assert!(told.contains("no address that this plugin may connect to"), "{host}: {told}");
    }
    // A user who names a host may reach it wherever it is.
    assert_reached(&plugin(Networks::default(), &["Network=5.6.7.2;private=yes"]), "5.6.7.2");
}

/// Makes the kernel refuse this process every further socket for asking about routes.
fn refuse_netlink() {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };

    let netlink =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, libc::AF_NETLINK as u64);
    let rule = SeccompRule::new(vec![netlink.expect("a condition")]).expect("a rule");
    let rules = [(libc::SYS_socket, vec![rule])].into_iter().collect();
    let refusal = SeccompAction::Errno(libc::EPERM as u32);
    let machine = std::env::consts::ARCH.try_into().expect("a machine");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, machine).expect("a filter");
    let filter: BpfProgram = filter.try_into().expect("a program");
    seccompiler::apply_filter_all_threads(&filter).expect("applied");
}

/// A tunnel as VPN programs make it, `POINTOPOINT`, with nobody at its other end.
fn tun() {
    ip("tuntap add dev tun0 mode tun");
    ip("addr add 10.8.0.2 peer 10.8.0.1 dev tun0");
    ip("link set tun0 up");
}

fn tun_full() {
    let _neighbour = home();
    tun();
    ip("route add default dev tun0");
    let automatic = plugin(Networks::default(), &[]);
    assert_outside(&automatic, "8.8.4.4");
    assert_outside(&automatic, "4.4.4.4");
    assert_inside(&automatic, "5.6.7.2");
}

fn tun_split() {
    let _neighbour = home();
    tun();
    ip("route add default via 5.6.7.2");
    ip("route add 4.4.4.0/24 dev tun0");
    // The other end of the tunnel has a public address.
    ip("addr add 12.0.0.2 peer 12.0.0.1 dev tun0");
    let automatic = plugin(Networks::default(), &[]);
    assert_outside(&automatic, "4.4.4.4");
    assert_reached(&automatic, "8.8.4.4");
    assert_inside(&automatic, "12.0.0.1");
    assert_inside(&automatic, "5.6.7.2");
}

/// The rules of wg-quick: all packets except those of the tunnel itself use its table, unless the main table has a more
/// specific route.
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
    // The main table alone has no route to this address.
    assert_reached(&automatic, "4.4.4.4");
    assert_inside(&automatic, "5.6.7.2");
    // A rule about ports leads one port onto the link.
    ip("route add 4.4.4.0/24 dev eth0 table 80");
    ip("rule add pref 1 ipproto tcp dport 80 table 80");
    assert_inside(&automatic, "4.4.4.4");
}
