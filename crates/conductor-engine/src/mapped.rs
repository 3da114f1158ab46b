//! The one file that maps compiled code.

use crate::engine::Engine;
use crate::sealed::SealedFile;

/// Compiled code that may run in this process. Code that a worker made is never one of the host's: it is handed over to
/// another worker, which has nothing that the code could take.
pub(crate) struct Runnable(Place);

/// Where code is.
enum Place {
    Memory(Vec<u8>),
    File(SealedFile),
}

impl Runnable {
    /// Code that this process compiled and wrote down: these bytes were authenticated when they were read again.
    pub(crate) const fn own(code: Vec<u8>) -> Self {
        Self(Place::Memory(code))
    }

    /// Code as a worker is given it, in which this process runs.
    pub(crate) const fn handed_over(code: SealedFile) -> Self {
        Self(Place::File(code))
    }

    /// Maps the code; fails if it is of another engine.
    pub(crate) fn map(self, engine: &Engine) -> wasmtime::Result<wasmtime::Module> {
        #[expect(unsafe_code, clippy::disallowed_methods, reason = "the one place that maps compiled code")]
        // SAFETY: Both run whatever machine code they are given, for as long as the module lives, so that must be what wasmtime
        // serialized and must not change. It cannot change: memory is copied, and `SealedFile` upholds that the file is sealed. In
        // the host's process it was serialized there and authenticated under a key that nobody else has, which `CodeCache`
        // upholds. In a worker it is whatever the supervisor handed over; the code of a compiler that was taken over runs in a
        // process that has nothing but what its plugin was granted.
        unsafe {
            match self.0 {
                Place::Memory(code) => wasmtime::Module::deserialize(engine.inner(), code),
                Place::File(code) => {
                    wasmtime::Module::deserialize_open_file(engine.inner(), code.into_file())
                }
            }
        }
    }
}
