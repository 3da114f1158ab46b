//! A JACK client that acts as a keyboard and a synthesizer.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use jack::{
    AsyncClient, Client, ClientOptions, Control, MidiIn, MidiOut, Port, ProcessHandler, ProcessScope, RawMidi,
};

use crate::scratch::PATIENCE;

/// The client, with a port `keys` that it sends from and a port `synth` that it receives at.
pub(super) struct Peer {
    client: AsyncClient<(), Process>,
    send: SyncSender<Vec<u8>>,
    received: Receiver<Vec<u8>>,
}

struct Process {
    keys: Port<MidiOut>,
    synth: Port<MidiIn>,
    to_send: Receiver<Vec<u8>>,
    received: Sender<Vec<u8>>,
}

impl Peer {
    pub(super) fn new() -> Self {
        let (client, _) = Client::new("peer", ClientOptions::NO_START_SERVER).expect("JACK client");
        let keys = client.register_port("keys", MidiOut::default()).expect("port");
        let synth = client.register_port("synth", MidiIn::default()).expect("port");
        let (send, to_send) = sync_channel(16);
        let (sender, received) = channel();
        let process = Process { keys, synth, to_send, received: sender };
        Self { client: client.activate_async((), process).expect("active client"), send, received }
    }

    /// Waits until a port of another client is connected to one of this client's ports.
    pub(super) fn wait_until_connected(&self, own: &str, other: &str) {
        let client = self.client.as_client();
        let port = client.port_by_name(&format!("peer:{own}")).expect("own port");
        let deadline = std::time::Instant::now() + PATIENCE;
        while !port.is_connected_to(other).unwrap_or(false) {
            assert!(std::time::Instant::now() < deadline, "{other} was not connected to {own}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Takes the connection of a port of this client to another client away.
    pub(super) fn unplug(&self, own: &str, other: &str) {
        let client = self.client.as_client();
        client.disconnect_ports_by_name(&format!("peer:{own}"), other).expect("disconnected");
    }

    /// Connects a port of this client to another client.
    pub(super) fn plug(&self, own: &str, other: &str) {
        let client = self.client.as_client();
        client.connect_ports_by_name(&format!("peer:{own}"), other).expect("connected");
    }

    pub(super) fn send(&self, message: &[u8]) {
        self.send.send(message.to_vec()).expect("client runs");
    }

    pub(super) fn receive(&self) -> Vec<u8> {
        self.received.recv_timeout(PATIENCE).expect("a message from the plugin")
    }
}

impl ProcessHandler for Process {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        for message in self.synth.iter(scope) {
            // Sending fails if the test has ended.
            let _ = self.received.send(message.bytes.to_vec());
        }
        let mut writer = self.keys.writer(scope);
        for message in self.to_send.try_iter() {
            writer.write(&RawMidi { time: 0, bytes: &message }).expect("room for a message");
        }
        Control::Continue
    }
}
