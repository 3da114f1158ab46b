//! Open Sound Control 1.0 over UDP.

mod arguments;
mod flaw;
mod overflow;
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
use overflow::Overflow;
use packet::Packet;

/// Largest datagram in bytes that UDP can carry.
const MAX_DATAGRAM_BYTES: usize = 65_535;

/// Most warnings about dropped packets, each about another sender or cause. Senders can be forged, and remembering each
/// takes memory.
const MAX_WARNINGS: usize = 256;

/// Listens on `address`. The messages of a bundle are delivered in order and at once; time tags are ignored.
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
    let mut overflow = Overflow::of(socket)?;
    loop {
        match stop.wait_readable_until(socket, overflow.due()) {
            Wake::Stopped => return Ok(()),
            Wake::Elapsed => {
                warned.overflow(overflow.ask(), emitter);
                continue;
            }
            Wake::Ready => {}
        }
        match socket.recv_from(&mut buffer) {
            Ok((read, sender)) => {
                overflow.expect();
                deliver(buffer.get(..read).unwrap_or_default(), sender.ip(), &mut warned, emitter);
            }
            Err(error) if is_passing(error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether an error says nothing about the next datagram.
const fn is_passing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused)
}

fn deliver(datagram: &[u8], sender: IpAddr, warned: &mut Warned, emitter: &Emitter) {
    let Packet { messages, flaws } = Packet::read(datagram);
    messages.into_iter().for_each(|message| emitter.emit(message));
    for flaw in flaws {
        emitter.state().drops(flaw.name(), 1);
        warned.warn(sender, flaw, emitter);
    }
}

/// The warnings that were given.
#[derive(Default)]
struct Warned {
    /// Senders and causes. A sender is an address without its port, because many senders use another port for each
    /// packet.
    of: HashSet<(IpAddr, &'static str)>,
    /// Whether it was logged that packets come too fast.
    of_overflow: bool,
}

impl Warned {
    fn warn(&mut self, sender: IpAddr, flaw: Flaw, emitter: &Emitter) {
        if self.of.len() == MAX_WARNINGS || !self.of.insert((sender, flaw.name())) {
            return;
        }
        let text = format_args!("dropped OSC from {sender}: {flaw}; more of this from there is only counted");
        emitter.state().log(Level::WARN, text);
        if self.of.len() == MAX_WARNINGS {
            let text = format_args!("OSC that is dropped from further senders is only counted");
            emitter.state().log(Level::WARN, text);
        }
    }

    /// Notes that the kernel dropped `count` packets, whose senders are not known.
    fn overflow(&mut self, count: u64, emitter: &Emitter) {
        if count == 0 {
            return;
        }
        emitter.state().drops(overflow::NAME, count);
        if !std::mem::replace(&mut self.of_overflow, true) {
            let text =
                format_args!("dropped {count} OSC packets that came too fast; more of them are only counted");
            emitter.state().log(Level::WARN, text);
        }
    }
}
