//! From a JACK port to a plugin and back, also after the server was killed and started again.

use std::collections::BTreeSet;

use rustix::process::Signal;

use super::peer::Peer;
use super::server::Server;
use crate::scratch::{Ended, LENIENT, Scratch, plugin};
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

    // A key that is down when the keyboard is unplugged is released.
    peer.send(&[0x90, 52, 100]);
    assert_eq!((0..3).map(|_| peer.receive()[1]).collect::<Vec<_>>(), [52, 56, 59]);
    peer.unplug("keys", "conductor:keys");
    let ends: Vec<Vec<u8>> = (0..3).map(|_| peer.receive()).collect();
    assert!(ends.iter().all(|message| message[0] == 0x80), "{ends:?}");
    assert_eq!(ends.iter().map(|message| message[1]).collect::<Vec<_>>(), [52, 56, 59]);
    peer.plug("keys", "conductor:keys");
    exchange(&peer, 62);

    // So is one that is down when the server dies.
    peer.send(&[0x90, 54, 100]);
    assert_eq!((0..3).map(|_| peer.receive()[1]).collect::<Vec<_>>(), [54, 58, 61]);
    server.kill();
    daemon.wait_for_log("the JACK server went away");
    // Closing a client of a dead server may block for ever.
    std::mem::forget(peer);
    server.restart();
    daemon.wait_for_log("connected to the JACK server");
    let released = std::iter::repeat_with(|| daemon.next_call().1["event"].clone())
        .find(|event| *event == "keys: note-off F#3 ch 0");
    assert!(released.is_some());
    let peer = Peer::new();
    exchange(&peer, 48);

    // What a killed daemon left sounding is ended through the same port.
    peer.send(&[0x90, 50, 100]);
    assert_eq!((0..3).map(|_| peer.receive()[1]).collect::<Vec<_>>(), [50, 54, 57]);
    daemon.signal(Signal::KILL);
    let (_, _, log) = daemon.wait();
    // While the server was away, the plugin could not pass on the note-off.
    let is_another = |line: &&str| line.contains("ERROR") && !line.contains("no JACK server is running");
    assert_eq!(log.lines().find(is_another), None, "{log}");
    let mut silence = scratch.command(&["silence"]);
    let output = silence.env("JACK_DEFAULT_SERVER", server.name()).output().expect("conductor starts");
    let ended = Ended::of(output);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, "silent again: synth\n"), "{ended:?}");
    // The server plays the last buffer of a client that ends more than once on a busy machine.
    let mut ends = BTreeSet::new();
    while ends.len() < 3 {
        ends.extend(Some(peer.receive()).filter(|message| message[0] != 0x90));
    }
    assert_eq!(ends, BTreeSet::from([50, 54, 57].map(|note| vec![0x80, note, 64])));
}
