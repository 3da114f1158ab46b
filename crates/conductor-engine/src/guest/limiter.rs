//! Limits on all memories and tables of one instance together.

use conductor_call::Limit;
use wasmtime::ResourceLimiter;

use super::refused::Refused;

/// Most instances in a store: a module is one instance.
const MAX_INSTANCES: usize = 1;

/// Most memories in a store; the multi-memory feature is off.
const MAX_MEMORIES: usize = 1;

/// Most tables; each costs the instance an allocation of its own.
pub const MAX_TABLES: u32 = 100;

pub(crate) struct Limiter {
    max_memory_bytes: u64,
    max_table_elements: u64,
    memory_bytes: u64,
    table_elements: u64,
    /// The limit of the last growth that was refused in this call.
    refused_growth: Option<Limit>,
    /// Every limit that refused something, also limits that other types enforce.
    pub(super) refused: Refused,
}

impl Limiter {
    pub(super) const fn new(max_memory_bytes: u64, max_table_elements: u64) -> Self {
        Self {
            max_memory_bytes,
            max_table_elements,
            memory_bytes: 0,
            table_elements: 0,
            refused_growth: None,
            refused: Refused::new(),
        }
    }

    pub(super) const fn begin_call(&mut self) {
        self.refused_growth = None;
    }

    /// The limit that refused a growth in this call. A trap after it is a consequence of the refusal.
    pub(super) const fn refused_growth(&self) -> Option<Limit> {
        self.refused_growth
    }

    fn refuse_growth(&mut self, limit: Limit) {
        self.refused_growth = Some(limit);
        self.refused.note(limit);
    }

    /// The largest size of all memories so far. Memories never shrink, so this is their present size.
    pub(super) const fn peak_memory_bytes(&self) -> u64 {
        self.memory_bytes
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = grow(&mut self.memory_bytes, self.max_memory_bytes, current, desired);
        if !allowed {
            self.refuse_growth(Limit::Memory);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = grow(&mut self.table_elements, self.max_table_elements, current, desired);
        if !allowed {
            self.refuse_growth(Limit::TableElements);
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }
}

/// Adds the growth to the total, unless the total would exceed `max`. A growth that the operating system then refuses
/// stays counted, which costs the plugin budget and the host nothing.
fn grow(total: &mut u64, max: u64, current: usize, desired: usize) -> bool {
    let growth = desired.saturating_sub(current) as u64;
    match total.checked_add(growth) {
        Some(grown) if grown <= max => {
            *total = grown;
            true
        }
        Some(_) | None => false,
    }
}
