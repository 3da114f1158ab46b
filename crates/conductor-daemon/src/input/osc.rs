//! Open Sound Control 1.0 over UDP.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rosc::{OscPacket, OscType};
use serde_json::Value as Json;

use super::{Emitter, InputError, OpenInput};
use crate::event::Body;
use crate::stop::{Stop, Wake};

/// Largest datagram in bytes; what UDP over IPv4 can carry.
const MAX_DATAGRAM_BYTES: usize = 65_507;

/// Deepest nesting of bundles in bundles, and of arrays in arrays. The decoder, and freeing what it returns, recurse once
/// per level, and one datagram has room for enough levels to exhaust a stack.
const MAX_DEPTH: usize = 8;

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
    if !is_sound(datagram, MAX_DEPTH) {
        tracing::debug!(
            input = emitter.input(),
            "an OSC packet is unaligned or nests deeper than {MAX_DEPTH} levels"
        );
        return;
    }
    match rosc::decoder::decode_udp(datagram) {
        Ok((_, packet)) => deliver_packet(packet, emitter),
        Err(error) => tracing::debug!(input = emitter.input(), %error, "not an OSC packet"),
    }
}

fn deliver_packet(packet: OscPacket, emitter: &Emitter) {
    match packet {
        OscPacket::Message(message) => {
            let arguments = message.args.iter().map(to_json).collect();
            emitter.emit(Body::Osc { address: message.addr, arguments });
        }
        OscPacket::Bundle(bundle) => {
            bundle.content.into_iter().for_each(|packet| deliver_packet(packet, emitter))
        }
    }
}

/// Whether neither bundles nor arrays nest deeper than `depth`, and every element is aligned to four bytes, so that the
/// decoder finds type tags where this does. Packets that are malformed in other ways are left to the decoder.
fn is_sound(packet: &[u8], depth: usize) -> bool {
    match packet.strip_prefix(b"#bundle\0") {
        Some(_) if depth == 0 => false,
        Some(bundle) => {
            let mut rest = bundle.get(8..).unwrap_or_default();
            while let Some((size, after)) = rest.split_first_chunk() {
                let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
                let Some((element, after)) = after.split_at_checked(size) else { return true };
                if size % 4 != 0 || !is_sound(element, depth - 1) {
                    return false;
                }
                rest = after;
            }
            true
        }
        None => array_depth(packet) <= depth,
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

fn to_json(argument: &OscType) -> Json {
    match argument {
        OscType::Int(number) => Json::from(*number),
        OscType::Long(number) => Json::from(*number),
        OscType::Float(number) => Json::from(*number),
        OscType::Double(number) => Json::from(*number),
        OscType::String(text) => Json::from(text.as_str()),
        OscType::Char(character) => Json::from(character.to_string()),
        OscType::Bool(boolean) => Json::from(*boolean),
        OscType::Blob(bytes) => bytes.iter().copied().collect(),
        OscType::Midi(midi) => [midi.port, midi.status, midi.data1, midi.data2].into_iter().collect(),
        OscType::Color(colour) => [colour.red, colour.green, colour.blue, colour.alpha].into_iter().collect(),
        OscType::Time(time) => Json::from((u64::from(time.seconds) << 32) | u64::from(time.fractional)),
        OscType::Array(array) => array.content.iter().map(to_json).collect(),
        OscType::Nil => Json::Null,
        OscType::Inf => Json::from("infinitum"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use rosc::{OscBundle, OscMessage, OscTime};

    use super::*;

    fn delivered(datagram: &[u8]) -> Vec<Body> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let emitter =
            Emitter::new("osc".into(), Arc::new(move |event| sink.lock().expect("lock").push(event.body)));
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
        let osc = |address: &str, arguments| Body::Osc { address: address.into(), arguments };
        assert_eq!(
            bodies,
            [
                osc("/a", serde_json::json!([1, "x"])),
                osc("/b", serde_json::json!([0.5])),
                osc("/c", serde_json::json!([])),
            ]
        );
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
