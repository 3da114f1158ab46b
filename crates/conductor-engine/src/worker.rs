//! Worker processes: the second wall.
//!
//! Each plugin gets a process of its own that has given up everything but computing and asking the broker. The
//! supervisor, in the host's process, verifies a plugin, hands over its bytes in a sealed file in memory, and believes
//! nothing that the worker sends: frames are bounded before they are read, a frame out of turn is refused, and only the
//! broker parses and checks what the plugin asks for. The worker locks itself in before it touches a byte of the
//! plugin.
//!
//! A plugin needs two kinds of workers. One *compiles*: it gets the module in a sealed file, writes the code into a
//! file of the supervisor's, and ends; only then does the supervisor seal the file. The other *runs*: it gets the
//! sealed code, which all workers of the same bytes share. A compiler that was taken over leaves nothing behind but
//! code, and the code runs in a process that has only what the plugin was granted. Such a compiler does not stay in
//! memory, and never sees the key with which the supervisor authenticates its own files.
//!
//! The order inside a worker is fixed: first namespaces, resource limits and landlock, while the process has one thread
//! (namespaces and landlock bind only the calling thread and those that it starts); then the engine and its threads;
//! then the filter of system calls for all threads; then the bytes of the plugin; and once its code is mapped, a second
//! filter, under which no further memory can become executable.

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
