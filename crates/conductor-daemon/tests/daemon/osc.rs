//! Open Sound Control: messages of `oscsend`, bundles, and a mapping by address pattern and value.

use std::net::UdpSocket;

use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType};

use super::scratch::{LENIENT, Scratch, plugin, run};
use crate::wasm;

#[test]
fn messages_and_bundles_make_a_plugin_act() {
    let scratch = Scratch::new();
    let notes = plugin("notes", &wasm::plugin("notes"), "granted_capabilities = [\"Filesystem\"]");
    scratch.config(&format!(
        "{LENIENT}{notes}
        [[inputs]]
        name = \"desk\"
        type = \"osc\"
        listen = \":0\"
        [[mappings]]
        trigger = {{ event = \"osc\", address = \"/mixer/*/fader\", value = \"0.5..1\" }}
        plugin = \"notes\"
        action = \"append\""
    ));
    let mut daemon = scratch.start(&[]);
    let line = daemon.wait_for_log("listening for OSC");
    let port =
        line.rsplit(':').next().and_then(|port| port.trim().parse::<u16>().ok()).expect("port in the log");

    let port_text = port.to_string();
    let send =
        |path, value| run("oscsend", &["localhost", &port_text, path, "sf", "left", value], "liblo-tools");
    send("/mixer/1/pan", "0.75");
    send("/mixer/1/fader", "0.25");
    send("/mixer/2/fader", "0.75");
    let (_, row) = daemon.next_call();
    assert_eq!(row["event"], "desk: /mixer/2/fader [\"left\",0.75]");
    assert_eq!(row["outcome"], "ok", "{row}");

    let message = |channel: u32| {
        let (addr, args) = (format!("/mixer/{channel}/fader"), vec![OscType::Double(1.0)]);
        OscPacket::Message(OscMessage { addr, args })
    };
    let timetag = OscTime { seconds: 0, fractional: 1 };
    let inner = OscPacket::Bundle(OscBundle { timetag, content: vec![message(4)] });
    let bundle = OscPacket::Bundle(OscBundle { timetag, content: vec![message(3), inner] });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
    socket.send_to(b"not OSC at all", ("127.0.0.1", port)).expect("sent");
    socket.send_to(&rosc::encoder::encode(&bundle).expect("encodes"), ("127.0.0.1", port)).expect("sent");
    assert_eq!(daemon.next_call().1["event"], "desk: /mixer/3/fader [1.0]");
    assert_eq!(daemon.next_call().1["event"], "desk: /mixer/4/fader [1.0]");

    let (more, _) = daemon.stop();
    assert!(more.is_empty(), "{more:?}");
    let notes = scratch.notes();
    assert_eq!(notes.lines().count(), 3);
    assert!(notes.contains("address=/mixer/2/fader") && notes.contains("value=0.75"), "{notes}");
}
