//! The exports of a module that the host calls.

use wasmtime::{Module, ModuleExport, Store};

use crate::guest::State;

/// The exports that the host calls: looked up by name once for a module, and not for every instance.
pub(crate) struct Names {
    memory: Option<ModuleExport>,
    pub(crate) start: Option<ModuleExport>,
    pub(crate) alloc: Option<ModuleExport>,
    pub(crate) dealloc: Option<ModuleExport>,
    pub(crate) execute: Option<ModuleExport>,
    pub(crate) initialize: Option<ModuleExport>,
    pub(crate) init: Option<ModuleExport>,
    pub(crate) capabilities: Option<ModuleExport>,
}

impl Names {
    pub(crate) fn of(module: &Module) -> Self {
        let find = |name| module.get_export_index(name);
        Self {
            memory: find("memory"),
            start: find("_start"),
            alloc: find("alloc"),
            dealloc: find("dealloc"),
            execute: find("execute"),
            initialize: find("_initialize"),
            init: find("init"),
            capabilities: find("capabilities"),
        }
    }

    /// The exported memory of an instance.
    pub(crate) fn memory(
        &self,
        store: &mut Store<State>,
        instance: &wasmtime::Instance,
    ) -> Option<wasmtime::Memory> {
        instance.get_module_export(store, self.memory.as_ref()?)?.into_memory()
    }
}
