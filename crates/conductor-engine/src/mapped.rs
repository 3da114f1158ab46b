//! The only file that maps compiled code.

use crate::engine::Engine;
use crate::sealed::SealedFile;

/// Compiled code that may run in this process. Code that a worker compiled never runs in the host's process: the code
/// is handed over to another worker, which holds nothing that the code could take.
pub(crate) struct Runnable(Place);

/// The place of the code.
enum Place {
    Memory(Vec<u8>),
    File(SealedFile),
}

impl Runnable {
    /// Code that this process compiled and wrote to a file, and whose bytes were authenticated when they were read
    /// back.
    pub(crate) const fn own(code: Vec<u8>) -> Self {
        Self(Place::Memory(code))
    }

    /// Code that was handed over to this worker, to run in it.
    pub(crate) const fn handed_over(code: SealedFile) -> Self {
        Self(Place::File(code))
    }

    /// Maps the code; fails if the code is for another engine.
    pub(crate) fn map(self, engine: &Engine) -> wasmtime::Result<wasmtime::Module> {
        #[expect(unsafe_code, clippy::disallowed_methods, reason = "the one place that maps compiled code")]
        // SAFETY: Both functions run whatever machine code they are given, for as long as the module lives, so the code
        // must be what wasmtime serialized, and must not change. The code cannot change: memory is copied, and
        // `SealedFile` upholds that the file is sealed. In the host's process, the code was serialized there and
        // authenticated under a key that nobody else has, which `CodeCache` upholds. In a worker, the code is whatever
        // the supervisor handed over; even code of a compiler that was taken over runs in a process that has only what
        // its plugin was granted.
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
