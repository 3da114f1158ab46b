//! Why a worker ended, as the worker itself knows it.

use std::io;

use super::channel::ChannelError;

/// Why a worker ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The worker could not be started.
    #[error("a worker cannot {what}: {source}")]
    Start {
        /// What the worker could not do.
        what: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// The channel to the supervisor failed.
    #[error("the channel to the supervisor failed")]
    #[expect(private_interfaces, reason = "shown to nobody; a worker has no standard streams")]
    Channel(ChannelError),
    /// The supervisor sent a frame out of turn.
    #[error("the supervisor sent a frame out of turn")]
    OutOfTurn,
}
