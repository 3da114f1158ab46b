//! The thread that serves the control socket: all connections at once, none of them waited for.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Uid, geteuid};

use super::connection::{Connection, Progress, turn_away};
use super::interface::Interface;
use super::socket::{ControlSocket, SocketError};
use crate::stop::Stop;

/// Most connections at once. One more ends the oldest, so that clients which connect and say nothing keep nobody out.
pub const MAX_CONNECTIONS: usize = 16;

/// Most connections that are accepted before the others are looked after again.
const MAX_ACCEPTED_AT_ONCE: usize = 16;

/// Pause after a connection could not be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The socket, and the thread that serves it.
pub(crate) struct Server {
    thread: JoinHandle<()>,
    stop: Stop,
}

/// A socket that is claimed and not served yet.
pub(crate) struct Claimed(ControlSocket);

impl Server {
    /// Takes the socket; nobody is served yet, and whoever connects waits.
    ///
    /// # Errors
    ///
    /// Fails if another daemon has it, or if it cannot be made safely.
    pub(crate) fn claim(path: &Path) -> Result<Claimed, SocketError> {
        ControlSocket::claim(path).map(Claimed)
    }

    /// Serves until [`Server::stop`].
    ///
    /// # Errors
    ///
    /// Fails if no thread can be started.
    pub(crate) fn start(socket: Claimed, interface: Arc<Interface>) -> io::Result<Self> {
        let stop = Stop::new()?;
        let stopped = stop.clone();
        let serve = move || Service::new(&socket.0, &interface).run(&stopped);
        let thread = Builder::new().name("control".into()).spawn(serve)?;
        Ok(Self { thread, stop })
    }

    /// Ends all connections and removes the socket; the thread is handed back to be joined.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.stop();
        self.thread
    }
}

struct Service<'s> {
    socket: &'s ControlSocket,
    interface: &'s Interface,
    /// In the order in which they were accepted.
    connections: VecDeque<Connection>,
    turned_away: u64,
}

impl<'s> Service<'s> {
    const fn new(socket: &'s ControlSocket, interface: &'s Interface) -> Self {
        Self { socket, interface, connections: VecDeque::new(), turned_away: 0 }
    }

    fn run(mut self, stop: &Stop) {
        while !stop.is_stopped() {
            // A poll that fails or is interrupted is tried again; everything below copes with files that are not ready.
            let _ = self.wait(stop);
            if let Err(error) = self.accept() {
                tracing::warn!("a control connection could not be accepted: {error}");
                stop.wait_for(ACCEPT_PAUSE);
            }
            let now = Instant::now();
            let interface = self.interface;
            self.connections.retain_mut(|connection| connection.advance(interface, now) == Progress::Waits);
        }
    }

    /// Waits until something can be done, or a connection is over.
    fn wait(&self, stop: &Stop) -> rustix::io::Result<usize> {
        let mut files = vec![
            PollFd::from_borrowed_fd(stop.as_file(), PollFlags::IN),
            PollFd::new(self.socket.listener(), PollFlags::IN),
        ];
        files.extend(self.connections.iter().map(|connection| {
            let (file, flags) = connection.waits_for();
            PollFd::from_borrowed_fd(file, flags)
        }));
        let now = Instant::now();
        let next_look = self.connections.iter().filter_map(|connection| connection.next_look(now)).min();
        let left = next_look.map(|look| {
            let left = look.saturating_duration_since(now);
            Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() }
        });
        poll(&mut files, left.as_ref())
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..MAX_ACCEPTED_AT_ONCE {
            match self.socket.listener().accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_passing(error.kind()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn admit(&mut self, stream: UnixStream) {
        match peer(&stream) {
            Ok(user) if may_ask(user, geteuid()) => {}
            Ok(user) => {
                self.turned_away += 1;
                if self.turned_away.is_power_of_two() {
                    let (user, turned_away) = (user.as_raw(), self.turned_away);
                    tracing::warn!(user, turned_away, "another user tried to control this daemon");
                }
                return turn_away(stream);
            }
            Err(error) => {
                return tracing::warn!("a control connection was closed: its user is not known: {error}");
            }
        }
        let now = Instant::now();
        let Ok(mut connection) = Connection::new(stream, now) else { return };
        // A client that has asked already is answered before any other can end its connection.
        if connection.advance(self.interface, now) == Progress::Waits {
            if self.connections.len() >= MAX_CONNECTIONS {
                self.connections.pop_front();
            }
            self.connections.push_back(connection);
        }
    }
}

/// The user of the process that connected, as the kernel noted it then (unix(7), `SO_PEERCRED`).
fn peer(stream: &UnixStream) -> io::Result<Uid> {
    Ok(socket_peercred(stream)?.uid)
}

/// Whether the daemon of user `own` serves user `peer`. Root can do without: it can become that user.
fn may_ask(peer: Uid, own: Uid) -> bool {
    peer == own
}

/// Errors that say nothing about the next connection.
const fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_serves_its_own_user_and_nobody_else() {
        let users = [0, 1000, 1001].map(Uid::from_raw);
        for peer in users {
            for own in users {
                assert_eq!(may_ask(peer, own), peer.as_raw() == own.as_raw());
            }
        }
    }

    #[test]
    fn the_kernel_knows_who_is_at_the_other_end() {
        let (one, _other) = UnixStream::pair().expect("sockets");
        assert_eq!(peer(&one).expect("a user"), geteuid());
    }
}
