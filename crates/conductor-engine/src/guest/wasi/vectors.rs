//! Scatter-gather lists: what the host checks before it reads or writes with a list.

use wasmtime::Caller;

use crate::guest::State;

/// Most entries of a list, as `IOV_MAX` of Linux. Stops a list whose first thousands of entries are empty from moving
/// more bytes than the host has checked, charged and counted. A longer list is refused.
const MAX_VECTORS: u32 = 1_024;

/// Bytes of one entry in WASI preview 1.
const VECTOR_BYTES: usize = 8;

/// A list that was checked from its first to its last entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vectors {
    count: u32,
    moved: u64,
}

impl Vectors {
    /// Checks a list; `None` if the list is too long.
    pub(super) fn look(caller: &mut Caller<'_, State>, vectors: i32, count: i32) -> Option<Self> {
        let count = count as u32;
        if count > MAX_VECTORS {
            return None;
        }
        let Some(memory) = super::memory(caller) else { return Some(Self { count, moved: 0 }) };
        let moved = first_not_empty(memory.data(&*caller), vectors as u32 as usize, count);
        Some(Self { count, moved: u64::from(moved) })
    }

    /// Most bytes that a read or a write with this list moves: the length of its first entry that is not empty, because
    /// wasmtime uses no further entry.
    pub(super) const fn moved(self) -> u64 {
        self.moved
    }

    /// Bytes that the host touches: those that the list can move, and the list itself.
    pub(super) const fn looked_at(self) -> u64 {
        self.moved + VECTOR_BYTES as u64 * self.count as u64
    }
}

/// Length of the first entry that is not empty. An entry outside of the plugin's memory ends the list, as it ends
/// reading or writing.
fn first_not_empty(memory: &[u8], start: usize, count: u32) -> u32 {
    let length_of = |index: u32| {
        let at = start.checked_add(index as usize * VECTOR_BYTES + 4)?;
        let field = memory.get(at..at.checked_add(4)?)?;
        field.try_into().ok().map(u32::from_le_bytes)
    };
    (0..count).map_while(length_of).find(|length| *length > 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_that_is_not_empty_counts_up_to_the_last_one() {
        let mut memory = vec![0; 1_024 * VECTOR_BYTES];
        assert_eq!(first_not_empty(&memory, 0, 1_024), 0);
        memory[1_023 * VECTOR_BYTES + 4..].copy_from_slice(&7u32.to_le_bytes());
        assert_eq!(first_not_empty(&memory, 0, 1_024), 7);
        assert_eq!(first_not_empty(&memory, 0, 1_023), 0);
        assert_eq!(first_not_empty(&memory, usize::MAX - 3, 4), 0);
    }
}
