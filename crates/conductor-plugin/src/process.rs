//! Running programs, for plugins with the Subprocess capability.
//!
//! The scope that is granted names each program by its absolute path, and the arguments that it may get; no shell is in
//! between. A program has an empty environment but for what the scope names, and ends with the call, with all that it
//! started.
//!
//! Where the declaration or the grant says `confined=yes` the program has no sockets, no network and no files but the
//! system's and the plugin's own. If it ends with another status than 0, the last line of its standard error is the host's and
//! says so.
//!
//! ```no_run
//! use conductor_plugin::process::{self, End};
//!
//! let output = process::run("/usr/bin/convert", &["cover.png", "cover-small.png"], b"")?;
//! assert_eq!(output.end, End::Exited { code: 0 });
//! # Ok::<(), conductor_plugin::HostError>(())
//! ```

use conductor_abi::{Op, ProgramOutput, ProgramRun};

pub use conductor_abi::{ProgramEnd as End, ProgramOutput as Output};

use crate::{HostError, host};

/// Runs a program to its end. `input` is what it reads from standard input.
///
/// # Errors
///
/// Fails if Subprocess was not granted for this program and these arguments, if the program cannot be started, or if it
/// did not end in its time. A program that fails by itself is no error: see [`Output::end`].
pub fn run(program: &str, arguments: &[&str], input: &[u8]) -> Result<ProgramOutput, HostError> {
    let request = ProgramRun { program, arguments: arguments.to_vec(), input };
    let answer = host::exchange(Op::ProgramRun, &request)?;
    host::decode(&answer)
}
