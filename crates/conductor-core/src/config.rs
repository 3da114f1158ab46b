//! What an embedder configures: trust, limits and places.

use std::path::PathBuf;
use std::time::Duration;

use conductor_abi::Risk;
use conductor_signing::{RequireStatement, RuleSource, SignaturePolicy, SignerRule, VerificationPolicy};
use serde::{Deserialize, Serialize};

/// Default of [`Limits::max_fuel`], about 100 ms of computing; stops a loop or a sleep without end.
pub const DEFAULT_MAX_FUEL: u64 = 100_000_000;
/// Default of [`Limits::max_execution_time`]; stops a call that waits for something slow from holding up those behind it.
pub const DEFAULT_MAX_EXECUTION_TIME: Duration = Duration::from_secs(5);
/// Default of [`Limits::max_memory_bytes`]; stops a plugin from using up the machine's memory.
pub const DEFAULT_MAX_MEMORY_BYTES: u64 = 128 * 1024 * 1024;
/// Default of [`Limits::max_table_elements`]; stops a plugin from using up memory by way of tables, which are not part of
/// its linear memory.
pub const DEFAULT_MAX_TABLE_ELEMENTS: u64 = 10_000;
/// Default of [`Limits::max_stack_bytes`]; stops a recursion without end before the host's own stack is used up.
pub const DEFAULT_MAX_STACK_BYTES: u32 = 512 * 1024;
/// Most that [`Limits::max_stack_bytes`] may be: the plugin's stack is part of the calling thread's, which has
/// 2 MiB by Rust's default, and the host's own functions need the rest.
pub const MAX_STACK_BYTES: u32 = 1024 * 1024;
/// Default of [`Limits::max_open_files`]; stops a plugin from using up the process's file descriptors.
pub const DEFAULT_MAX_OPEN_FILES: u32 = 64;
/// Default of [`Limits::max_disk_bytes`]; stops a plugin from filling the disk.
pub const DEFAULT_MAX_DISK_BYTES: u64 = 256 * 1024 * 1024;
/// Default of [`Limits::max_disk_files`]; stops a plugin from using up the file system's inodes.
pub const DEFAULT_MAX_DISK_FILES: u32 = 10_000;
/// Default of [`Limits::max_message_bytes`]; stops a plugin, or a server that it talks to, from making the host hold more
/// than that for it.
pub const DEFAULT_MAX_MESSAGE_BYTES: u32 = 1024 * 1024;
/// Default of [`Limits::max_calls_per_second`]; stops a plugin from keeping the host busy with calls that cost it little.
pub const DEFAULT_MAX_CALLS_PER_SECOND: u32 = 10_000;
/// Default of [`Limits::max_network_bytes_per_minute`]; stops a plugin from using up what the user's line carries.
pub const DEFAULT_MAX_NETWORK_BYTES_PER_MINUTE: u64 = 256 * 1024 * 1024;
/// Default of [`Limits::max_network_connections`]; stops a plugin from using up the process's descriptors with connections to
/// many hosts. It is two for each thing that a plugin may keep open.
pub const DEFAULT_MAX_NETWORK_CONNECTIONS: u32 = 32;
/// Default of [`Limits::max_network_lookups`]; stops a plugin from keeping threads busy with names whose servers never answer.
pub const DEFAULT_MAX_NETWORK_LOOKUPS: u32 = 4;
/// Default of [`Limits::max_network_buffered_bytes`]; stops servers from filling the host's memory with what a plugin does not
/// read.
pub const DEFAULT_MAX_NETWORK_BUFFERED_BYTES: u64 = 4 * 1024 * 1024;
/// Default of [`Limits::max_network_frames_per_second`]; stops a server from keeping the host busy with frames that carry
/// nothing.
pub const DEFAULT_MAX_NETWORK_FRAMES_PER_SECOND: u32 = 10_000;
/// Default of [`Limits::max_reply_bytes`]; stops a reply that whoever asked would have to hold.
pub const DEFAULT_MAX_REPLY_BYTES: u32 = 1024 * 1024;
/// Default of [`Limits::max_log_bytes`]; stops a single call from flooding the log and the host's memory.
pub const DEFAULT_MAX_LOG_BYTES: u32 = 64 * 1024;
/// Default of [`Limits::max_log_bytes_per_minute`]; stops a plugin that prints in every call from filling the disk that the
/// host's log is kept on.
pub const DEFAULT_MAX_LOG_BYTES_PER_MINUTE: u64 = 1024 * 1024;
/// Default of [`Limits::max_queued_events`]; stops a plugin that is slower than its input from filling memory with events.
pub const DEFAULT_MAX_QUEUED_EVENTS: u32 = 1_024;
/// Default of [`Limits::max_queued_bytes`]; stops events that are long each, such as system exclusive messages, from filling
/// memory while a plugin is busy.
pub const DEFAULT_MAX_QUEUED_BYTES: u64 = 4 * 1024 * 1024;
/// Default of [`Limits::max_module_bytes`]; stops a file that would not fit into memory, or would keep the compiler busy
/// for minutes, from being read.
pub const DEFAULT_MAX_MODULE_BYTES: u64 = 64 * 1024 * 1024;
/// Default of [`Limits::max_compile_time`]; stops a module that is made to keep a compiler busy.
pub const DEFAULT_MAX_COMPILE_TIME: Duration = Duration::from_secs(60);
/// Default of [`Limits::max_compile_bytes`]; stops a module that is made to fill a compiler's memory.
pub const DEFAULT_MAX_COMPILE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Seconds of processor time that compiling may take whatever the size of the module, and for each MiB of it: about three
/// times what it takes for modules of toolchains. Stops a small module from taking what a large one may.
const COMPILE_SECONDS: (u64, u64) = (3, 2);
/// The same for bytes of memory.
const COMPILE_BYTES: (u64, u64) = (512 * 1024 * 1024, 32 * 1024 * 1024);

/// Default of [`Limits::wall_clock_step`]; stops a plugin from telling how long something took by the time of day.
pub const DEFAULT_WALL_CLOCK_STEP: Duration = Duration::from_millis(1);
/// Default of [`Limits::monotonic_clock_step`]; stops a plugin from telling a cache hit from a miss, or one branch of
/// somebody else's code from another, by looking at the clock before and after.
pub const DEFAULT_MONOTONIC_CLOCK_STEP: Duration = Duration::from_micros(100);

/// What a host is configured with. Fields are public so that a program sets just those it cares about:
///
/// ```
/// let mut config = conductor_core::WasmConfig::default();
/// config.require_signature = true;
/// config.max_fuel = 200_000_000;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct WasmConfig {
    /// Refuse plugins without a valid signature. Default `false`: development.
    pub require_signature: bool,
    /// Where a signature is required, accept any valid one instead of trusted keys only. Default `false`.
    pub allow_self_signed: bool,
    /// Whether a signature must carry a signed statement. Default [`RequireStatement::OnceSeen`], which needs
    /// `trust_dir` to remember what was seen.
    pub require_statement: RequireStatement,
    /// Which plugins need more than one trusted signer, under every policy. Default none.
    pub signer_rules: Vec<SignerRule>,
    /// Where the two settings about signatures were set, for whoever asks why; enters into no decision.
    pub signature_source: Option<RuleSource>,
    /// Where `require_statement` was set, for whoever asks why; enters into no decision.
    pub statement_source: Option<RuleSource>,
    /// Highest risk that may be granted to a plugin that nobody vouched for. Default low.
    pub unsigned_max_risk: Risk,
    /// Highest risk that may be granted to a plugin that is signed by an untrusted key. Default medium.
    pub self_signed_max_risk: Risk,
    /// Fuel of loading, and again of every call. Default [`DEFAULT_MAX_FUEL`].
    pub max_fuel: u64,
    /// Bytes of all linear memories of a plugin together. Default [`DEFAULT_MAX_MEMORY_BYTES`].
    pub max_memory_bytes: u64,
    /// Elements of all tables of a plugin together. Default [`DEFAULT_MAX_TABLE_ELEMENTS`].
    pub max_table_elements: u64,
    /// Wall clock of loading, and again of every call. Default [`DEFAULT_MAX_EXECUTION_TIME`].
    pub max_execution_time: Duration,
    /// Stack of the plugin's own code in bytes, at most [`MAX_STACK_BYTES`]. Default [`DEFAULT_MAX_STACK_BYTES`].
    pub max_stack_bytes: u32,
    /// Files and directories that a plugin has open at once. Default [`DEFAULT_MAX_OPEN_FILES`].
    pub max_open_files: u32,
    /// Bytes that a plugin keeps in its data directory; a granted scope may say less, never more. Default
    /// [`DEFAULT_MAX_DISK_BYTES`].
    pub max_disk_bytes: u64,
    /// Files and directories that a plugin keeps in its data directory; a granted scope may say less, never more. Default
    /// [`DEFAULT_MAX_DISK_FILES`].
    pub max_disk_files: u32,
    /// Bytes of one host call's request and of its answer. Default [`DEFAULT_MAX_MESSAGE_BYTES`].
    pub max_message_bytes: u32,
    /// Host calls in a second that ask for a capability. Default [`DEFAULT_MAX_CALLS_PER_SECOND`].
    pub max_calls_per_second: u32,
    /// Bytes that cross the wire for a plugin in a minute, in both directions. Default
    /// [`DEFAULT_MAX_NETWORK_BYTES_PER_MINUTE`].
    pub max_network_bytes_per_minute: u64,
    /// Connections that a plugin has at once. Default [`DEFAULT_MAX_NETWORK_CONNECTIONS`].
    pub max_network_connections: u32,
    /// Look-ups of host names that a plugin has under way at once. Default [`DEFAULT_MAX_NETWORK_LOOKUPS`].
    pub max_network_lookups: u32,
    /// Bytes that came over the network and wait for a plugin to read them. Default
    /// [`DEFAULT_MAX_NETWORK_BUFFERED_BYTES`].
    pub max_network_buffered_bytes: u64,
    /// Frames of one type that a plugin's servers send in a second. Default [`DEFAULT_MAX_NETWORK_FRAMES_PER_SECOND`].
    pub max_network_frames_per_second: u32,
    /// Bytes of the reply of one call. Default [`DEFAULT_MAX_REPLY_BYTES`].
    pub max_reply_bytes: u32,
    /// Bytes of log that one call keeps; the rest is counted and dropped. Default [`DEFAULT_MAX_LOG_BYTES`].
    pub max_log_bytes: u32,
    /// Bytes that a plugin adds to the log of a program that keeps one, such as the daemon, in a minute. Default
    /// [`DEFAULT_MAX_LOG_BYTES_PER_MINUTE`].
    pub max_log_bytes_per_minute: u64,
    /// Events that wait for a plugin in a program that queues them, such as the daemon. Default
    /// [`DEFAULT_MAX_QUEUED_EVENTS`].
    pub max_queued_events: u32,
    /// Bytes that these events take together. Default [`DEFAULT_MAX_QUEUED_BYTES`].
    pub max_queued_bytes: u64,
    /// Bytes of a plugin's file. Default [`DEFAULT_MAX_MODULE_BYTES`].
    pub max_module_bytes: u64,
    /// Step of the wall clock that plugins see, and of the times of their files. Default [`DEFAULT_WALL_CLOCK_STEP`].
    pub wall_clock_step: Duration,
    /// Step of the monotonic clock that plugins see. Default [`DEFAULT_MONOTONIC_CLOCK_STEP`].
    pub monotonic_clock_step: Duration,
    /// Processor time that compiling the largest plugin may take in a worker process, in whole seconds; smaller ones may take
    /// less, see [`Limits::compile_cost`]. Default [`DEFAULT_MAX_COMPILE_TIME`].
    pub max_compile_time: Duration,
    /// The same for bytes of memory. Default [`DEFAULT_MAX_COMPILE_BYTES`].
    pub max_compile_bytes: u64,
    /// Whether an instance lives across calls. Default [`Isolation::Persistent`].
    pub isolation: Isolation,
    /// Directory that holds `trusted_keys.toml`, `revoked_keys.toml`, `rotations.toml` and `pins.toml`; without one no key
    /// is trusted and no plugin remembered. What a load is the first to show of a plugin (its publisher, its version, that
    /// it has a statement, a rotation of its key) is recorded there.
    pub trust_dir: Option<PathBuf>,
    /// Directory that holds one data directory per plugin; without one Filesystem is not available.
    pub data_dir: Option<PathBuf>,
}

impl Default for WasmConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            require_signature: false,
            allow_self_signed: false,
            require_statement: RequireStatement::default(),
            signer_rules: Vec::new(),
            signature_source: None,
            statement_source: None,
            unsigned_max_risk: Risk::Low,
            self_signed_max_risk: Risk::Medium,
            max_fuel: limits.max_fuel,
            max_memory_bytes: limits.max_memory_bytes,
            max_table_elements: limits.max_table_elements,
            max_execution_time: limits.max_execution_time,
            max_stack_bytes: limits.max_stack_bytes,
            max_open_files: limits.max_open_files,
            max_disk_bytes: limits.max_disk_bytes,
            max_disk_files: limits.max_disk_files,
            max_message_bytes: limits.max_message_bytes,
            max_calls_per_second: limits.max_calls_per_second,
            max_network_bytes_per_minute: limits.max_network_bytes_per_minute,
            max_network_connections: limits.max_network_connections,
            max_network_lookups: limits.max_network_lookups,
            max_network_buffered_bytes: limits.max_network_buffered_bytes,
            max_network_frames_per_second: limits.max_network_frames_per_second,
            max_reply_bytes: limits.max_reply_bytes,
            max_log_bytes: limits.max_log_bytes,
            max_log_bytes_per_minute: limits.max_log_bytes_per_minute,
            max_queued_events: limits.max_queued_events,
            max_queued_bytes: limits.max_queued_bytes,
            max_module_bytes: limits.max_module_bytes,
            wall_clock_step: limits.wall_clock_step,
            monotonic_clock_step: limits.monotonic_clock_step,
            max_compile_time: limits.max_compile_time,
            max_compile_bytes: limits.max_compile_bytes,
            isolation: limits.isolation,
            trust_dir: None,
            data_dir: None,
        }
    }
}

impl WasmConfig {
    /// What is demanded of a plugin's signature.
    #[must_use]
    pub fn verification_policy(&self) -> VerificationPolicy {
        VerificationPolicy {
            signature: SignaturePolicy::from_flags(self.require_signature, self.allow_self_signed),
            statement: self.require_statement,
            rules: self.signer_rules.clone(),
            signature_source: self.signature_source.clone(),
            statement_source: self.statement_source.clone(),
        }
    }

    /// The limits that a plugin gets unless its options say otherwise.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        Limits {
            max_fuel: self.max_fuel,
            max_memory_bytes: self.max_memory_bytes,
            max_table_elements: self.max_table_elements,
            max_execution_time: self.max_execution_time,
            max_stack_bytes: self.max_stack_bytes,
            max_open_files: self.max_open_files,
            max_disk_bytes: self.max_disk_bytes,
            max_disk_files: self.max_disk_files,
            max_message_bytes: self.max_message_bytes,
            max_calls_per_second: self.max_calls_per_second,
            max_network_bytes_per_minute: self.max_network_bytes_per_minute,
            max_network_connections: self.max_network_connections,
            max_network_lookups: self.max_network_lookups,
            max_network_buffered_bytes: self.max_network_buffered_bytes,
            max_network_frames_per_second: self.max_network_frames_per_second,
            max_reply_bytes: self.max_reply_bytes,
            max_log_bytes: self.max_log_bytes,
            max_log_bytes_per_minute: self.max_log_bytes_per_minute,
            max_queued_events: self.max_queued_events,
            max_queued_bytes: self.max_queued_bytes,
            max_module_bytes: self.max_module_bytes,
            wall_clock_step: self.wall_clock_step,
            monotonic_clock_step: self.monotonic_clock_step,
            max_compile_time: self.max_compile_time,
            max_compile_bytes: self.max_compile_bytes,
            isolation: self.isolation,
        }
    }

    /// Sets the limits that a plugin gets unless its options say otherwise.
    pub const fn set_limits(&mut self, limits: Limits) {
        // Taken apart, so that a limit that is added and not set here does not compile.
        let Limits {
            max_fuel,
            max_memory_bytes,
            max_table_elements,
            max_execution_time,
            max_stack_bytes,
            max_open_files,
            max_disk_bytes,
            max_disk_files,
            max_message_bytes,
            max_calls_per_second,
            max_network_bytes_per_minute,
            max_network_connections,
            max_network_lookups,
            max_network_buffered_bytes,
            max_network_frames_per_second,
            max_reply_bytes,
            max_log_bytes,
            max_log_bytes_per_minute,
            max_queued_events,
            max_queued_bytes,
            max_module_bytes,
            max_compile_time,
            max_compile_bytes,
            wall_clock_step,
            monotonic_clock_step,
            isolation,
        } = limits;
        self.max_fuel = max_fuel;
        self.max_memory_bytes = max_memory_bytes;
        self.max_table_elements = max_table_elements;
        self.max_execution_time = max_execution_time;
        self.max_stack_bytes = max_stack_bytes;
        self.max_open_files = max_open_files;
        self.max_disk_bytes = max_disk_bytes;
        self.max_disk_files = max_disk_files;
        self.max_message_bytes = max_message_bytes;
        self.max_calls_per_second = max_calls_per_second;
        self.max_network_bytes_per_minute = max_network_bytes_per_minute;
        self.max_network_connections = max_network_connections;
        self.max_network_lookups = max_network_lookups;
        self.max_network_buffered_bytes = max_network_buffered_bytes;
        self.max_network_frames_per_second = max_network_frames_per_second;
        self.max_reply_bytes = max_reply_bytes;
        self.max_log_bytes = max_log_bytes;
        self.max_log_bytes_per_minute = max_log_bytes_per_minute;
        self.max_queued_events = max_queued_events;
        self.max_queued_bytes = max_queued_bytes;
        self.max_module_bytes = max_module_bytes;
        self.max_compile_time = max_compile_time;
        self.max_compile_bytes = max_compile_bytes;
        self.wall_clock_step = wall_clock_step;
        self.monotonic_clock_step = monotonic_clock_step;
        self.isolation = isolation;
    }
}

/// The limits of one plugin; the fields mean what they mean in [`WasmConfig`].
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
    /// Bytes that came over the network and were not read yet.
    pub max_network_buffered_bytes: u64,
    /// Frames of one type in a second.
    pub max_network_frames_per_second: u32,
    /// Bytes of the reply of one call.
    pub max_reply_bytes: u32,
    /// Bytes of log that one call keeps.
    pub max_log_bytes: u32,
    /// Bytes of log in a minute.
    pub max_log_bytes_per_minute: u64,
    /// Events that wait for the plugin.
    pub max_queued_events: u32,
    /// Bytes that these events take together.
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
    /// The least of each limit that a configuration may name. With less, no plugin could do what the limit is about, or even
    /// be started, and nobody would look for the cause there; that of `max_message_bytes` leaves room for an answer beside
    /// what it says about itself. Embedders may set less, and then their plugins have that.
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
        // Room for the longest event of any input.
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
    /// Seconds of processor time and bytes of memory that compiling a module of so many bytes may take in a worker process: a
    /// base, and more for each MiB begun, up to what these limits say.
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
        assert_eq!(limits.compile_cost(1), (5, 544 * MIB));
        assert_eq!(limits.compile_cost(12 * MIB), (27, 896 * MIB));
        assert_eq!(limits.compile_cost(u64::MAX), (60, 2048 * MIB));
        let low = Limits { max_compile_time: Duration::from_millis(300), max_compile_bytes: MIB, ..limits };
        assert_eq!(low.compile_cost(12 * MIB), (1, MIB));
    }

    #[test]
    fn a_configuration_takes_the_limits_that_it_gives() {
        let limits = Limits { max_open_files: 1, max_queued_events: 2, ..Limits::default() };
        let mut config = WasmConfig::default();
        config.set_limits(limits);
        assert_eq!(config.limits(), limits);
    }
}
