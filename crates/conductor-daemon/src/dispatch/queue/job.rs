//! One call to make.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use conductor_abi::{Context, Request};
use conductor_core::CallReport;
use conductor_surface::event::Event;
use serde_json::Value as Json;

use crate::mapping::Mappings;

/// A call to make.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Why the call is made.
    pub(crate) cause: Cause,
    /// The event that triggered the call.
    pub(crate) event: Arc<Event>,
    /// The mode in which the event came.
    pub(crate) mode: Arc<str>,
}

/// Why a call is made.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// An event is mapped to the call.
    Mapping {
        /// The mappings when the event came.
        mappings: Arc<Mappings>,
        /// The index of the mapping.
        index: usize,
    },
    /// The user makes the call by hand, and waits for the report.
    Hand {
        /// The request to execute.
        request: Arc<Request>,
        /// The index of the mode that the request names.
        mode: Option<u32>,
        /// Where the report goes.
        reply: Sender<CallReport>,
    },
}

impl Job {
    /// The request to the plugin; `None` if the mapping calls no plugin.
    pub(crate) fn request(&self) -> Option<Request> {
        match &self.cause {
            Cause::Mapping { mappings, index } => mappings.request(*index, &self.event, &self.mode),
            Cause::Hand { request, .. } => Some(Request::clone(request)),
        }
    }

    /// The index of the mode that the request names.
    pub(crate) fn mode_index(&self) -> Option<u32> {
        match &self.cause {
            Cause::Mapping { mappings, .. } => mappings.mode_index(&self.mode),
            Cause::Hand { mode, .. } => *mode,
        }
    }

    /// About how many bytes the job holds in memory. An event that waits in several queues is counted in each of them.
    pub(super) fn bytes(&self) -> usize {
        let cause = match &self.cause {
            Cause::Mapping { .. } => 0,
            Cause::Hand { request, .. } => {
                let Request { action, context: Context { current_mode, metadata, .. }, parameters } =
                    &**request;
                let metadata = metadata.iter().map(|(key, value)| key.len() + value.len() + ENTRY_BYTES);
                let mode = current_mode.as_ref().map_or(0, String::len);
                size_of::<Request>() + action.len() + mode + metadata.sum::<usize>() + tree(parameters)
            }
        };
        size_of::<Self>() + self.event.bytes() + cause
    }
}

/// Bytes that an entry of a map takes beside its texts.
const ENTRY_BYTES: usize = 64;

/// About how many bytes a JSON value takes in memory.
fn tree(value: &Json) -> usize {
    let inner = match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(tree).sum(),
        Json::Object(fields) => fields.iter().map(|(key, value)| key.len() + ENTRY_BYTES + tree(value)).sum(),
    };
    size_of::<Json>() + inner
}
