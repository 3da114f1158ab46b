//! Counts the packets that the kernel drops because they arrive faster than they are read.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use rustix::fs::fstat;

/// The word under which these packets are counted.
pub(super) const NAME: &str = "overflow";

/// How long after a packet the kernel is asked, once for all packets until then.
const ASKED_AFTER: Duration = Duration::from_secs(1);

/// Most bytes of the kernel's table that are read: some ten thousand sockets.
const MAX_TABLE_BYTES: u64 = 2 * 1024 * 1024;

/// Asks the kernel about one socket. On systems other than Linux the kernel does not say, and nothing is counted.
pub(super) struct Overflow {
    table: &'static str,
    inode: u64,
    counted: u64,
    due: Option<Instant>,
}

impl Overflow {
    /// For a socket whose earlier drops do not count.
    pub(super) fn of(socket: &UdpSocket) -> io::Result<Self> {
        let table = if socket.local_addr()?.is_ipv4() { "/proc/self/net/udp" } else { "/proc/self/net/udp6" };
        Ok(Self { table, inode: fstat(socket)?.st_ino, counted: 0, due: None })
    }

    /// When to ask next; none if no packet came since the last time.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Notes that a packet came.
    pub(super) fn expect(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + ASKED_AFTER);
    }

    /// Asks how many packets were dropped since the last time.
    pub(super) fn ask(&mut self) -> u64 {
        self.due = None;
        let dropped = read(self.table).ok().and_then(|table| dropped(&table, self.inode));
        let before = self.counted;
        self.counted = dropped.unwrap_or(before);
        self.counted.saturating_sub(before)
    }
}

fn read(table: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(table)?.take(MAX_TABLE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// How many packets the socket with this inode has dropped (proc(5), `/proc/net/udp`).
fn dropped(table: &str, inode: u64) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        // Slot, addresses, state, queues, timers, retransmissions, user and timeout come before the inode; references
        // and a pointer stand between inode and drops.
        let mut fields = line.split_whitespace();
        let is_meant = fields.nth(9)?.parse() == Ok(inode);
        fields.nth(2).filter(|_| is_meant)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_it_dropped() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
            2775: 00000000:DCB0 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 801375 2 00000000945766f8 0\n\
            15979: 0100007F:D044 00000000:0000 07 00000000:00034000 00:00000000 00000000     0        0 801374 2 000000006aada563 19744\n";
        assert_eq!([801_375, 801_374, 1].map(|inode| dropped(table, inode)), [Some(0), Some(19_744), None]);
    }
}
