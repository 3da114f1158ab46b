//! A sender of OSC messages to a daemon.

use std::net::UdpSocket;

use rosc::{OscBundle, OscMessage, OscPacket, OscTime};

use crate::scratch::Daemon;

/// An input `desk` at any free port.
pub(super) const INPUT: &str = "[[inputs]]\nname = \"desk\"\ntype = \"osc\"\nlisten = \":0\"\n";

/// Sends to the input `desk` of one daemon.
pub(super) struct Desk {
    socket: UdpSocket,
}

impl Desk {
    /// Waits until the daemon listens, and sends to its port.
    pub(super) fn of(daemon: &mut Daemon) -> Self {
        let line = daemon.wait_for_log("listening for OSC");
        let port = line.rsplit(':').next().and_then(|port| port.trim().parse::<u16>().ok());
        let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
        socket.connect(("127.0.0.1", port.expect("port in the log"))).expect("connected");
        Self { socket }
    }

    /// Sends messages in one packet.
    pub(super) fn send(&self, addresses: &[&str]) {
        let message =
            |address: &&str| OscPacket::Message(OscMessage { addr: (*address).to_owned(), args: vec![] });
        let content = addresses.iter().map(message).collect();
        let bundle = OscBundle { timetag: OscTime { seconds: 0, fractional: 1 }, content };
        let packet = rosc::encoder::encode(&OscPacket::Bundle(bundle)).expect("encodes");
        self.socket.send(&packet).expect("sent");
    }
}
