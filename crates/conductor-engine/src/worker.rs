//! Worker processes: the second wall.
//!
//! Each plugin gets a process of its own that has given up everything but computing and asking the broker. The
//! supervisor, in the host's process, verifies a plugin, hands its bytes over in a sealed file in memory, and believes
//! nothing that comes back: frames are bounded before they are read, each has its turn, and what the plugin asks for is
//! parsed and checked by the broker alone. The worker locks itself before it touches a byte of the plugin.
//!
//! A plugin passes through two of them. One *compiles*: it is given the module in a sealed file, writes the code into a file of
//! the supervisor's, and ends; then the supervisor seals that file, and no sooner. The other *runs*: it is given the sealed code,
//! which all workers of the same bytes share. What a compiler that was taken over leaves behind is code, in a process that has
//! nothing but what the plugin was granted; it stays in memory nowhere, and it never sees the key under which the supervisor
//! knows its own files again.
//!
//! The order inside a worker is fixed: namespaces, resource limits and landlock while the process has one thread (the
//! last two bind only the calling thread and those that it starts), then the engine and its threads, then the filter of
//! system calls for all of them, then what comes from the plugin, and once its code is mapped, a second filter that lets no
//! further memory become executable.

mod asking;
mod channel;
mod child;
mod compiling;
mod error;
mod frame;
mod handle;
mod lock;
mod order;
mod overdue;
mod place;
mod process;
mod spawner;
mod stage;
mod supervisor;
mod syscalls;
mod turns;
mod watch;

pub use error::WorkerError;
pub use frame::check_worker_frame;
pub use process::{run, run_with};
pub use spawner::WorkerProgram;
pub use stage::{Ends, Stage};
pub use supervisor::Workers;
pub use syscalls::stages;
