//! Open Sound Control 1.0 over UDP.

mod arguments;
mod flaw;
mod packet;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use tracing::Level;

use super::{Emitter, InputError, OpenInput};
use crate::stop::{Stop, Wake};
use flaw::Flaw;
use packet::Packet;

/// Largest datagram in bytes; what UDP can carry.
const MAX_DATAGRAM_BYTES: usize = 65_535;

/// Most warnings about packets that are dropped, each about another sender or cause. Senders can be made up, and each that is
/// remembered takes memory.
const MAX_WARNINGS: usize = 256;

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
    let mut warned = Warned::default();
    loop {
        if stop.wait_readable(socket) == Wake::Stopped {
            return Ok(());
        }
        match socket.recv_from(&mut buffer) {
            Ok((read, sender)) => {
                deliver(buffer.get(..read).unwrap_or_default(), sender.ip(), &mut warned, emitter);
            }
            Err(error) if is_passing(error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Errors that say nothing about the next datagram.
const fn is_passing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused)
}

fn deliver(datagram: &[u8], sender: IpAddr, warned: &mut Warned, emitter: &Emitter) {
    let Packet { messages, flaws } = Packet::read(datagram);
    messages.into_iter().for_each(|message| emitter.emit(message));
    for flaw in flaws {
        emitter.state().drops(flaw.name());
        warned.warn(sender, flaw, emitter);
    }
}

/// The senders and causes that were warned of. A sender is an address without its port, which many take anew for each packet.
#[derive(Default)]
struct Warned(HashSet<(IpAddr, &'static str)>);

impl Warned {
    fn warn(&mut self, sender: IpAddr, flaw: Flaw, emitter: &Emitter) {
        if self.0.len() == MAX_WARNINGS || !self.0.insert((sender, flaw.name())) {
            return;
        }
        let text = format_args!("dropped OSC from {sender}: {flaw}; more of this from there is only counted");
        emitter.state().log(Level::WARN, text);
        if self.0.len() == MAX_WARNINGS {
            let text = format_args!("OSC that is dropped from further senders is only counted");
            emitter.state().log(Level::WARN, text);
        }
    }
}
