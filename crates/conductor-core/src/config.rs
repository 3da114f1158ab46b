//! The configuration of an embedder: trust, limits and directories.

use std::path::PathBuf;
use std::time::Duration;

use conductor_abi::Risk;
use conductor_call::{Isolation, Limits};
use conductor_signing::{RequireStatement, RuleSource, SignaturePolicy, SignerRule, VerificationPolicy};

/// The configuration of a host. Fields are public, so that a program can set only the fields it needs:
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
    /// Whether a signature must have a signed statement. Default [`RequireStatement::OnceSeen`], which needs
    /// `trust_dir` to remember statements.
    pub require_statement: RequireStatement,
    /// Which plugins need more than one trusted signer, under every policy. Default none.
    pub signer_rules: Vec<SignerRule>,
    /// The place where the two settings about signatures were set, for explanations; it affects no decision.
    pub signature_source: Option<RuleSource>,
    /// The place where `require_statement` was set, for explanations; it affects no decision.
    pub statement_source: Option<RuleSource>,
    /// Highest risk that may be granted to a plugin for which nobody vouches. Default low.
    pub unsigned_max_risk: Risk,
    /// Highest risk that may be granted to a plugin that is signed by an untrusted key. Default medium.
    pub self_signed_max_risk: Risk,
    /// Fuel of loading, and again of every call. Default [`DEFAULT_MAX_FUEL`](crate::DEFAULT_MAX_FUEL).
    pub max_fuel: u64,
    /// Bytes of all linear memories of a plugin together. Default [`DEFAULT_MAX_MEMORY_BYTES`](crate::DEFAULT_MAX_MEMORY_BYTES).
    pub max_memory_bytes: u64,
    /// Elements of all tables of a plugin together. Default [`DEFAULT_MAX_TABLE_ELEMENTS`](crate::DEFAULT_MAX_TABLE_ELEMENTS).
    pub max_table_elements: u64,
    /// Wall clock of loading, and again of every call. Default [`DEFAULT_MAX_EXECUTION_TIME`](crate::DEFAULT_MAX_EXECUTION_TIME).
    pub max_execution_time: Duration,
    /// Stack of the plugin's own code in bytes, at most [`MAX_STACK_BYTES`](crate::MAX_STACK_BYTES). Default [`DEFAULT_MAX_STACK_BYTES`](crate::DEFAULT_MAX_STACK_BYTES).
    pub max_stack_bytes: u32,
    /// Files and directories that a plugin has open at once. Default [`DEFAULT_MAX_OPEN_FILES`](crate::DEFAULT_MAX_OPEN_FILES).
    pub max_open_files: u32,
    /// Bytes that a plugin keeps in its data directory; a granted scope may say less, never more. Default
    /// [`DEFAULT_MAX_DISK_BYTES`](crate::DEFAULT_MAX_DISK_BYTES).
    pub max_disk_bytes: u64,
    /// Files and directories that a plugin keeps in its data directory; a granted scope may say less, never more. Default
    /// [`DEFAULT_MAX_DISK_FILES`](crate::DEFAULT_MAX_DISK_FILES).
    pub max_disk_files: u32,
    /// Bytes of one host call's request and of its answer. Default [`DEFAULT_MAX_MESSAGE_BYTES`](crate::DEFAULT_MAX_MESSAGE_BYTES).
    pub max_message_bytes: u32,
    /// Host calls in a second that ask for a capability. Default [`DEFAULT_MAX_CALLS_PER_SECOND`](crate::DEFAULT_MAX_CALLS_PER_SECOND).
    pub max_calls_per_second: u32,
    /// Bytes that cross the wire for a plugin in a minute, in both directions. Default
    /// [`DEFAULT_MAX_NETWORK_BYTES_PER_MINUTE`](crate::DEFAULT_MAX_NETWORK_BYTES_PER_MINUTE).
    pub max_network_bytes_per_minute: u64,
    /// Connections that a plugin has at once. Default [`DEFAULT_MAX_NETWORK_CONNECTIONS`](crate::DEFAULT_MAX_NETWORK_CONNECTIONS).
    pub max_network_connections: u32,
    /// Look-ups of host names that a plugin has under way at once. Default [`DEFAULT_MAX_NETWORK_LOOKUPS`](crate::DEFAULT_MAX_NETWORK_LOOKUPS).
    pub max_network_lookups: u32,
    /// Bytes that came over the network and wait for a plugin to read them. Default
    /// [`DEFAULT_MAX_NETWORK_BUFFERED_BYTES`](crate::DEFAULT_MAX_NETWORK_BUFFERED_BYTES).
    pub max_network_buffered_bytes: u64,
    /// Frames of one type that a plugin's servers send in a second. Default [`DEFAULT_MAX_NETWORK_FRAMES_PER_SECOND`](crate::DEFAULT_MAX_NETWORK_FRAMES_PER_SECOND).
    pub max_network_frames_per_second: u32,
    /// Bytes of the reply of one call. Default [`DEFAULT_MAX_REPLY_BYTES`](crate::DEFAULT_MAX_REPLY_BYTES).
    pub max_reply_bytes: u32,
    /// Bytes of log that one call keeps; the rest is counted and dropped. Default [`DEFAULT_MAX_LOG_BYTES`](crate::DEFAULT_MAX_LOG_BYTES).
    pub max_log_bytes: u32,
    /// Bytes that a plugin adds to the log of a program that keeps one, such as the daemon, in a minute. Default
    /// [`DEFAULT_MAX_LOG_BYTES_PER_MINUTE`](crate::DEFAULT_MAX_LOG_BYTES_PER_MINUTE).
    pub max_log_bytes_per_minute: u64,
    /// Events that wait for a plugin in a program that queues them, such as the daemon. Default
    /// [`DEFAULT_MAX_QUEUED_EVENTS`](crate::DEFAULT_MAX_QUEUED_EVENTS).
    pub max_queued_events: u32,
    /// Bytes that the waiting events take together. Default
    /// [`DEFAULT_MAX_QUEUED_BYTES`](crate::DEFAULT_MAX_QUEUED_BYTES).
    pub max_queued_bytes: u64,
    /// Bytes of a plugin's file. Default [`DEFAULT_MAX_MODULE_BYTES`](crate::DEFAULT_MAX_MODULE_BYTES).
    pub max_module_bytes: u64,
    /// Step of the wall clock that plugins see, and of the times of their files. Default [`DEFAULT_WALL_CLOCK_STEP`](crate::DEFAULT_WALL_CLOCK_STEP).
    pub wall_clock_step: Duration,
    /// Step of the monotonic clock that plugins see. Default [`DEFAULT_MONOTONIC_CLOCK_STEP`](crate::DEFAULT_MONOTONIC_CLOCK_STEP).
    pub monotonic_clock_step: Duration,
    /// Processor time that compiling the largest plugin may take in a worker process, in whole seconds; smaller ones may take
    /// less, see [`Limits::compile_cost`]. Default [`DEFAULT_MAX_COMPILE_TIME`](crate::DEFAULT_MAX_COMPILE_TIME).
    pub max_compile_time: Duration,
    /// Most bytes of memory of a worker process that compiles the largest plugin. Default
    /// [`DEFAULT_MAX_COMPILE_BYTES`](crate::DEFAULT_MAX_COMPILE_BYTES).
    pub max_compile_bytes: u64,
    /// Whether an instance lives across calls. Default [`Isolation::Persistent`].
    pub isolation: Isolation,
    /// Directory that holds `trusted_keys.toml`, `revoked_keys.toml`, `rotations.toml` and `pins.toml`. Without a
    /// directory, no key is trusted and no plugin is remembered. New facts that a load shows about a plugin (its
    /// publisher, its version, that it has a statement, a rotation of its key) are recorded in the directory.
    pub trust_dir: Option<PathBuf>,
    /// Directory that holds one data directory for each plugin; without it, Filesystem is not available.
    pub data_dir: Option<PathBuf>,
}

/// Hands the names of all limits to a macro: a configuration has each as a field of its own. Where one is missing here,
/// nothing compiles.
macro_rules! of_all_limits {
    ($macro:ident) => {
        $macro! {
            max_fuel max_memory_bytes max_table_elements max_execution_time max_stack_bytes
            max_open_files max_disk_bytes max_disk_files max_message_bytes max_calls_per_second
            max_network_bytes_per_minute max_network_connections max_network_lookups
            max_network_buffered_bytes max_network_frames_per_second max_reply_bytes max_log_bytes
            max_log_bytes_per_minute max_queued_events max_queued_bytes max_module_bytes
            wall_clock_step monotonic_clock_step max_compile_time max_compile_bytes isolation
        }
    };
}

impl Default for WasmConfig {
    fn default() -> Self {
        let limits = Limits::default();
        macro_rules! with_limits {
            ($($limit:ident)*) => {
                Self {
                    require_signature: false,
                    allow_self_signed: false,
                    require_statement: RequireStatement::default(),
                    signer_rules: Vec::new(),
                    signature_source: None,
                    statement_source: None,
                    unsigned_max_risk: Risk::Low,
                    self_signed_max_risk: Risk::Medium,
                    $($limit: limits.$limit,)*
                    trust_dir: None,
                    data_dir: None,
                }
            };
        }
        of_all_limits!(with_limits)
    }
}

impl WasmConfig {
    /// The policy that plugins must meet.
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
        macro_rules! limits {
            ($($limit:ident)*) => { Limits { $($limit: self.$limit),* } };
        }
        of_all_limits!(limits)
    }

    /// Sets the limits that a plugin gets unless its options say otherwise.
    pub const fn set_limits(&mut self, limits: Limits) {
        macro_rules! set {
            ($($limit:ident)*) => {{ $(self.$limit = limits.$limit;)* }};
        }
        of_all_limits!(set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_takes_the_limits_that_it_gives() {
        let limits = Limits { max_open_files: 1, max_queued_events: 2, ..Limits::default() };
        let mut config = WasmConfig::default();
        config.set_limits(limits);
        assert_eq!(config.limits(), limits);
    }
}
