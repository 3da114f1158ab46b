//! The sender of OSC packets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::soak::cast::osc_address;
use crate::soak::ledger::Ledger;

/// How far the sender may fall behind its schedule and still catch up. A longer burst would fill the daemon's socket,
/// and measure the kernel instead of the daemon.
const MOST_BEHIND: Duration = Duration::from_millis(20);

/// Sends events at an even rate, to one plugin after the other.
pub(crate) struct Traffic {
    socket: UdpSocket,
    interval: Duration,
    /// The packet for each plugin, up to the number of the event.
    packets: Vec<Vec<u8>>,
    ledger: Arc<Ledger>,
    stop: StopSending,
}

/// Ends sending early.
#[derive(Clone, Default)]
pub(crate) struct StopSending(Arc<AtomicBool>);

impl StopSending {
    pub(crate) fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Traffic {
    /// A sender to the daemon's OSC input.
    pub(crate) fn new(
        daemon: SocketAddr,
        rate: u32,
        plugins: usize,
        ledger: Arc<Ledger>,
    ) -> Result<Self, TaskError> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(error)?;
        socket.connect(daemon).map_err(error)?;
        let interval = Duration::from_secs(1) / rate;
        let packets = (0..plugins).map(|number| head(&osc_address(number))).collect();
        Ok(Self { socket, interval, packets, ledger, stop: StopSending::default() })
    }

    /// A handle that ends [`Traffic::send`] early. It works until this function is called again.
    pub(crate) fn stop(&mut self) -> StopSending {
        self.stop = StopSending::default();
        self.stop.clone()
    }

    /// Sends one event to each plugin.
    pub(crate) fn send_round(&mut self) -> io::Result<()> {
        for _ in 0..self.packets.len() {
            self.send_one()?;
            thread::sleep(self.interval);
        }
        Ok(())
    }

    /// Sends the next event. Returns `false` if the ledger is full.
    fn send_one(&self) -> io::Result<bool> {
        let Some(number) = self.ledger.next() else { return Ok(false) };
        let plugin = (number % self.packets.len() as u64) as usize;
        if let Some(head) = self.packets.get(plugin) {
            self.socket.send(&[&head[..], &number.to_be_bytes()].concat())?;
        }
        Ok(true)
    }

    /// Sends for `duration`. A sender that was held up by the machine skips the events that it missed.
    pub(crate) fn send(&mut self, duration: Duration) -> io::Result<()> {
        let end = Instant::now() + duration;
        let mut due = Instant::now();
        while due < end && !self.stop.0.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if !self.send_one()? {
                break;
            }
            due += self.interval;
            if let Some(floor) = Instant::now().checked_sub(MOST_BEHIND) {
                due = due.max(floor);
            }
        }
        Ok(())
    }
}

/// The error for a packet that could not be sent.
pub(crate) fn error(source: io::Error) -> TaskError {
    TaskError::Start { command: "OSC sender on 127.0.0.1".to_owned(), source }
}

/// An OSC message with one 64-bit integer, up to the integer (Open Sound Control 1.0: strings end with at least one NUL
/// and are padded to a multiple of four bytes).
fn head(address: &str) -> Vec<u8> {
    let mut packet = Vec::new();
    for text in [address, ",h"] {
        packet.extend_from_slice(text.as_bytes());
        packet.resize(packet.len() / 4 * 4 + 4, 0);
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::cast::Member;

    #[test]
    fn strings_are_padded() {
        assert_eq!(head("/p/1"), b"/p/1\0\0\0\0,h\0\0");
        assert_eq!(head("/p/001"), b"/p/001\0\0,h\0\0");
        assert_eq!(head("/p/0001"), b"/p/0001\0,h\0\0");
    }

    #[test]
    fn packets_go_to_one_plugin_after_the_other() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("socket");
        let member = Member { name: "a".to_owned(), guest: "a", action: "a", is_hostile: false };
        let ledger = Arc::new(Ledger::new(&[member.clone(), member], 3));
        let address = receiver.local_addr().expect("address");
        let mut traffic = Traffic::new(address, 1000, 2, Arc::clone(&ledger)).expect("sender");
        traffic.send_round().expect("sent");
        assert_eq!(ledger.sent(), 2);
        traffic.send(Duration::from_secs(10)).expect("sent");
        assert_eq!(ledger.sent(), 3, "until the ledger is full");
        let mut packets = Vec::new();
        for _ in 0..3 {
            let mut packet = [0; 64];
            let read = receiver.recv(&mut packet).expect("received");
            packets.push(packet[..read].to_vec());
        }
        let expected: Vec<Vec<u8>> = [("/p/000", 0), ("/p/001", 1), ("/p/000", 2)]
            .map(|(address, number): (&str, u64)| [head(address), number.to_be_bytes().to_vec()].concat())
            .to_vec();
        assert_eq!(packets, expected);
    }
}
