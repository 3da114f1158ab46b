//! Which values of continuous controllers in a line are replaced by later ones.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use conductor_surface::event::Controller;

use super::{Cause, Job};

/// The values in a line: the last of each controller, and those that a later one replaces.
#[derive(Debug, Default)]
pub(super) struct Values {
    last: HashMap<Key, Spot>,
    /// Replaced values, in the order in which they were replaced. Values that have left the line meanwhile are skipped.
    replaced: VecDeque<Spot>,
}

/// Where a job is, with its number. Places are used again, numbers are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) at: usize,
    pub(super) number: u64,
}

/// What two values have in common if the later one replaces the earlier one. Mappings and modes are compared by
/// address, which nothing else can have while a job in the line refers to them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    mappings: usize,
    index: usize,
    mode: usize,
    controller: Controller,
    /// The input.
    share: usize,
    /// The segment of the line. Every job that is not a value of a continuous controller begins another segment.
    segment: u64,
}

impl Key {
    /// The key of a job, if it is a value.
    pub(super) fn of(job: &Job, share: usize, segment: u64) -> Option<Self> {
        let Cause::Mapping { mappings, index } = &job.cause else { return None };
        let controller = job.event.body.controller()?;
        let (mappings, mode) = (Arc::as_ptr(mappings).addr(), Arc::as_ptr(&job.mode).addr());
        Some(Self { mappings, index: *index, mode, controller, share, segment })
    }
}

impl Values {
    /// Notes a value that came to the end of the line.
    pub(super) fn came(&mut self, key: Key, spot: Spot) {
        self.replaced.extend(self.last.insert(key, spot));
    }

    /// Notes a value that left the line.
    pub(super) fn left(&mut self, key: &Key, spot: Spot) {
        if self.last.get(key) == Some(&spot) {
            self.last.remove(key);
        }
    }

    /// The first replaced value that is still in the line.
    pub(super) fn replaced(&mut self, is_there: impl Fn(Spot) -> bool) -> Option<Spot> {
        while let Some(first) = self.replaced.front().copied() {
            if is_there(first) {
                return Some(first);
            }
            self.replaced.pop_front();
        }
        None
    }

    /// The value that a new value with this key would replace.
    pub(super) fn last(&self, key: &Key) -> Option<Spot> {
        self.last.get(key).copied()
    }
}
