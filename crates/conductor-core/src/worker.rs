//! Worker processes: the second wall.
//!
//! Each plugin gets a process of its own that has given up everything but computing and asking the broker. The
//! supervisor, in the host's process, verifies a plugin, hands its bytes over in a sealed file in memory, and believes
//! nothing that comes back: frames are bounded before they are read, each has its turn, and what the plugin asks for is
//! parsed and checked by the broker alone. The worker locks itself before it touches a byte of the plugin.
//!
//! The order inside the worker is fixed: namespaces, resource limits and landlock while the process has one thread (the
//! last two bind only the calling thread and those that it starts), then the engine and its threads, then the filter of
//! system calls for all of them, then the plugin's bytes, and once they are code, a second filter that lets no further
//! memory become executable.

mod channel;
mod child;
mod frame;
mod handle;
mod lock;
mod order;
mod overdue;
mod place;
mod process;
mod spawner;
mod supervisor;
mod syscalls;
mod turns;
mod watch;

pub use frame::check_worker_frame;
pub(crate) use lock::close_inherited;
pub(crate) use order::HandedOver;
pub use process::{Ends, Stage, WorkerError, run, run_with};
pub use spawner::WorkerProgram;
pub(crate) use supervisor::Workers;
