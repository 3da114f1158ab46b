//! The compiler and what it makes: the only file that turns verified bytes into code.

mod ticker;

use std::sync::Arc;

use conductor_signing::VerifiedPlugin;
use wasmtime::{Config, InstancePre, Linker, OptLevel};

use crate::config::MAX_STACK_BYTES;
use crate::host::Flavour;
use crate::instance::State;
use crate::shape::{self, ShapeError};
use crate::wasi;
use ticker::Ticker;
pub(crate) use ticker::{TICK, Ticking};

/// A configured compiler with the host functions that plugins may import. Cheap to clone; shared by all plugins of a
/// host.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    engine: wasmtime::Engine,
    linker: Linker<State>,
    ticker: Ticker,
}

impl Engine {
    /// Builds an engine whose plugins have `max_stack_bytes` of stack.
    ///
    /// # Errors
    ///
    /// Fails if the stack is larger than [`MAX_STACK_BYTES`], if wasmtime does not support this machine, or if the
    /// ticker's thread cannot be started.
    pub fn new(max_stack_bytes: u32) -> Result<Self, EngineError> {
        if max_stack_bytes > MAX_STACK_BYTES {
            return Err(EngineError::Stack { asked: max_stack_bytes });
        }
        let mut config = Config::new();
        config
            .wasm_features(wasmparser::WasmFeatures::all().difference(shape::FEATURES), false)
            .wasm_features(shape::FEATURES, true)
            .consume_fuel(true)
            .epoch_interruption(true)
            .concurrency_support(false)
            .cranelift_opt_level(OptLevel::Speed)
            .max_wasm_stack(max_stack_bytes as usize);
        let engine = wasmtime::Engine::new(&config).map_err(|source| EngineError::Unsupported { source })?;
        let mut linker = Linker::new(&engine);
        wasi::define(&mut linker)
            .and_then(|()| crate::instance::define_host_call(&mut linker))
            .map_err(|source| EngineError::Unsupported { source })?;
        let ticker = Ticker::start(engine.weak()).map_err(|source| EngineError::Ticker { source })?;
        Ok(Self { shared: Arc::new(Shared { engine, linker, ticker }) })
    }

    pub(crate) fn inner(&self) -> &wasmtime::Engine {
        &self.shared.engine
    }

    /// Makes time pass for the plugins of this engine while the returned value lives.
    pub(crate) fn ticking(&self) -> Ticking<'_> {
        self.shared.ticker.ticking()
    }
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A stack that the calling thread does not have.
    #[error("max_stack_bytes is {asked}, more than {MAX_STACK_BYTES}")]
    Stack {
        /// What was asked for.
        asked: u32,
    },
    /// wasmtime refuses the configuration on this machine.
    #[error("this machine cannot run the WebAssembly engine")]
    Unsupported {
        /// What wasmtime said.
        source: wasmtime::Error,
    },
    /// The thread that makes time limits pass could not be started.
    #[error("cannot start the thread that enforces time limits")]
    Ticker {
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// A verified plugin as machine code, not yet running. There is no other way to get one than from a
/// [`VerifiedPlugin`], so what was not verified cannot be compiled:
///
/// ```compile_fail,E0308
/// # fn example(engine: &conductor_core::Engine, bytes: Vec<u8>) {
/// let unverified = conductor_signing::UnverifiedPlugin::from_parts("x.wasm", bytes, None);
/// let compiled = conductor_core::CompiledPlugin::compile(engine, unverified); // expects a VerifiedPlugin
/// # }
/// ```
///
/// With the step that was left out it compiles:
///
/// ```
/// # use conductor_signing::{RequireStatement, SignaturePolicy, TrustStore, UnverifiedPlugin};
/// # fn example(engine: &conductor_core::Engine, trust: &TrustStore, unverified: UnverifiedPlugin)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let verified = unverified.verify(SignaturePolicy::TrustedSigner, RequireStatement::OnceSeen, trust)?;
/// let compiled = conductor_core::CompiledPlugin::compile(engine, verified)?;
/// # Ok(()) }
/// ```
pub struct CompiledPlugin {
    plugin: VerifiedPlugin,
    pre: InstancePre<State>,
}

impl CompiledPlugin {
    /// Checks the module's shape, compiles it and links it to the host functions that it imports.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a module that a plugin may be, see [`ShapeError`], or do not compile.
    pub fn compile(engine: &Engine, plugin: VerifiedPlugin) -> Result<Self, CompileError> {
        shape::check(plugin.bytes()).map_err(|source| CompileError::Shape { source })?;
        #[expect(clippy::disallowed_methods, reason = "the one place where verified bytes become code")]
        let module = wasmtime::Module::from_binary(engine.inner(), plugin.bytes())
            .map_err(|source| CompileError::Compiler { source })?;
        let pre = engine
            .shared
            .linker
            .instantiate_pre(&module)
            .map_err(|source| CompileError::Import { source })?;
        Ok(Self { plugin, pre })
    }

    /// The verified plugin that was compiled.
    #[must_use]
    pub const fn plugin(&self) -> &VerifiedPlugin {
        &self.plugin
    }

    /// The flavour that the module's exports make it; `None` if it is no plugin.
    #[must_use]
    pub fn flavour(&self) -> Option<Flavour> {
        crate::instance::flavour(self.pre.module())
    }

    pub(crate) const fn pre(&self) -> &InstancePre<State> {
        &self.pre
    }
}

/// Why a verified plugin did not become code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The module is not one that a plugin may be.
    #[error("{source}")]
    Shape {
        /// What is wrong with it.
        source: ShapeError,
    },
    /// The compiler gave up.
    #[error("module does not compile")]
    Compiler {
        /// What the compiler said.
        source: wasmtime::Error,
    },
    /// An import has another type than the host's function of that name.
    #[error("module imports a host function with another type than it has")]
    Import {
        /// Which import and which types.
        source: wasmtime::Error,
    },
}
