//! The two flavours of plugin ABI version 1.

use conductor_abi::MAX_MANIFEST_BYTES;
use conductor_call::{Limit, Outcome};
use serde::{Deserialize, Serialize};
use wasmtime::{Func, ModuleExport, Store, TypedFunc};

use super::Guest;
use crate::engine::Names;
use crate::guest::{State, classify, exit_code};

/// A plugin's answers about itself, as JSON that is not checked yet.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Answer of `init()`.
    pub init: Option<Vec<u8>>,
    /// Answer of `capabilities()`.
    pub capabilities: Option<Vec<u8>>,
}

/// Whether the plugin is asked about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The plugin is asked now.
    Now,
    /// The plugin was asked when it was loaded.
    Before,
}

/// The exports that the host calls, of one instance.
pub(super) enum Exports {
    Reactor(Box<Reactor>),
    Command { start: TypedFunc<(), ()> },
}

pub(super) struct Reactor {
    alloc: TypedFunc<u32, u32>,
    dealloc: Option<TypedFunc<(u32, u32), ()>>,
    execute: TypedFunc<(u32, u32), i32>,
    initialize: Option<TypedFunc<(), ()>>,
    init: Option<TypedFunc<(), u64>>,
    capabilities: Option<Capabilities>,
}

/// Plugins of Conductor 1.0 answer `capabilities()` with a pointer to NUL-terminated text, later plugins with a packed
/// pointer and length.
enum Capabilities {
    Packed(TypedFunc<(), u64>),
    Terminated(TypedFunc<(), u32>),
}

impl Exports {
    pub(super) fn find(
        store: &mut Store<State>,
        instance: &wasmtime::Instance,
        names: &Names,
    ) -> Result<Self, Outcome> {
        let mut found = Found { store, instance };
        if found.function(names.execute.as_ref()).is_none() {
            let start = found.required(names.start.as_ref(), "_start", "() -> ()")?;
            return Ok(Self::Command { start });
        }
        if names.memory(found.store, instance).is_none() {
            return Err(protocol("does not export its memory as `memory`"));
        }
        Ok(Self::Reactor(Box::new(Reactor {
            alloc: found.required(names.alloc.as_ref(), "alloc", "(i32) -> i32")?,
            dealloc: found.optional(names.dealloc.as_ref(), "dealloc", "(i32, i32) -> ()")?,
            execute: found.required(names.execute.as_ref(), "execute", "(i32, i32) -> i32")?,
            initialize: found.optional(names.initialize.as_ref(), "_initialize", "() -> ()")?,
            init: found.optional(names.init.as_ref(), "init", "() -> i64")?,
            capabilities: found.capabilities(names.capabilities.as_ref())?,
        })))
    }

    /// Whether standard output is the reply rather than log.
    pub(super) const fn stdout_is_reply(&self) -> bool {
        matches!(self, Self::Command { .. })
    }
}

/// An instance whose exports are looked up.
struct Found<'a> {
    store: &'a mut Store<State>,
    instance: &'a wasmtime::Instance,
}

impl Found<'_> {
    fn function(&mut self, export: Option<&ModuleExport>) -> Option<Func> {
        self.instance.get_module_export(&mut *self.store, export?)?.into_func()
    }

    fn required<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        export: Option<&ModuleExport>,
        name: &str,
        signature: &str,
    ) -> Result<TypedFunc<P, R>, Outcome> {
        self.optional(export, name, signature)?.ok_or_else(|| protocol(&format!("does not export `{name}`")))
    }

    fn optional<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        export: Option<&ModuleExport>,
        name: &str,
        signature: &str,
    ) -> Result<Option<TypedFunc<P, R>>, Outcome> {
        match self.function(export) {
            None => Ok(None),
            Some(function) => function
                .typed(&*self.store)
                .map(Some)
                .map_err(|_| protocol(&format!("exports `{name}` with another type than {signature}"))),
        }
    }

    fn capabilities(&mut self, export: Option<&ModuleExport>) -> Result<Option<Capabilities>, Outcome> {
        let Some(function) = self.function(export) else { return Ok(None) };
        if let Ok(packed) = function.typed(&*self.store) {
            return Ok(Some(Capabilities::Packed(packed)));
        }
        let terminated = self.required(export, "capabilities", "() -> i64 or () -> i32")?;
        Ok(Some(Capabilities::Terminated(terminated)))
    }
}

fn protocol(reason: &str) -> Outcome {
    Outcome::Protocol { reason: reason.to_owned() }
}

impl Guest {
    /// Runs `_initialize` and `init`, if the plugin has them. If the plugin is to be asked about itself now, also runs
    /// `capabilities`.
    pub(super) fn initialize(&mut self, told: Told) -> Result<Metadata, Outcome> {
        let Self { store, exports: Exports::Reactor(reactor), .. } = self else {
            return Ok(Metadata::default());
        };
        if let Some(initialize) = &reactor.initialize {
            match run_to_end(store, initialize, ())? {
                End::Returned(()) | End::Exited(0) => {}
                End::Exited(code) => {
                    return Err(protocol(&format!("`_initialize` exited with status {code}")));
                }
            }
        }
        let init = reactor.init.as_ref().map(|init| run(store, init, ())).transpose()?;
        if told == Told::Before {
            return Ok(Metadata::default());
        }
        // Reads the answer before the plugin runs on, because the plugin may overwrite it.
        let init = init.map(|packed| read_packed(store, packed, "init")).transpose()?;
        let capabilities = match &reactor.capabilities {
            Some(Capabilities::Packed(function)) => {
                let packed = run(store, function, ())?;
                Some(read_packed(store, packed, "capabilities")?)
            }
            Some(Capabilities::Terminated(function)) => {
                let pointer = run(store, function, ())?;
                Some(read_terminated(store, pointer)?)
            }
            None => None,
        };
        Ok(Metadata { init, capabilities })
    }

    pub(super) fn call(&mut self, request: &[u8]) -> Outcome {
        match self.try_call(request) {
            Ok(0) => self.check_reply(),
            Ok(code) => Outcome::Failed { code },
            Err(outcome) => outcome,
        }
    }

    fn try_call(&mut self, request: &[u8]) -> Result<i32, Outcome> {
        // The functions are used in place: a clone would change a reference count that all plugins share.
        let Self { store, exports, .. } = self;
        match exports {
            Exports::Command { start } => match run_to_end(store, start, ())? {
                End::Returned(()) => Ok(0),
                End::Exited(code) => Ok(code),
            },
            Exports::Reactor(reactor) => {
                let len = u32::try_from(request.len())
                    .map_err(|_| Outcome::Limit { limit: Limit::MessageBytes })?;
                let pointer = run(store, &reactor.alloc, len)?;
                write(store, pointer, request)?;
                let code = match run_to_end(store, &reactor.execute, (pointer, len))? {
                    End::Returned(code) => code,
                    End::Exited(code) => {
                        self.has_exited = true;
                        return Ok(code);
                    }
                };
                if let Some(dealloc) = &reactor.dealloc {
                    run(store, dealloc, (pointer, len))?;
                }
                Ok(code)
            }
        }
    }

    fn check_reply(&self) -> Outcome {
        let overflowed = self.exports.stdout_is_reply() && self.store.data().printed_too_much();
        if overflowed { Outcome::Limit { limit: Limit::ReplyBytes } } else { Outcome::Ok }
    }
}

/// How a function of the plugin ended.
enum End<R> {
    Returned(R),
    /// The plugin exited with this status.
    Exited(i32),
}

/// Calls a function of the plugin that may exit.
fn run_to_end<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
    store: &mut Store<State>,
    function: &TypedFunc<P, R>,
    params: P,
) -> Result<End<R>, Outcome> {
    match function.call(&mut *store, params) {
        Ok(returned) => Ok(End::Returned(returned)),
        Err(error) => match exit_code(&error) {
            Some(code) => Ok(End::Exited(code)),
            None => Err(classify(&error, store.data())),
        },
    }
}

/// Calls a function of the plugin that may not exit.
fn run<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
    store: &mut Store<State>,
    function: &TypedFunc<P, R>,
    params: P,
) -> Result<R, Outcome> {
    function.call(&mut *store, params).map_err(|error| classify(&error, store.data()))
}

/// Writes bytes into the plugin's memory, at an address that the plugin gave.
fn write(store: &mut Store<State>, pointer: u32, bytes: &[u8]) -> Result<(), Outcome> {
    let start = pointer as usize;
    let memory = store.data().memory();
    memory
        .map(|memory| memory.data_mut(store))
        .and_then(|memory| memory.get_mut(start..start.checked_add(bytes.len())?))
        .ok_or_else(|| protocol("`alloc` returned a pointer outside the plugin's memory"))?
        .copy_from_slice(bytes);
    Ok(())
}

fn memory(store: &Store<State>) -> &[u8] {
    store.data().memory().map_or(&[], |memory| memory.data(store))
}

fn read_packed(store: &Store<State>, packed: u64, export: &str) -> Result<Vec<u8>, Outcome> {
    let (start, len) = ((packed >> 32) as usize, (packed & 0xffff_ffff) as usize);
    if len > MAX_MANIFEST_BYTES {
        return Err(protocol(&format!("`{export}` returned more than {MAX_MANIFEST_BYTES} bytes")));
    }
    start
        .checked_add(len)
        .and_then(|end| memory(store).get(start..end))
        .map(<[u8]>::to_vec)
        .ok_or_else(|| protocol(&format!("`{export}` returned a pointer outside the plugin's memory")))
}

fn read_terminated(store: &Store<State>, pointer: u32) -> Result<Vec<u8>, Outcome> {
    let memory = memory(store);
    let start = pointer as usize;
    let end = memory.len().min(start.saturating_add(MAX_MANIFEST_BYTES));
    let bytes = memory
        .get(start..end)
        .ok_or_else(|| protocol("`capabilities` returned a pointer outside the plugin's memory"))?;
    let len = bytes
        .iter()
        .position(|byte| *byte == 0)
        .ok_or_else(|| protocol("`capabilities` returned text without an end"))?;
    Ok(bytes.get(..len).unwrap_or_default().to_vec())
}
