//! Who asks something of the daemon. No request is answered before that is known, and no program that a plugin runs
//! gets an answer.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use conductor_core::audit::AuditRecord;
use rustix::process::Uid;

use super::message::{Refusal, RefusalCause, Request};

/// A client that may ask.
#[derive(Clone)]
pub(crate) enum Asker {
    /// A process that connected to the control socket.
    Process {
        /// Its process identifier, if it can be read.
        pid: Option<u32>,
        /// The file of its program, if it can be read.
        program: Option<PathBuf>,
    },
    /// A browser that has a session of the Plugin Manager.
    Page,
}

impl Asker {
    /// The user of the process at the other end of a connection.
    #[cfg(target_os = "linux")]
    pub(super) fn user_of(stream: &UnixStream) -> io::Result<Uid> {
        conductor_core::launcher::user_of(stream).map(Uid::from_raw)
    }

    /// The user of the process at the other end of a connection. Only Linux is asked for it so far.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn user_of(_stream: &UnixStream) -> io::Result<Uid> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The process at the other end of a connection.
    ///
    /// # Errors
    ///
    /// Fails for a program that a plugin runs, for a process that is gone, and for one that might be such a program.
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

    /// The process at the other end of a connection. On these systems plugins run no programs, so it is not one of
    /// them.
    #[cfg(not(target_os = "linux"))]
    pub(super) const fn of(_stream: &UnixStream) -> Result<Self, Refusal> {
        Ok(Self::Process { pid: None, program: None })
    }

    /// The record of the request for the audit log, if the request is a decision.
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
