//! From a JACK port to a plugin and back, also when the server comes back from the dead.

use super::peer::Peer;
use super::server::Server;
use crate::scratch::{LENIENT, Scratch, plugin};
use crate::wasm;

#[test]
fn a_plugin_answers_through_jack() {
    let mut server = {
        // SAFETY: this is the only test of this program, and nothing has started a thread that reads the environment.
        #[expect(unsafe_code, reason = "libjack takes the name of the server from nowhere else")]
        unsafe {
            std::env::set_var("JACK_DEFAULT_SERVER", super::server::name());
        }
        jack::set_logger(jack::LoggerType::None);
        Server::start()
    };
    let scratch = Scratch::new();
    let chord = plugin("chord", &wasm::plugin("chord"), "");
    scratch.config(&format!(
        "{LENIENT}{chord}
        [midi.outputs.synth]
        to = \"jack:peer:synth\"
        [[inputs]]
        name = \"keys\"
        type = \"midi-port\"
        port = \"jack:peer:keys\"
        [[mappings]]
        trigger = {{ input = \"keys\" }}
        plugin = \"chord\"
        action = \"chord\"
        parameters = {{ port = \"synth\" }}"
    ));
    let peer = Peer::new();
    let mut daemon = scratch.start_with(&[], &[("JACK_DEFAULT_SERVER", server.name())]);
    let exchange = |peer: &Peer, note: u8| {
        peer.wait_until_connected("keys", "conductor:keys");
        peer.wait_until_connected("synth", "conductor:synth");
        peer.send(&[0x90, note, 100]);
        let answer: Vec<Vec<u8>> = (0..3).map(|_| peer.receive()).collect();
        assert_eq!(answer, [[0x90, note, 100], [0x90, note + 4, 100], [0x90, note + 7, 100]]);
        peer.send(&[0x80, note, 0]);
        let answer: Vec<u8> = (0..3).map(|_| peer.receive()[1]).collect();
        assert_eq!(answer, [note, note + 4, note + 7]);
    };
    exchange(&peer, 60);
    let (_, row) = daemon.next_call();
    assert_eq!(row["event"], "keys: note-on C4 vel 100 ch 0", "{row}");

    server.kill();
    daemon.wait_for_log("the JACK server went away");
    // Closing a client of a dead server may wait for the server for ever.
    std::mem::forget(peer);
    server.restart();
    daemon.wait_for_log("connected to the JACK server");
    exchange(&Peer::new(), 48);
    let (_, log) = daemon.stop();
    assert!(!log.contains("ERROR"), "{log}");
}
