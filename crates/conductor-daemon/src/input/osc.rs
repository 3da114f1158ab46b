//! Open Sound Control 1.0 over UDP.

mod arguments;

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rosc::OscPacket;
use tracing::Level;

use super::{Emitter, InputError, OpenInput};
use crate::event::{Body, MAX_METADATA_BYTES};
use crate::osc_address::{Address, MAX_ADDRESS_BYTES};
use crate::stop::{Stop, Wake};

/// Largest datagram in bytes; what UDP over IPv4 can carry.
const MAX_DATAGRAM_BYTES: usize = 65_507;

/// Deepest nesting of bundles in bundles, and of arrays in arrays. The decoder, and freeing what it returns, recurse once
/// per level, and one datagram has room for enough levels to exhaust a stack.
const MAX_DEPTH: usize = 8;

/// Most messages in one datagram, however they are bundled. One datagram has room for 5,000, each of them an event,
/// which would fill the queue of every plugin that they are mapped to; real bundles hold a few dozen.
const MAX_MESSAGES: usize = 256;

/// Listens on `address`. Bundles are taken apart and their messages delivered in order, at once: time tags are not
/// waited for.
pub(super) fn open(address: SocketAddr) -> Result<OpenInput, InputError> {
    let fail = |source| InputError::Listen { address, source };
    let socket = UdpSocket::bind(address).map_err(fail)?;
    socket.set_nonblocking(true).map_err(fail)?;
    let address = socket.local_addr().map_err(fail)?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "OSC messages are accepted from the network");
    }
    Ok(OpenInput::endless(move |emitter, stop| {
        tracing::info!(input = emitter.input(), %address, "listening for OSC");
        receive(&socket, emitter, stop).map_err(|source| InputError::Receive { address, source })
    }))
}

fn receive(socket: &UdpSocket, emitter: &Emitter, stop: &Stop) -> io::Result<()> {
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    loop {
        if stop.wait_readable(socket) == Wake::Stopped {
            return Ok(());
        }
        match socket.recv(&mut buffer) {
            Ok(read) => deliver(buffer.get(..read).unwrap_or_default(), emitter),
            Err(error) if is_passing(error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Errors that say nothing about the next datagram.
const fn is_passing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused)
}

fn deliver(datagram: &[u8], emitter: &Emitter) {
    if !is_sound(datagram, MAX_DEPTH, &mut 0) {
        let why = "is unaligned, nests deeper than";
        emitter.state().log(
            Level::DEBUG,
            format_args!("an OSC packet {why} {MAX_DEPTH} levels or holds more than {MAX_MESSAGES} messages"),
        );
        return;
    }
    match rosc::decoder::decode_udp(datagram) {
        Ok((_, packet)) => deliver_packet(packet, emitter),
        Err(error) => emitter.state().log(Level::DEBUG, format_args!("not an OSC packet: {error}")),
    }
}

fn deliver_packet(packet: OscPacket, emitter: &Emitter) {
    match packet {
        OscPacket::Message(message) => {
            let Some(address) = Address::new(&message.addr) else {
                let text = format_args!("an OSC address is longer than {MAX_ADDRESS_BYTES} bytes");
                emitter.state().log(Level::DEBUG, text);
                return;
            };
            let arguments = arguments::to_text(&message.args, MAX_METADATA_BYTES);
            let value = arguments::first_number(&message.args);
            emitter.emit(Body::Osc { address, arguments, value });
        }
        OscPacket::Bundle(bundle) => {
            bundle.content.into_iter().for_each(|packet| deliver_packet(packet, emitter))
        }
    }
}

/// Whether neither bundles nor arrays nest deeper than `depth`, every element is aligned to four bytes, so that the
/// decoder finds type tags where this does, and there are at most [`MAX_MESSAGES`], `messages` of which were counted
/// before. Packets that are malformed in other ways are left to the decoder.
fn is_sound(packet: &[u8], depth: usize, messages: &mut usize) -> bool {
    match packet.strip_prefix(b"#bundle\0") {
        Some(_) if depth == 0 => false,
        Some(bundle) => {
            let mut rest = bundle.get(8..).unwrap_or_default();
            while let Some((size, after)) = rest.split_first_chunk() {
                let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
                let Some((element, after)) = after.split_at_checked(size) else { return true };
                if size % 4 != 0 || !is_sound(element, depth - 1, messages) {
                    return false;
                }
                rest = after;
            }
            true
        }
        None => {
            *messages += 1;
            *messages <= MAX_MESSAGES && array_depth(packet) <= depth
        }
    }
}

/// Deepest nesting of arrays in the type tags of a message.
fn array_depth(message: &[u8]) -> usize {
    let Some(address) = message.iter().position(|byte| *byte == 0) else { return 0 };
    let tags = message.get(address / 4 * 4 + 4..).unwrap_or_default();
    let mut depth: usize = 0;
    let mut deepest = 0;
    for tag in tags.iter().take_while(|byte| **byte != 0) {
        match tag {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use rosc::{OscBundle, OscMessage, OscTime, OscType};

    use super::*;
    use crate::input::InputState;

    fn delivered(datagram: &[u8]) -> Vec<Body> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let emitter = Emitter::new(
            Arc::new(InputState::new("osc".into())),
            Arc::new(move |event, _| sink.lock().expect("lock").push(event.body)),
        );
        deliver(datagram, &emitter);
        std::mem::take(&mut *seen.lock().expect("lock"))
    }

    fn message(address: &str, args: Vec<OscType>) -> OscPacket {
        OscPacket::Message(OscMessage { addr: address.into(), args })
    }

    fn bundle(content: Vec<OscPacket>) -> OscPacket {
        OscPacket::Bundle(OscBundle { timetag: OscTime { seconds: 0, fractional: 1 }, content })
    }

    #[test]
    fn bundles_are_taken_apart_in_order() {
        let inner = bundle(vec![message("/b", vec![OscType::Float(0.5)]), message("/c", vec![])]);
        let packet = bundle(vec![message("/a", vec![OscType::Int(1), OscType::String("x".into())]), inner]);
        let bodies = delivered(&rosc::encoder::encode(&packet).expect("encodes"));
        let osc = |address: &str, arguments: &str, value| Body::Osc {
            address: Address::new(address).expect("short"),
            arguments: Some(arguments.into()),
            value,
        };
        assert_eq!(
            bodies,
            [osc("/a", r#"[1,"x"]"#, Some(1.0)), osc("/b", "[0.5]", Some(0.5)), osc("/c", "[]", None),]
        );
    }

    #[test]
    fn a_datagram_does_not_grow_when_it_becomes_an_event() {
        let blob = vec![OscType::Int(7), OscType::Blob(vec![200; 60_000])];
        let tags = vec![OscType::Bool(true); 60_000];
        for (arguments, value) in [(blob, Some(7.0)), (tags, None)] {
            let datagram = rosc::encoder::encode(&message("/a", arguments)).expect("encodes");
            let address = Address::new("/a").expect("short");
            let flagged = Body::Osc { address, arguments: None, value };
            assert_eq!(delivered(&datagram), [flagged]);
        }
        let long = format!("/{}", "a".repeat(MAX_ADDRESS_BYTES));
        assert_eq!(delivered(&rosc::encoder::encode(&message(&long, vec![])).expect("encodes")), []);
    }

    #[test]
    fn a_datagram_holds_only_so_many_messages() {
        let many = |count| bundle(vec![message("/a", vec![]); count]);
        let encoded = |packet| rosc::encoder::encode(&packet).expect("encodes");
        assert_eq!(delivered(&encoded(many(MAX_MESSAGES))).len(), MAX_MESSAGES);
        assert_eq!(delivered(&encoded(many(MAX_MESSAGES + 1))), []);
        let nested = bundle(vec![many(MAX_MESSAGES / 2), many(MAX_MESSAGES / 2), message("/a", vec![])]);
        assert_eq!(delivered(&encoded(nested)), []);
    }

    #[test]
    fn deep_nesting_is_refused_before_it_is_decoded() {
        let mut bundles = Vec::new();
        for _ in 0..3000 {
            let mut outer = b"#bundle\0\0\0\0\0\0\0\0\x01".to_vec();
            outer.extend(u32::try_from(bundles.len()).expect("length").to_be_bytes());
            outer.append(&mut bundles);
            bundles = outer;
        }
        assert_eq!(delivered(&bundles), []);
        let mut arrays = b"/a\0\0,".to_vec();
        arrays.extend([b'['; 30_000]);
        arrays.extend([b']'; 30_000]);
        arrays.extend([0; 3]);
        assert_eq!(delivered(&arrays), []);
        assert_eq!(delivered(b"/a\0\0,[i]\0\0\0\0\0\0\0\x05").len(), 1);
    }

    #[test]
    fn rubbish_is_ignored() {
        for datagram in [&b""[..], b"x", b"/a", b"#bundle\0", b"#bundle\0\0\0\0\0\0\0\0\x01\xff\xff\xff\xff"]
        {
            assert_eq!(delivered(datagram), [], "{datagram:?}");
        }
    }
}
