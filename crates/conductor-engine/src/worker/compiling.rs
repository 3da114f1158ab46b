//! Runs in a worker that compiles: reads one module, writes its code, and ends.
//!
//! The worker can answer only through the file that it writes, and it cannot stay: the supervisor looks at the file
//! only after the process has ended.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};

use conductor_call::ProcessWall;
use serde::{Deserialize, Serialize};

use super::error::WorkerError;
use super::frame::CompileFault;
use super::order::{CompileOrder, given};
use super::stage::{Ends, Stage};
use super::{lock, syscalls};
use crate::engine::{Compilable, Compiler};
use crate::handed_over::HandedOver;
use crate::sealed::SealedFile;

/// First bytes of the file when there is no code.
const NO_CODE: &[u8; 8] = b"\0NO-CODE";

/// Most bytes of the reason for which there is no code; a longer text is not accepted.
const MAX_REASON_BYTES: u64 = 64 * 1024;

/// Why a worker made no code.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum NoCode {
    /// The kernel cannot lock the worker in.
    NotLocked(ProcessWall),
    /// The module does not compile.
    NotCompiled(CompileFault),
}

/// The result of a compilation.
pub(super) enum Made {
    /// The file holds code, as the worker claims.
    Code,
    /// The file holds the reason for which there is no code.
    Nothing(NoCode),
}

/// Compiles the module of the order.
pub(super) fn run(
    order: &CompileOrder,
    module: OwnedFd,
    output: OwnedFd,
    taken_over: &mut impl FnMut(Stage, Ends<'_>),
) -> Result<(), WorkerError> {
    let output = File::from(output);
    let unread = |source| WorkerError::Start { what: "read its plugin", source };
    let module = given(module).map_err(unread)?;
    let mut wall = lock::lock_compiler(order)
        .map_err(|error| WorkerError::Start { what: "be locked", source: io::Error::other(error) })?;
    let compiler = Compiler::new(order.max_stack_bytes)
        .map_err(|error| WorkerError::Start { what: "make its compiler", source: io::Error::other(error) })?;
    taken_over(Stage::Prepared, Ends { requests: output.as_fd(), answers: output.as_fd() });
    wall.seccomp = syscalls::confine(syscalls::Stage::Compile).is_ok();
    if !wall.stands() && !order.allow_weak_isolation {
        return answer(&output, &NoCode::NotLocked(wall));
    }
    taken_over(Stage::Compiling, Ends { requests: output.as_fd(), answers: output.as_fd() });
    let plugin = HandedOver::read(&module, &order.digest).map_err(unread)?;
    match compiler.compile(Compilable::handed_over(&plugin)) {
        Ok(code) => match (&output).write_all(&code) {
            Ok(()) => Ok(()),
            Err(error) => {
                let cause = format!("its code of {} bytes cannot be kept: {error}", code.len());
                answer(&output, &NoCode::NotCompiled(CompileFault::Compiler { cause }))
            }
        },
        Err(error) => answer(&output, &NoCode::NotCompiled(CompileFault::of(&error))),
    }
}

fn answer(output: &File, why: &NoCode) -> Result<(), WorkerError> {
    write_answer(output, why).map_err(|source| WorkerError::Start { what: "answer", source })
}

/// Replaces everything that was written before with the answer.
fn write_answer(mut output: &File, why: &NoCode) -> io::Result<()> {
    output.set_len(0)?;
    output.rewind()?;
    output.write_all(NO_CODE)?;
    output.write_all(&postcard::to_allocvec(why).map_err(io::Error::other)?)
}

/// The result in the file of a worker that has ended; `None` if the file makes no sense.
pub(super) fn made(output: &SealedFile) -> io::Result<Option<Made>> {
    if output.bytes() == 0 {
        return Ok(None);
    }
    if output.bytes() > MAX_REASON_BYTES {
        return Ok(Some(Made::Code));
    }
    let bytes = output.read()?;
    Ok(match bytes.strip_prefix(NO_CODE) {
        None => Some(Made::Code),
        Some(why) => postcard::from_bytes(why).ok().map(Made::Nothing),
    })
}
