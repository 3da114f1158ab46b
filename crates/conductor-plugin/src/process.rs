//! Running programs, for plugins with the Subprocess capability.
//!
//! The granted scope names each program by its absolute path, and the arguments that the program may get. No shell is
//! involved. A program's environment has only the variables that the scope names. A program ends with the call, and so
//! does everything that the program started.
//!
//! If the declaration or the grant says `confined=yes`, the program has no sockets, no network, and no files but the
//! system's and the plugin's own. If such a program ends with another status than 0, the host adds a last line to its
//! standard error that says so.
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

/// Runs a program to its end. The program reads `input` from standard input.
///
/// # Errors
///
/// Fails if Subprocess was not granted for this program and these arguments, if the program cannot be started, or if it
/// did not end within its time. A program that ends with a failure is no error: see [`Output::end`].
pub fn run(program: &str, arguments: &[&str], input: &[u8]) -> Result<ProgramOutput, HostError> {
    let request = ProgramRun { program, arguments: arguments.to_vec(), input };
    let answer = host::exchange(Op::ProgramRun, &request)?;
    host::decode(&answer)
}
