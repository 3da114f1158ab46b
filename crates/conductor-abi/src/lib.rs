//! Wire types between a plugin, the process that runs it and the broker.
//!
//! A plugin reaches the host through the import `conductor.call(op: u32, ptr: u32, len: u32) -> u64`. `op` is an [`Op`],
//! the bytes at `ptr..ptr + len` are that operation's request, and the result is a [`CallResult`]: a status and the
//! length of the answer, which the guest copies into a buffer of its own with [`Op::Fetch`]. The host therefore never
//! calls back into the guest while the guest is calling the host.
//!
//! Requests and answers are encoded with [postcard](https://postcard.jamesmunns.com/wire-format). The request of an
//! action ([`Request`]) and the manifest ([`Manifest`]) are JSON, because plugins of every language can read JSON. For
//! languages without postcard, the import `conductor.request(ptr: u32, len: u32) -> u64` takes the operation with its
//! request as one JSON object, and leaves the answer as JSON to be fetched in the same way.
//!
//! In reading order:
//!
//! - `call`: the operations, and the value that both imports return
//! - `operation`: the request and the answer of each operation, and `bytes` in them
//! - `capability`: what a plugin may ask for, and the risk of each capability
//! - `manifest`: what a plugin is called and asks for, known before any of its code runs
//! - `request`: the request that an action is executed with

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bytes;
mod call;
mod capability;
mod manifest;
mod operation;
mod request;

pub use call::{CallResult, Op, Status};
pub use capability::{Capability, Risk, UnknownCapability, UnknownRisk};
pub use manifest::{
    ActionSpec, CapabilityRequest, MANIFEST_SECTION, MAX_CHOICES, MAX_MANIFEST_BYTES, MAX_SECRET_HOSTS,
    MAX_SECRETS, MAX_SETTING_TEXT_BYTES, MAX_SETTINGS, Manifest, ManifestError, SecretSpec, SettingFault,
    SettingSpec, SettingType, SettingValues,
};
pub use operation::{
    AudioOpen, AudioOpened, AudioOutputList, AudioWrite, HttpOpened, HttpPiece, HttpRead, HttpRequest,
    HttpResponse, LogLevel, LogRecord, MediaKey, MediaPress, MidiMessage, MidiPortList, MidiReceive,
    MidiReceived, MidiSend, MuteChange, Notification, ProgramEnd, ProgramOutput, ProgramRun, VolumeChange,
    VolumeState, WebSocketEvent, WebSocketMessage, WebSocketOpen, WebSocketOpened, WebSocketReceive,
    WebSocketSend,
};
pub use request::{Context, Request};

/// Version of the plugin ABI described by this crate; a manifest's `abi` names the version a plugin was built for.
pub const ABI_VERSION: u32 = 1;

/// Name of the import module through which plugins call the host.
pub const IMPORT_MODULE: &str = "conductor";

/// Name of the function in [`IMPORT_MODULE`] that takes a request as postcard.
pub const IMPORT_CALL: &str = "call";

/// Name of the function in [`IMPORT_MODULE`] that takes a request as JSON.
pub const IMPORT_REQUEST: &str = "request";
