//! The thread that serves the control socket: all connections at once, none of them waited for.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use conductor_surface::stop::Stop;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Uid, geteuid};

use super::Asker;
use super::connection::{Connection, Progress, turn_away};
use super::interface::Interface;
use super::message::{Refusal, RefusalCause};
use super::socket::{ControlSocket, SocketError};

/// Most connections at once. A further connection ends the oldest that has asked nothing or, if there is none, the oldest.
/// So clients which connect and say nothing keep nobody out.
pub const MAX_CONNECTIONS: usize = 16;

/// Most connections that are accepted before the other connections are served again.
const MAX_ACCEPTED_AT_ONCE: usize = 16;

/// Pause after a connection could not be accepted, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Longest wait at the end for requests that are being worked on. A disk that hangs under one of them holds up the end of
/// the daemon no longer.
const FINISH_WAIT: Duration = Duration::from_secs(2);

/// Time between two looks at these requests.
const FINISH_PAUSE: Duration = Duration::from_millis(2);

/// The socket and the thread that serves it.
pub(crate) struct Server {
    thread: JoinHandle<()>,
    stop: Stop,
}

/// A socket that is claimed but not served yet.
pub(crate) struct Claimed(ControlSocket);

impl Server {
    /// Claims the socket. Clients that connect wait until the socket is served.
    ///
    /// # Errors
    ///
    /// Fails if another daemon has the socket, or if the socket cannot be made safely.
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

    /// Ends all connections and removes the socket. The thread is handed back to be joined.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.stop();
        self.thread
    }
}

struct Service<'s> {
    socket: &'s ControlSocket,
    interface: &'s Arc<Interface>,
    /// In the order in which they were accepted.
    connections: VecDeque<Connection>,
    turned_away: u64,
}

impl<'s> Service<'s> {
    const fn new(socket: &'s ControlSocket, interface: &'s Arc<Interface>) -> Self {
        Self { socket, interface, connections: VecDeque::new(), turned_away: 0 }
    }

    fn run(mut self, stop: &Stop) {
        while !stop.is_stopped() {
            // A poll that fails or is interrupted is repeated; the steps below cope with files that are not ready.
            let _ = self.wait(stop);
            if let Err(error) = self.accept() {
                tracing::warn!("a control connection could not be accepted: {error}");
                stop.wait_for(ACCEPT_PAUSE);
            }
            let now = Instant::now();
            let interface = self.interface;
            self.connections.retain_mut(|connection| connection.advance(interface, now) == Progress::Waits);
        }
        self.finish();
    }

    /// Answers the requests that are being worked on when the daemon stops.
    fn finish(&mut self) {
        let deadline = Instant::now() + FINISH_WAIT;
        self.connections.retain(Connection::is_worked_on);
        while !self.connections.is_empty() && Instant::now() < deadline {
            thread::sleep(FINISH_PAUSE);
            let (interface, now) = (self.interface, Instant::now());
            self.connections.retain_mut(|connection| {
                connection.advance(interface, now) == Progress::Waits && connection.is_worked_on()
            });
        }
    }

    /// Waits until a connection can go on, or ends.
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
        let asker = match admitted(&stream) {
            Ok(asker) => asker,
            Err(refusal) => {
                self.note(&stream, &refusal);
                return turn_away(stream, refusal);
            }
        };
        let now = Instant::now();
        let Ok(mut connection) = Connection::new(stream, asker, now) else { return };
        // A client that has sent its request already is answered, or waits for its answer, before another client can end
        // its connection.
        if connection.advance(self.interface, now) == Progress::Waits {
            if self.connections.len() >= MAX_CONNECTIONS {
                let silent = self.connections.iter().position(Connection::has_asked_nothing);
                self.connections.remove(silent.unwrap_or(0));
            }
            self.connections.push_back(connection);
        }
    }

    /// Logs that a client was turned away, less and less often.
    fn note(&mut self, stream: &UnixStream, refusal: &Refusal) {
        self.turned_away += 1;
        if !self.turned_away.is_power_of_two() {
            return;
        }
        let (turned_away, user) = (self.turned_away, Asker::user_of(stream).ok().map(|user| user.as_raw()));
        if refusal.cause == RefusalCause::OtherUser {
            tracing::warn!(user, turned_away, "another user tried to control this daemon");
        } else {
            tracing::warn!(user, turned_away, "somebody may not control this daemon: {}", refusal.message);
        }
    }
}

/// Who is at the other end, if that process may ask: a process of the daemon's user that no plugin runs. It is the
/// process that connected, as the kernel noted it then (unix(7)), even if another process has the socket now.
fn admitted(stream: &UnixStream) -> Result<Asker, Refusal> {
    let user = Asker::user_of(stream).map_err(|error| {
        Refusal::new(RefusalCause::UnknownAsker, format!("the user who asks is not known: {error}"))
    })?;
    if !may_ask(user, geteuid()) {
        let message = "this daemon belongs to another user".to_owned();
        return Err(Refusal::new(RefusalCause::OtherUser, message));
    }
    Asker::of(stream)
}

/// Whether the daemon of user `own` serves user `peer`. Root is not served as an exception: it can become that user.
fn may_ask(peer: Uid, own: Uid) -> bool {
    peer == own
}

/// Whether an error says nothing about the next connection.
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
        let asker = admitted(&one).map_err(|refusal| refusal.message).expect("this process may ask");
        match asker {
            #[cfg(target_os = "linux")]
            Asker::Process { pid, program } => {
                assert_eq!(pid, Some(std::process::id()));
                assert_eq!(program, std::env::current_exe().ok());
            }
            #[cfg(not(target_os = "linux"))]
            Asker::Process { .. } => {}
            Asker::Page => panic!("this is no page"),
        }
    }
}
