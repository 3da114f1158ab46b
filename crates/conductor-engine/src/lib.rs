//! Verified bytes running within limits: compiler, instances and WASI, in this process or in workers that the kernel confines.
//!
//! There is only one way from bytes to running code, and every step returns the proof that the next step demands:
//! [`UnverifiedPlugin`](conductor_signing::UnverifiedPlugin) → [`VerifiedPlugin`](conductor_signing::VerifiedPlugin) →
//! [`CheckedPlugin`] → [`CompiledPlugin`] → [`Running`]. Compiling in a worker is part of this way: the type of its
//! proof is private to this crate.
//!
//! This crate knows neither what a plugin may do nor who does it: what a plugin asks for goes to a
//! [`HostSession`](conductor_call::HostSession), and the [`Surroundings`] of a plugin are decided elsewhere.
//!
//! In reading order: [`guest`], the host's data about an instance, with the functions of WASI (`wasi`) and of the host
//! that its code can call; [`shape`] and [`imports`] of a module before it is compiled; [`engine`], the compiler, and
//! the proofs around it, [`handed_over`], [`checked`] and [`compiled`]; [`sealed`], [`mapped`] and [`code_cache`],
//! which hand over, map and cache code for the engine that its [`fingerprint`] names; [`instance`], calls of a module's
//! functions; [`local`], a plugin in this address space; [`runtime`], the trait with the two implementations
//! [`in_process`] and [`worker`], and its [`run_error`]; [`files`], access to file systems; and [`clock`], for
//! deadlines.

mod checked;
pub mod clock;
#[cfg(target_os = "linux")]
mod code_cache;
mod compiled;
mod engine;
mod files;
#[cfg(target_os = "linux")]
mod fingerprint;
mod guest;
#[cfg(target_os = "linux")]
mod handed_over;
pub mod imports;
mod in_process;
mod instance;
mod local;
#[cfg(target_os = "linux")]
mod mapped;
mod run_error;
mod runtime;
#[cfg(target_os = "linux")]
mod sealed;
pub mod shape;
#[cfg(target_os = "linux")]
pub mod worker;

pub use checked::CheckedPlugin;
#[cfg(target_os = "linux")]
pub use code_cache::{CodeCache, CodeCacheError};
pub use compiled::CompiledPlugin;
pub use engine::{CompileError, Engine, EngineError, check_stack};
pub use files::{FileState, Files};
pub use guest::{Access, SetupError};
pub use in_process::InProcess;
pub use instance::Metadata;
pub use local::Surroundings;
pub use run_error::RunError;
pub use runtime::{Prepared, Running, Runtime, Switch};
