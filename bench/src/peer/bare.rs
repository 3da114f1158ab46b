//! Bare wasmtime: the engine alone, with fuel and epochs on and no host around it.

use wasmtime::{
    Caller, Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module, OptLevel,
    PoolingAllocationConfig, Store, TypedFunc,
};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::stage::Result;

const FUEL: u64 = 100_000_000;
const TICKS: u64 = 5_000;

/// The configuration of an engine as it would be used without Conductor.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .cranelift_opt_level(OptLevel::Speed);
    config
}

/// As [`config`], with a pool of instances, in which the memory of an ended instance is used again.
pub(crate) fn pooled() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(16)
        .total_memories(16)
        .total_tables(16)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(1 << 16)
        .pagemap_scan(wasmtime::Enabled::Auto);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// A linker with WASI and with the host's import, which answers at once.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<WasiP1Ctx>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p1::add_to_linker_sync(&mut linker, |context| context)?;
    linker.func_wrap(
        "conductor",
        "call",
        |mut caller: Caller<'_, WasiP1Ctx>, _op: u32, start: u32, len: u32| -> u64 {
            // The least that a host function can do with a request: look at it.
            let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
            let bytes = memory.as_ref().map(|memory| memory.data(&caller));
            let end = start as usize + len as usize;
            let sum = bytes.and_then(|bytes| bytes.get(start as usize..end)).map_or(0, |bytes| bytes.len());
            u64::from(sum > 1 << 20)
        },
    )?;
    Ok(linker)
}

/// An instance that lives across calls, with its exports looked up once.
pub(crate) struct Bare {
    store: Store<WasiP1Ctx>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    dealloc: TypedFunc<(u32, u32), ()>,
    execute: TypedFunc<(u32, u32), i32>,
}

impl Bare {
    pub(crate) fn new(pre: &InstancePre<WasiP1Ctx>) -> Result<Self> {
        let mut store = Store::new(pre.module().engine(), WasiCtxBuilder::new().build_p1());
        store.set_fuel(FUEL)?;
        store.set_epoch_deadline(TICKS);
        let instance = pre.instantiate(&mut store)?;
        let memory = instance.get_memory(&mut store, "memory").ok_or("no memory")?;
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            initialize.call(&mut store, ())?;
        }
        if let Ok(init) = instance.get_typed_func::<(), u64>(&mut store, "init") {
            init.call(&mut store, ())?;
        }
        let alloc = instance.get_typed_func(&mut store, "alloc")?;
        let dealloc = instance.get_typed_func(&mut store, "dealloc")?;
        let execute = instance.get_typed_func(&mut store, "execute")?;
        Ok(Self { store, memory, alloc, dealloc, execute })
    }

    /// Compiles and links a module on a new engine.
    pub(crate) fn compile(config: &Config, bytes: &[u8]) -> Result<InstancePre<WasiP1Ctx>> {
        let engine = Engine::new(config)?;
        let module = Module::from_binary(&engine, bytes)?;
        Ok(linker(&engine)?.instantiate_pre(&module)?)
    }

    /// Executes a request in the way in which Conductor calls plugins.
    pub(crate) fn execute(&mut self, request: &[u8]) -> Result<()> {
        self.store.set_fuel(FUEL)?;
        self.store.set_epoch_deadline(TICKS);
        let len = u32::try_from(request.len())?;
        let pointer = self.alloc.call(&mut self.store, len)?;
        self.memory.write(&mut self.store, pointer as usize, request)?;
        let code = self.execute.call(&mut self.store, (pointer, len))?;
        self.dealloc.call(&mut self.store, (pointer, len))?;
        if code == 0 { Ok(()) } else { Err(format!("status {code}").into()) }
    }
}
