//! Limits: the budgets that a host enforces on one plugin, their names and their defaults.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A budget that the host enforces on a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Limit {
    /// `max_fuel`: instructions, bytes moved for the plugin and nanoseconds waited.
    Fuel,
    /// `max_execution_time`: wall clock of one call.
    WallClock,
    /// `max_memory_bytes`: total over all linear memories.
    Memory,
    /// `max_table_elements`: total over all tables.
    TableElements,
    /// `max_stack_bytes`: stack of the plugin's own code.
    Stack,
    /// `max_open_files`: files and directories open at once.
    OpenFiles,
    /// `max_disk_bytes`: bytes in the data directory.
    DiskBytes,
    /// `max_disk_files`: files and directories in the data directory.
    DiskFiles,
    /// `max_message_bytes`: request or answer of one host call, and a multiple of it where they are JSON.
    MessageBytes,
    /// `max_calls_per_second`: host calls that ask for a capability.
    CallRate,
    /// `max_network_bytes_per_minute`: bytes that cross the wire, in both directions.
    NetworkRate,
    /// `max_network_connections`: connections at once.
    NetworkConnections,
    /// `max_network_lookups`: look-ups of host names at once.
    NetworkLookups,
    /// `max_network_frames_per_second`: frames of one type in a second.
    NetworkFrames,
    /// `max_reply_bytes`: reply of one call.
    ReplyBytes,
    /// `max_log_bytes`: log of one call.
    LogBytes,
    /// `max_log_bytes_per_minute`: log of all calls in a minute.
    LogRate,
    /// `max_queued_events`: events that wait for the plugin.
    QueuedEvents,
    /// `max_queued_bytes`: bytes of the events that wait for the plugin.
    QueuedBytes,
    /// `max_compile_time`: processor time of compiling in a worker process.
    CompileTime,
    /// `max_compile_bytes`: memory of a worker process that compiles.
    CompileBytes,
    /// `max_module_bytes`: the plugin's file.
    ModuleBytes,
}

impl Limit {
    /// The configuration key that sets the limit.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Fuel => "max_fuel",
            Self::WallClock => "max_execution_time",
            Self::Memory => "max_memory_bytes",
            Self::TableElements => "max_table_elements",
            Self::Stack => "max_stack_bytes",
            Self::OpenFiles => "max_open_files",
            Self::DiskBytes => "max_disk_bytes",
            Self::DiskFiles => "max_disk_files",
            Self::MessageBytes => "max_message_bytes",
            Self::CallRate => "max_calls_per_second",
            Self::NetworkRate => "max_network_bytes_per_minute",
            Self::NetworkConnections => "max_network_connections",
            Self::NetworkLookups => "max_network_lookups",
            Self::NetworkFrames => "max_network_frames_per_second",
            Self::ReplyBytes => "max_reply_bytes",
            Self::LogBytes => "max_log_bytes",
            Self::LogRate => "max_log_bytes_per_minute",
            Self::QueuedEvents => "max_queued_events",
            Self::QueuedBytes => "max_queued_bytes",
            Self::CompileTime => "max_compile_time",
            Self::CompileBytes => "max_compile_bytes",
            Self::ModuleBytes => "max_module_bytes",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fuel => "fuel exhausted",
            Self::WallClock => "time limit exceeded",
            Self::Memory => "memory limit exceeded",
            Self::TableElements => "table limit exceeded",
            Self::Stack => "stack exhausted",
            Self::OpenFiles => "too many open files",
            Self::DiskBytes => "data directory full",
            Self::DiskFiles => "too many files in the data directory",
            Self::MessageBytes => "message too large",
            Self::CallRate => "too many host calls in a second",
            Self::NetworkRate => "too many bytes over the network in a minute",
            Self::NetworkConnections => "too many connections",
            Self::NetworkLookups => "too many look-ups of host names",
            Self::NetworkFrames => "too many frames over the network in a second",
            Self::ReplyBytes => "reply too large",
            Self::LogBytes => "log limit exceeded",
            Self::LogRate => "log limit of a minute exceeded",
            Self::QueuedEvents => "too many events queued",
            Self::QueuedBytes => "too many bytes of events queued",
            Self::CompileTime => "compilation takes too long",
            Self::CompileBytes => "compilation takes too much memory",
            Self::ModuleBytes => "module too large",
        })
    }
}

/// Default of [`Limits::max_fuel`], about 100 ms of computing; stops a loop or a sleep without end.
pub const DEFAULT_MAX_FUEL: u64 = 100_000_000;
/// Default of [`Limits::max_execution_time`]; stops a call that waits for something slow from holding up the calls
/// behind it.
pub const DEFAULT_MAX_EXECUTION_TIME: Duration = Duration::from_secs(5);
/// Default of [`Limits::max_memory_bytes`]; stops a plugin from using up the machine's memory.
pub const DEFAULT_MAX_MEMORY_BYTES: u64 = 128 * 1024 * 1024;
/// Default of [`Limits::max_table_elements`]; stops a plugin from using up memory by way of tables, which are not part of
/// its linear memory.
pub const DEFAULT_MAX_TABLE_ELEMENTS: u64 = 10_000;
/// Default of [`Limits::max_stack_bytes`]; stops a recursion without end before the host's own stack is used up.
pub const DEFAULT_MAX_STACK_BYTES: u32 = 512 * 1024;
/// Largest value of [`Limits::max_stack_bytes`]: the plugin's stack is part of the calling thread's stack, which has 2
/// MiB by Rust's default, and the host's own functions need the rest.
pub const MAX_STACK_BYTES: u32 = 1024 * 1024;
/// Default of [`Limits::max_open_files`]; stops a plugin from using up the process's file descriptors.
pub const DEFAULT_MAX_OPEN_FILES: u32 = 64;
/// Default of [`Limits::max_disk_bytes`]; stops a plugin from filling the disk.
pub const DEFAULT_MAX_DISK_BYTES: u64 = 256 * 1024 * 1024;
/// Default of [`Limits::max_disk_files`]; stops a plugin from using up the file system's inodes.
pub const DEFAULT_MAX_DISK_FILES: u32 = 10_000;
/// Default of [`Limits::max_message_bytes`]; stops a plugin, or a server that the plugin talks to, from making the host
/// hold a longer message for the plugin.
pub const DEFAULT_MAX_MESSAGE_BYTES: u32 = 1024 * 1024;
/// Bytes of JSON that a request or an answer may have for each byte of [`Limits::max_message_bytes`], so that what fits
/// as bytes fits as JSON: a list of numbers takes up to four bytes for each of them, and an escaped character up to six
/// in place of one. The limit stops a plugin from making the host decode a longer text, and a server's answer from being
/// written as one.
pub const JSON_BYTES_PER_MESSAGE_BYTE: u32 = 8;
/// Default of [`Limits::max_calls_per_second`]; stops a plugin from keeping the host busy with calls that cost it little.
pub const DEFAULT_MAX_CALLS_PER_SECOND: u32 = 10_000;
/// Default of [`Limits::max_network_bytes_per_minute`]; stops a plugin from using up what the user's line carries.
pub const DEFAULT_MAX_NETWORK_BYTES_PER_MINUTE: u64 = 256 * 1024 * 1024;
/// Default of [`Limits::max_network_connections`]; stops a plugin from using up the process's descriptors with
/// connections to many hosts. The default is two connections for each thing that a plugin may keep open.
pub const DEFAULT_MAX_NETWORK_CONNECTIONS: u32 = 32;
/// Default of [`Limits::max_network_lookups`]; stops a plugin from keeping threads busy with names whose servers never answer.
pub const DEFAULT_MAX_NETWORK_LOOKUPS: u32 = 4;
/// Default of [`Limits::max_network_buffered_bytes`]; stops servers from filling the host's memory with bytes that the
/// plugin does not read.
pub const DEFAULT_MAX_NETWORK_BUFFERED_BYTES: u64 = 4 * 1024 * 1024;
/// Default of [`Limits::max_network_frames_per_second`]; stops a server from keeping the host busy with frames that carry
/// nothing.
pub const DEFAULT_MAX_NETWORK_FRAMES_PER_SECOND: u32 = 10_000;
/// Default of [`Limits::max_reply_bytes`]; stops a reply that would fill the memory of the program that asked for the
/// call.
pub const DEFAULT_MAX_REPLY_BYTES: u32 = 1024 * 1024;
/// Default of [`Limits::max_log_bytes`]; stops a single call from flooding the log and the host's memory.
pub const DEFAULT_MAX_LOG_BYTES: u32 = 64 * 1024;
/// Default of [`Limits::max_log_bytes_per_minute`]; stops a plugin that prints in every call from filling the disk that the
/// host's log is kept on.
pub const DEFAULT_MAX_LOG_BYTES_PER_MINUTE: u64 = 1024 * 1024;
/// Default of [`Limits::max_queued_events`]; stops a plugin that is slower than its input from filling memory with events.
pub const DEFAULT_MAX_QUEUED_EVENTS: u32 = 1_024;
/// Default of [`Limits::max_queued_bytes`]; stops long events, such as system exclusive messages, from filling memory
/// while a plugin is busy.
pub const DEFAULT_MAX_QUEUED_BYTES: u64 = 4 * 1024 * 1024;
/// Default of [`Limits::max_module_bytes`]; stops a file that would not fit into memory, or would keep the compiler busy
/// for minutes, from being read.
pub const DEFAULT_MAX_MODULE_BYTES: u64 = 64 * 1024 * 1024;
/// Default of [`Limits::max_compile_time`]; stops a module that is made to keep a compiler busy.
pub const DEFAULT_MAX_COMPILE_TIME: Duration = Duration::from_secs(60);
/// Default of [`Limits::max_compile_bytes`]; stops a module that is made to fill a compiler's memory.
pub const DEFAULT_MAX_COMPILE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Seconds of processor time that compiling may take: the first number for a module of any size, the second for each
/// MiB of the module. They are three to six times what modules of common toolchains need, because machines differ.
/// Stops a small module from taking the time allowed for a large module.
const COMPILE_SECONDS: (u64, u64) = (3, 4);
/// Bytes of memory that compiling may take, in the form of [`COMPILE_SECONDS`].
const COMPILE_BYTES: (u64, u64) = (512 * 1024 * 1024, 32 * 1024 * 1024);

/// Default of [`Limits::wall_clock_step`]; stops a plugin from telling how long something took by the time of day.
pub const DEFAULT_WALL_CLOCK_STEP: Duration = Duration::from_millis(1);
/// Default of [`Limits::monotonic_clock_step`]; stops a plugin from telling a cache hit from a miss, or one branch of
/// somebody else's code from another, by looking at the clock before and after.
pub const DEFAULT_MONOTONIC_CLOCK_STEP: Duration = Duration::from_micros(100);

/// The limits of one plugin; the fields mean what the keys of the same names mean in the configuration of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Fuel of loading, and again of every call.
    pub max_fuel: u64,
    /// Bytes of all linear memories together.
    pub max_memory_bytes: u64,
    /// Elements of all tables together.
    pub max_table_elements: u64,
    /// Wall clock of loading, and again of every call.
    pub max_execution_time: Duration,
    /// Stack of the plugin's own code in bytes, at most [`MAX_STACK_BYTES`].
    pub max_stack_bytes: u32,
    /// Files and directories open at once.
    pub max_open_files: u32,
    /// Bytes in the plugin's data directory.
    pub max_disk_bytes: u64,
    /// Files and directories in the plugin's data directory.
    pub max_disk_files: u32,
    /// Bytes of one host call's request and of its answer.
    pub max_message_bytes: u32,
    /// Host calls in a second that ask for a capability.
    pub max_calls_per_second: u32,
    /// Bytes that cross the wire in a minute, in both directions.
    pub max_network_bytes_per_minute: u64,
    /// Connections at once.
    pub max_network_connections: u32,
    /// Look-ups of host names at once.
    pub max_network_lookups: u32,
    /// Bytes that arrived over the network and that the plugin has not read yet.
    pub max_network_buffered_bytes: u64,
    /// Frames of one type in a second.
    pub max_network_frames_per_second: u32,
    /// Bytes of the reply of one call.
    pub max_reply_bytes: u32,
    /// Bytes of log that are kept of one call.
    pub max_log_bytes: u32,
    /// Bytes of log in a minute.
    pub max_log_bytes_per_minute: u64,
    /// Events that wait for the plugin.
    pub max_queued_events: u32,
    /// Bytes that the waiting events take together.
    pub max_queued_bytes: u64,
    /// Bytes of the plugin's file.
    pub max_module_bytes: u64,
    /// Step of the wall clock that the plugin sees, and of the times of its files.
    pub wall_clock_step: Duration,
    /// Step of the monotonic clock that the plugin sees.
    pub monotonic_clock_step: Duration,
    /// Most processor time of a compilation in a worker process, in whole seconds; see [`Limits::compile_cost`].
    pub max_compile_time: Duration,
    /// Most bytes of memory of a worker process while it compiles.
    pub max_compile_bytes: u64,
    /// Whether an instance lives across calls.
    pub isolation: Isolation,
}

impl Limits {
    /// The smallest value of each limit that a configuration may name. With a smaller value, a plugin could not do what
    /// the limit is about or could not even start, and nobody would look for the cause in the limit. The smallest
    /// `max_message_bytes` leaves room for an answer beside its metadata, such as header fields. Embedders may set
    /// smaller values.
    pub const LEAST: Self = Self {
        max_fuel: 1_000,
        max_memory_bytes: 64 * 1024,
        max_table_elements: 1,
        max_execution_time: Duration::from_millis(1),
        max_stack_bytes: 16 * 1024,
        max_open_files: 1,
        max_disk_bytes: 4 * 1024,
        max_disk_files: 1,
        max_message_bytes: 16 * 1024,
        max_calls_per_second: 1,
        max_network_bytes_per_minute: 1024,
        max_network_connections: 1,
        max_network_lookups: 1,
        max_network_buffered_bytes: 1,
        max_network_frames_per_second: 1,
        max_reply_bytes: 256,
        max_log_bytes: 256,
        max_log_bytes_per_minute: 1024,
        max_queued_events: 1,
        // Holds the longest event of any input.
        max_queued_bytes: 128 * 1024,
        max_module_bytes: 64,
        wall_clock_step: Duration::from_nanos(1),
        monotonic_clock_step: Duration::from_nanos(1),
        max_compile_time: Duration::from_secs(1),
        max_compile_bytes: 32 * 1024 * 1024,
        isolation: Isolation::Persistent,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_fuel: DEFAULT_MAX_FUEL,
            max_memory_bytes: DEFAULT_MAX_MEMORY_BYTES,
            max_table_elements: DEFAULT_MAX_TABLE_ELEMENTS,
            max_execution_time: DEFAULT_MAX_EXECUTION_TIME,
            max_stack_bytes: DEFAULT_MAX_STACK_BYTES,
            max_open_files: DEFAULT_MAX_OPEN_FILES,
            max_disk_bytes: DEFAULT_MAX_DISK_BYTES,
            max_disk_files: DEFAULT_MAX_DISK_FILES,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            max_calls_per_second: DEFAULT_MAX_CALLS_PER_SECOND,
            max_network_bytes_per_minute: DEFAULT_MAX_NETWORK_BYTES_PER_MINUTE,
            max_network_connections: DEFAULT_MAX_NETWORK_CONNECTIONS,
            max_network_lookups: DEFAULT_MAX_NETWORK_LOOKUPS,
            max_network_buffered_bytes: DEFAULT_MAX_NETWORK_BUFFERED_BYTES,
            max_network_frames_per_second: DEFAULT_MAX_NETWORK_FRAMES_PER_SECOND,
            max_reply_bytes: DEFAULT_MAX_REPLY_BYTES,
            max_log_bytes: DEFAULT_MAX_LOG_BYTES,
            max_log_bytes_per_minute: DEFAULT_MAX_LOG_BYTES_PER_MINUTE,
            max_queued_events: DEFAULT_MAX_QUEUED_EVENTS,
            max_queued_bytes: DEFAULT_MAX_QUEUED_BYTES,
            max_module_bytes: DEFAULT_MAX_MODULE_BYTES,
            wall_clock_step: DEFAULT_WALL_CLOCK_STEP,
            monotonic_clock_step: DEFAULT_MONOTONIC_CLOCK_STEP,
            max_compile_time: DEFAULT_MAX_COMPILE_TIME,
            max_compile_bytes: DEFAULT_MAX_COMPILE_BYTES,
            isolation: Isolation::Persistent,
        }
    }
}

impl Limits {
    /// Bytes of a host call's request as JSON, and of its answer as JSON.
    #[must_use]
    pub const fn max_json_bytes(&self) -> usize {
        (self.max_message_bytes as usize).saturating_mul(JSON_BYTES_PER_MESSAGE_BYTE as usize)
    }

    /// Seconds of processor time and bytes of memory that compiling a module of this size may take in a worker process:
    /// a base, and an addition for each MiB begun, up to the limits.
    #[must_use]
    pub fn compile_cost(&self, module_bytes: u64) -> (u64, u64) {
        let mebibytes = module_bytes.div_ceil(1024 * 1024);
        let grown = |(base, each): (u64, u64)| mebibytes.saturating_mul(each).saturating_add(base);
        let most = self.max_compile_time.as_secs().max(1);
        (grown(COMPILE_SECONDS).min(most), grown(COMPILE_BYTES).min(self.max_compile_bytes))
    }
}

/// Whether an instance lives across calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// `init` once, `execute` many times.
    #[default]
    Persistent,
    /// Every call gets an instance of its own.
    Fresh,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn limits_survive_the_wire() {
        let limits = Limits {
            max_fuel: u64::MAX,
            max_execution_time: Duration::from_millis(1_500),
            isolation: Isolation::Fresh,
            ..Limits::default()
        };
        let wire = postcard::to_allocvec(&limits).expect("encodes");
        assert_eq!(postcard::from_bytes(&wire), Ok(limits));
    }

    #[test]
    fn a_compilation_may_take_more_for_a_larger_module_up_to_the_limits() {
        const MIB: u64 = 1024 * 1024;
        let limits = Limits::default();
        assert_eq!(limits.compile_cost(0), (3, 512 * MIB));
        assert_eq!(limits.compile_cost(1), (7, 544 * MIB));
        assert_eq!(limits.compile_cost(12 * MIB), (51, 896 * MIB));
        assert_eq!(limits.compile_cost(u64::MAX), (60, 2048 * MIB));
        let low = Limits { max_compile_time: Duration::from_millis(300), max_compile_bytes: MIB, ..limits };
        assert_eq!(low.compile_cost(12 * MIB), (1, MIB));
    }

    #[test]
    fn every_limit_has_a_key_and_a_text_of_its_own() {
        // The encoding of a variant is its number, so that counting up meets every one.
        let limits: Vec<Limit> =
            (0..u8::MAX).map_while(|number| postcard::from_bytes(&[number]).ok()).collect();
        assert_eq!((limits.first(), limits.last()), (Some(&Limit::Fuel), Some(&Limit::ModuleBytes)));
        let keys: BTreeSet<_> = limits.iter().map(|limit| limit.key()).collect();
        let texts: BTreeSet<_> = limits.iter().map(ToString::to_string).collect();
        assert_eq!((keys.len(), texts.len()), (limits.len(), limits.len()));
        let manual = include_str!("../../../docs/src/limits.md");
        for key in keys {
            assert!(manual.contains(&format!("\n| `{key}` |")), "limits.md lacks {key}");
        }
    }
}
