//! Which user's process is at the other end of a connection, according to the kernel.
//!
//! A one-time token is on the command line of the browser that is started with it. Other users of the machine may see
//! that command line, and so may programs that plugins run. The token is of no use to them: only a process of the user
//! who runs the daemon gets a session, and no program of a plugin does.

use crate::control::{Refusal, RefusalCause};

/// Checks that the process at the other end belongs to the user who runs the daemon, and that no plugin runs it. If
/// this cannot be found out, the answer is no.
#[cfg(target_os = "linux")]
pub(super) fn check(client_port: u16, server_port: u16) -> Result<(), Refusal> {
    let own = rustix::process::geteuid().as_raw();
    // A browser may use a socket of either version of the protocol, IPv4 or IPv6.
    let end = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].iter().find_map(|table| {
        let text = read(std::path::Path::new(table)).unwrap_or_default();
        end(&text, client_port, server_port).filter(|end| end.user == own)
    });
    let Some(end) = end else {
        let message = "this daemon belongs to another user".to_owned();
        return Err(Refusal::new(RefusalCause::OtherUser, message));
    };
    if conductor_core::launcher::programs_hold_socket(end.inode) {
        let message = "programs that plugins run have no business here".to_owned();
        return Err(Refusal::new(RefusalCause::PluginProgram, message));
    }
    Ok(())
}

/// Other systems do not tell whose process it is; there the token alone decides.
#[cfg(not(target_os = "linux"))]
pub(super) const fn check(_client_port: u16, _server_port: u16) -> Result<(), Refusal> {
    Ok(())
}

/// Most bytes of the table that are read: some hundred thousand connections.
#[cfg(target_os = "linux")]
const MAX_TABLE_BYTES: u64 = 32 * 1024 * 1024;

#[cfg(target_os = "linux")]
fn read(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read as _;

    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_TABLE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// A connection of which both ends are open. For an end that its process has closed, the table names root as the user.
#[cfg(target_os = "linux")]
const ESTABLISHED: &str = "01";

/// One end of a connection.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    user: u32,
    inode: u64,
}

/// The socket from one port to another of the loopback interface (proc(5), `/proc/net/tcp`).
#[cfg(target_os = "linux")]
fn end(table: &str, from: u16, to: u16) -> Option<End> {
    /// A loopback address in the table's notation: the last four bytes of either version, in the byte order of this
    /// machine.
    fn is_loopback(address: &str, port: u16) -> bool {
        let Some((host, number)) = address.split_once(':') else { return false };
        let host = host.get(host.len().saturating_sub(8)..).unwrap_or_default();
        let host = u32::from_str_radix(host, 16).map(u32::to_ne_bytes);
        host.is_ok_and(|host| host == [127, 0, 0, 1]) && u16::from_str_radix(number, 16) == Ok(port)
    }
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let (local, remote, state) = (fields.nth(1)?, fields.next()?, fields.next()?);
        // The queues, the timers and the number of retransmissions stand between them.
        let user = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        let is_meant = state == ESTABLISHED && is_loopback(local, from) && is_loopback(remote, to);
        is_meant.then_some(End { user, inode })
    })
}

#[cfg(all(test, target_os = "linux", target_endian = "little"))]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:102C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0100007F:102C 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:102C 01 00000000:00000000 00:00000000 00000000  1001        0 3 1 0 20 4 30 10 -1
   3: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:102C 01 0:0 0:0 0  1002        0 4
   4: 0100007F:C353 0100007F:102C 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0
   5: 0200007F:C352 0100007F:102C 01 00000000:00000000 00:00000000 00000000  1000        0 5 1 0 20 4 30 10 -1
";

    #[test]
    fn the_owner_of_the_other_end_is_found() {
        assert_eq!(end(TABLE, 50_000, 4140), Some(End { user: 1001, inode: 3 }));
        assert_eq!(end(TABLE, 4140, 50_000), Some(End { user: 1000, inode: 2 }));
        assert_eq!(end(TABLE, 50_001, 4140), Some(End { user: 1002, inode: 4 }));
        for (from, to) in [(50_002, 4140), (50_003, 4140), (50_000, 4141), (4140, 0)] {
            assert_eq!(end(TABLE, from, to), None, "{from} {to}");
        }
        for broken in ["", "x", "head\n  0: x", "head\n 0: 0100007F:C350 0100007F:102C 01"] {
            assert_eq!(end(broken, 50_000, 4140), None);
        }
    }

    #[test]
    fn this_very_process_is_its_own_user() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = server.local_addr().expect("address").port();
        let client = std::net::TcpStream::connect(("127.0.0.1", to)).expect("connected");
        let from = client.local_addr().expect("address").port();
        check(from, to).map_err(|refusal| refusal.message).expect("its own user");
        assert_eq!(check(from, to ^ 1).expect_err("no connection").cause, RefusalCause::OtherUser);
    }
}
