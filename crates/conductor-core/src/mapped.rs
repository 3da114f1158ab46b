//! The one file that maps compiled code.

use crate::engine::Engine;
use crate::sealed::SealedFile;

/// Compiled code that may run in this process. Code that a worker made is never one of the host's: it is handed over to
/// another worker, which has nothing that the code could take.
pub(crate) struct Runnable(SealedFile);

impl Runnable {
    /// Code that this process compiled, or wrote down when it did: its file was authenticated after it was sealed.
    pub(crate) const fn own(code: SealedFile) -> Self {
        Self(code)
    }

    /// Code as a worker is given it, in which this process runs.
    pub(crate) const fn handed_over(code: SealedFile) -> Self {
        Self(code)
    }

    /// Maps the code; fails if it is of another engine.
    pub(crate) fn map(self, engine: &Engine) -> wasmtime::Result<wasmtime::Module> {
        #[expect(unsafe_code, clippy::disallowed_methods, reason = "the one place that maps compiled code")]
        // SAFETY: `Module::deserialize_open_file` runs whatever machine code the file holds, for as long as the module lives, so
        // the file must hold what wasmtime serialized and must not change. It cannot change: `SealedFile` upholds that it is
        // sealed. In the host's process it was serialized there, or authenticated under a key that nobody else has, which
        // `CodeCache` upholds. In a worker it is whatever the supervisor handed over; the code of a compiler that was
        // taken over runs in a process that has nothing but what its plugin was granted.
        unsafe {
            wasmtime::Module::deserialize_open_file(engine.inner(), self.0.into_file())
        }
    }
}
