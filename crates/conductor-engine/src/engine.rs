//! The compiler and its output: the only file that turns verified bytes into code.

mod names;
mod ticker;

use std::sync::Arc;

use conductor_call::{DEFAULT_MAX_TABLE_ELEMENTS, MAX_STACK_BYTES};
use conductor_signing::VerifiedPlugin;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, InstancePre, Linker, OptLevel, PoolingAllocationConfig,
};

#[cfg(target_os = "linux")]
use crate::fingerprint::Fingerprint;
use crate::guest::{self, State};
#[cfg(target_os = "linux")]
use crate::handed_over::HandedOver;
use crate::shape::{self, ShapeError};
pub(crate) use names::Names;
use ticker::Ticker;
pub(crate) use ticker::{Activity, TICK};

/// Most instances in a pool at once: one for each thread that calls a plugin which gets a new instance for every call.
/// An instance takes four gigabytes of address space, and a process has room for thousands of them.
const POOLED_INSTANCES: u32 = 512;

/// Most tables in a pool at once. A plugin usually has one table.
const POOLED_TABLES: u32 = 8 * POOLED_INSTANCES;

/// Most elements of a table in a pool; a plugin that may have more elements gets its tables outside of the pool.
pub(crate) const POOLED_TABLE_ELEMENTS: u64 = DEFAULT_MAX_TABLE_ELEMENTS;

/// Bytes of an instance's memory that stay in the pool for the next instance, zeroed: writing zeros costs less than
/// fresh pages from the kernel.
const KEPT_MEMORY_BYTES: usize = 1 << 20;

/// Bytes of an instance's tables that stay in the pool for the next instance.
const KEPT_TABLE_BYTES: usize = 64 * 1024;

/// Bytes of the engine's own data about one instance; a module that [`shape`] allows needs no more.
const POOLED_INSTANCE_BYTES: usize = 64 << 20;

/// How an engine makes instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Instances {
    /// Each instance is made separately, for instances that live across calls.
    OnDemand,
    /// From a pool, to which an instance returns its memory, for instances that live for one call.
    Pooled,
    /// On demand, in a worker: the compiler uses no threads, because the kernel refuses threads there. The compiled
    /// code is the same.
    InWorker,
}

/// A configured compiler with the host functions that plugins may import. Cheap to clone; shared by all plugins of a
/// host.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// Address space that is reserved for a memory, so that the memory can grow to its full size without being moved.
pub(crate) const MEMORY_RESERVATION: u64 = 4 * 1024 * 1024 * 1024;

/// Address space before and behind a memory that always stays empty.
pub(crate) const MEMORY_GUARD: u64 = 32 * 1024 * 1024;

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
        Self::with(max_stack_bytes, Instances::OnDemand)
    }

    /// As [`Engine::new`], with instances that are made in this way.
    pub(crate) fn with(max_stack_bytes: u32, instances: Instances) -> Result<Self, EngineError> {
        let engine = engine(max_stack_bytes, instances)?;
        let mut linker = Linker::new(&engine);
        guest::define(&mut linker).map_err(|source| EngineError::Unsupported { source })?;
        let ticker = Ticker::start(engine.weak()).map_err(|source| EngineError::Ticker { source })?;
        Ok(Self { shared: Arc::new(Shared { engine, linker, ticker }) })
    }

    pub(crate) fn inner(&self) -> &wasmtime::Engine {
        &self.shared.engine
    }

    /// A caller of this engine's code, which makes one call at a time.
    pub(crate) fn activity(&self) -> Activity {
        self.shared.ticker.activity()
    }
}

/// The compiler and runtime of an engine, without host functions.
fn engine(max_stack_bytes: u32, instances: Instances) -> Result<wasmtime::Engine, EngineError> {
    check_stack(max_stack_bytes)?;
    let mut config = Config::new();
    config
        .wasm_features(wasmparser::WasmFeatures::all().difference(shape::FEATURES), false)
        .wasm_features(shape::FEATURES, true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .parallel_compilation(instances != Instances::InWorker)
        // The initial content of a memory is mapped from the code's file, if there is one: data is laid out once, when
        // the module is compiled.
        .memory_init_cow(true)
        .memory_reservation(MEMORY_RESERVATION)
        .memory_guard_size(MEMORY_GUARD)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(max_stack_bytes as usize);
    if instances == Instances::Pooled {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    }
    wasmtime::Engine::new(&config).map_err(|source| EngineError::Unsupported { source })
}

/// The fingerprint of the code that the engines of workers accept.
#[cfg(target_os = "linux")]
pub(crate) fn fingerprint_of_workers(max_stack_bytes: u32) -> Result<Fingerprint, EngineError> {
    engine(max_stack_bytes, Instances::InWorker).map(|engine| Fingerprint::of(&engine))
}

/// The compiler in a worker, which compiles for another worker: the code never runs in this process.
#[cfg(target_os = "linux")]
pub(crate) struct Compiler(wasmtime::Engine);

#[cfg(target_os = "linux")]
impl Compiler {
    pub(crate) fn new(max_stack_bytes: u32) -> Result<Self, EngineError> {
        engine(max_stack_bytes, Instances::InWorker).map(Self)
    }

    /// The code in a form that [`Runnable`](crate::mapped::Runnable) maps.
    pub(crate) fn compile(&self, bytes: Compilable<'_>) -> Result<Vec<u8>, CompileError> {
        #[expect(clippy::disallowed_methods, reason = "the one file where verified bytes become code")]
        let mut builder = wasmtime::CodeBuilder::new(&self.0);
        let code = builder.wasm_binary(bytes.0, None).and_then(|builder| builder.compile_module_serialized());
        code.map_err(|source| CompileError::Compiler { source })
    }
}

/// The configuration of the pool for [`Instances::Pooled`].
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(POOLED_INSTANCES)
        .total_memories(POOLED_INSTANCES)
        .total_tables(POOLED_TABLES)
        .max_tables_per_module(shape::MAX_TABLES)
        .table_elements(usize::try_from(POOLED_TABLE_ELEMENTS).unwrap_or(usize::MAX))
        .max_core_instance_size(POOLED_INSTANCE_BYTES)
        .linear_memory_keep_resident(KEPT_MEMORY_BYTES)
        .table_keep_resident(KEPT_TABLE_BYTES)
        // Only pages that were written have to be zeroed, where the kernel reports them.
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Refuses a stack size that the calling thread's stack has no room for.
///
/// # Errors
///
/// Fails if the size is larger than [`MAX_STACK_BYTES`].
pub const fn check_stack(max_stack_bytes: u32) -> Result<(), EngineError> {
    if max_stack_bytes > MAX_STACK_BYTES {
        return Err(EngineError::Stack { asked: max_stack_bytes });
    }
    Ok(())
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The calling thread's stack has no room for a stack of this size.
    #[error("max_stack_bytes is {asked}, more than {MAX_STACK_BYTES}")]
    Stack {
        /// The size that was asked for.
        asked: u32,
    },
    /// wasmtime refuses the configuration on this machine.
    #[error("this machine cannot run the WebAssembly engine")]
    Unsupported {
        /// The error of wasmtime.
        source: wasmtime::Error,
    },
    /// The thread that enforces time limits could not be started.
    #[error("cannot start the thread that enforces time limits")]
    Ticker {
        /// The error of the operating system.
        source: std::io::Error,
    },
}

/// Bytes that may be compiled: those of a verified plugin in this process, or bytes that a supervisor verified and
/// handed over.
pub(crate) struct Compilable<'a>(&'a [u8]);

impl<'a> Compilable<'a> {
    pub(crate) fn verified(plugin: &'a VerifiedPlugin) -> Self {
        Self(plugin.bytes())
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn handed_over(plugin: &'a HandedOver) -> Self {
        Self(plugin.bytes())
    }
}

/// Machine code of one plugin, linked to the host's functions and ready to be instantiated.
pub(crate) struct Code {
    pre: InstancePre<State>,
    names: Names,
}

impl Code {
    pub(crate) fn compile(engine: &Engine, bytes: Compilable<'_>) -> Result<Self, CompileError> {
        #[expect(clippy::disallowed_methods, reason = "the one place where verified bytes become code")]
        let module = wasmtime::Module::from_binary(engine.inner(), bytes.0)
            .map_err(|source| CompileError::Compiler { source })?;
        Self::link(engine, &module)
    }

    /// Links a module that is compiled already.
    pub(crate) fn link(engine: &Engine, module: &wasmtime::Module) -> Result<Self, CompileError> {
        let pre =
            engine.shared.linker.instantiate_pre(module).map_err(|source| CompileError::Import { source })?;
        Ok(Self { pre, names: Names::of(module) })
    }

    /// The code in a form that [`wasmtime::Module::deserialize`] takes back.
    #[cfg(target_os = "linux")]
    pub(crate) fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        self.pre.module().serialize()
    }

    pub(crate) const fn pre(&self) -> &InstancePre<State> {
        &self.pre
    }

    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }
}

/// Why a verified plugin did not become code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The module is not allowed for plugins.
    #[error("{source}")]
    Shape {
        /// The rule that the module breaks.
        source: ShapeError,
    },
    /// The compiler gave up.
    #[error("module does not compile")]
    Compiler {
        /// The error of the compiler.
        source: wasmtime::Error,
    },
    /// An import has another type than the host's function of that name.
    #[error("module imports a host function with another type than it has")]
    Import {
        /// Which import and which types.
        source: wasmtime::Error,
    },
    /// A worker process failed to compile the module.
    #[error("{what}")]
    InWorker {
        /// The message that the same error has in this process.
        what: &'static str,
        /// The cause, as the worker reported it.
        cause: String,
    },
    /// The code that a worker compiled cannot be used by another worker.
    #[error("compiled code of the module cannot be used")]
    NotLoaded {
        /// The error of the engine.
        cause: String,
    },
    /// Compiling took more processor time than allowed.
    #[error("module takes more than {seconds} s of processor time to compile")]
    TooSlow {
        /// Processor time that is allowed, in seconds.
        seconds: u64,
    },
    /// Compiling did not end in time, although it took little processor time: the machine is too busy, or the compiler
    /// waits for something.
    #[error("module was not compiled within {seconds} s")]
    Late {
        /// Wall clock time that is allowed, in seconds.
        seconds: u64,
    },
    /// Compiling took more memory than allowed.
    #[error("module takes more than {max} bytes of memory to compile")]
    TooMuchMemory {
        /// Bytes that are allowed.
        max: u64,
    },
}
