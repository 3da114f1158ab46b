//! Totals over all memories and tables of one instance.

use wasmtime::ResourceLimiter;

use crate::outcome::Limit;

/// Most instances in a store: a module is one instance.
const MAX_INSTANCES: usize = 1;

/// Most memories in a store; multi-memory is off.
const MAX_MEMORIES: usize = 1;

pub(super) struct Limiter {
    max_memory_bytes: u64,
    max_table_elements: u64,
    memory_bytes: u64,
    table_elements: u64,
    refused: Option<Limit>,
}

impl Limiter {
    pub(super) const fn new(max_memory_bytes: u64, max_table_elements: u64) -> Self {
        Self { max_memory_bytes, max_table_elements, memory_bytes: 0, table_elements: 0, refused: None }
    }

    pub(super) const fn begin_call(&mut self) {
        self.refused = None;
    }

    /// The limit that refused a growth during this call; a trap that follows is its consequence.
    pub(super) const fn refused(&self) -> Option<Limit> {
        self.refused
    }

    /// Memories never shrink: what they have now is the most they had.
    pub(super) const fn peak_memory_bytes(&self) -> u64 {
        self.memory_bytes
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = grow(&mut self.memory_bytes, self.max_memory_bytes, current, desired);
        if !allowed {
            self.refused = Some(Limit::Memory);
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = grow(&mut self.table_elements, self.max_table_elements, current, desired);
        if !allowed {
            self.refused = Some(Limit::TableElements);
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
        crate::shape::MAX_TABLES as usize
    }
}

/// Adds the growth to the total unless that would exceed `max`. A growth that the operating system then refuses stays
/// counted: the plugin loses budget, never the host.
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
