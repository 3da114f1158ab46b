//! Who asks something of the daemon: nobody is answered before that is known, and no program that a plugin runs.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use conductor_core::audit::AuditRecord;
use rustix::process::Uid;

use super::message::{Refusal, RefusalCause, Request};

/// Whoever asks, once it is known that it may.
pub(crate) enum Asker {
    /// A process that connected to the control socket.
    Process {
        /// Its identifier, where it can be seen.
        pid: Option<u32>,
        /// The file of its program, where it can be read.
        program: Option<PathBuf>,
    },
    /// The Plugin Manager, for whoever has a session there.
    Page,
}

impl Asker {
    /// The user of the process at the other end of a connection.
    #[cfg(target_os = "linux")]
    pub(super) fn user_of(stream: &UnixStream) -> io::Result<Uid> {
        conductor_core::launcher::user_of(stream).map(Uid::from_raw)
    }

    /// The user of the process at the other end of a connection, which only Linux is asked for so far.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn user_of(_stream: &UnixStream) -> io::Result<Uid> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The process at the other end of a connection.
    ///
    /// # Errors
    ///
    /// Fails for a program of a plugin, and for a process that is gone or cannot be told from one.
    #[cfg(target_os = "linux")]
    pub(super) fn of(stream: &UnixStream) -> Result<Self, Refusal> {
        use conductor_core::launcher::{PeerError, peer_of};

        let refused = |error: PeerError| {
            let cause = if let PeerError::Program { .. } = error {
                RefusalCause::PluginProgram
            } else {
                RefusalCause::UnknownAsker
            };
            Refusal::new(cause, format!("this daemon does not answer: {error}"))
        };
        let peer = peer_of(stream).map_err(refused)?;
        Ok(Self::Process { pid: peer.pid(), program: peer.program().map(Into::into) })
    }

    /// The process at the other end of a connection. Where plugins run no programs, it is none of theirs.
    #[cfg(not(target_os = "linux"))]
    pub(super) const fn of(_stream: &UnixStream) -> Result<Self, Refusal> {
        Ok(Self::Process { pid: None, program: None })
    }

    /// The record of what is asked, if it is a decision.
    pub(super) fn record_of(&self, request: &Request) -> Option<AuditRecord> {
        let (decision, about) = request.decision()?;
        let (pid, program) = match self {
            Self::Process { pid, program } => (*pid, program.as_deref()),
            Self::Page => (None, None),
        };
        let asker = match self {
            Self::Process { .. } => "process",
            Self::Page => "plugin-manager",
        };
        Some(AuditRecord::decision_asked(decision, about, asker, pid, program))
    }
}
