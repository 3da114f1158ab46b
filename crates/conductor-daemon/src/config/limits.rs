//! Limits as `[wasm]` and `[plugins.NAME]` name them: by the field names of `WasmConfig`.

use std::time::Duration;

use conductor_core::{Isolation, Limits, MAX_STACK_BYTES};
use conductor_surface::config::reader::{FromToml, Located, Table};

/// The limits that a table names. Limits that it does not name keep the outer value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    /// `max_fuel`.
    pub max_fuel: Option<u64>,
    /// `max_memory_bytes`.
    pub max_memory_bytes: Option<u64>,
    /// `max_table_elements`.
    pub max_table_elements: Option<u64>,
    /// `max_execution_time`.
    pub max_execution_time: Option<Duration>,
    /// `max_stack_bytes`.
    pub max_stack_bytes: Option<u32>,
    /// `max_open_files`.
    pub max_open_files: Option<u32>,
    /// `max_disk_bytes`.
    pub max_disk_bytes: Option<u64>,
    /// `max_disk_files`.
    pub max_disk_files: Option<u32>,
    /// `max_message_bytes`.
    pub max_message_bytes: Option<u32>,
    /// `max_calls_per_second`.
    pub max_calls_per_second: Option<u32>,
    /// `max_network_bytes_per_minute`.
    pub max_network_bytes_per_minute: Option<u64>,
    /// `max_network_connections`.
    pub max_network_connections: Option<u32>,
    /// `max_network_lookups`.
    pub max_network_lookups: Option<u32>,
    /// `max_network_buffered_bytes`.
    pub max_network_buffered_bytes: Option<u64>,
    /// `max_network_frames_per_second`.
    pub max_network_frames_per_second: Option<u32>,
    /// `max_reply_bytes`.
    pub max_reply_bytes: Option<u32>,
    /// `max_log_bytes`.
    pub max_log_bytes: Option<u32>,
    /// `max_log_bytes_per_minute`.
    pub max_log_bytes_per_minute: Option<u64>,
    /// `max_queued_events`.
    pub max_queued_events: Option<u32>,
    /// `max_queued_bytes`.
    pub max_queued_bytes: Option<u64>,
    /// `max_module_bytes`.
    pub max_module_bytes: Option<u64>,
    /// `wall_clock_step`.
    pub wall_clock_step: Option<Duration>,
    /// `monotonic_clock_step`.
    pub monotonic_clock_step: Option<Duration>,
    /// `max_compile_time`.
    pub max_compile_time: Option<Duration>,
    /// `max_compile_bytes`.
    pub max_compile_bytes: Option<u64>,
    /// `isolation`.
    pub isolation: Option<Isolation>,
}

impl LimitOverrides {
    /// `outer`, with the named limits in place of its own.
    #[must_use]
    pub fn apply(&self, outer: Limits) -> Limits {
        Limits {
            max_fuel: self.max_fuel.unwrap_or(outer.max_fuel),
            max_memory_bytes: self.max_memory_bytes.unwrap_or(outer.max_memory_bytes),
            max_table_elements: self.max_table_elements.unwrap_or(outer.max_table_elements),
            max_execution_time: self.max_execution_time.unwrap_or(outer.max_execution_time),
            max_stack_bytes: self.max_stack_bytes.unwrap_or(outer.max_stack_bytes),
            max_open_files: self.max_open_files.unwrap_or(outer.max_open_files),
            max_disk_bytes: self.max_disk_bytes.unwrap_or(outer.max_disk_bytes),
            max_disk_files: self.max_disk_files.unwrap_or(outer.max_disk_files),
            max_message_bytes: self.max_message_bytes.unwrap_or(outer.max_message_bytes),
            max_calls_per_second: self.max_calls_per_second.unwrap_or(outer.max_calls_per_second),
            max_network_bytes_per_minute: self
                .max_network_bytes_per_minute
                .unwrap_or(outer.max_network_bytes_per_minute),
            max_network_connections: self.max_network_connections.unwrap_or(outer.max_network_connections),
            max_network_lookups: self.max_network_lookups.unwrap_or(outer.max_network_lookups),
            max_network_buffered_bytes: self
                .max_network_buffered_bytes
                .unwrap_or(outer.max_network_buffered_bytes),
            max_network_frames_per_second: self
                .max_network_frames_per_second
                .unwrap_or(outer.max_network_frames_per_second),
            max_reply_bytes: self.max_reply_bytes.unwrap_or(outer.max_reply_bytes),
            max_log_bytes: self.max_log_bytes.unwrap_or(outer.max_log_bytes),
            max_log_bytes_per_minute: self.max_log_bytes_per_minute.unwrap_or(outer.max_log_bytes_per_minute),
            max_queued_events: self.max_queued_events.unwrap_or(outer.max_queued_events),
            max_queued_bytes: self.max_queued_bytes.unwrap_or(outer.max_queued_bytes),
            max_module_bytes: self.max_module_bytes.unwrap_or(outer.max_module_bytes),
            wall_clock_step: self.wall_clock_step.unwrap_or(outer.wall_clock_step),
            monotonic_clock_step: self.monotonic_clock_step.unwrap_or(outer.monotonic_clock_step),
            max_compile_time: self.max_compile_time.unwrap_or(outer.max_compile_time),
            max_compile_bytes: self.max_compile_bytes.unwrap_or(outer.max_compile_bytes),
            isolation: self.isolation.unwrap_or(outer.isolation),
        }
    }
}

pub(super) fn read(table: &Table<'_, '_>) -> LimitOverrides {
    const LEAST: Limits = Limits::LEAST;
    LimitOverrides {
        max_fuel: limit(table, "max_fuel", LEAST.max_fuel).map(|limit| limit.value),
        max_memory_bytes: limit(table, "max_memory_bytes", LEAST.max_memory_bytes).map(|limit| limit.value),
        max_table_elements: limit(table, "max_table_elements", LEAST.max_table_elements)
            .map(|limit| limit.value),
        max_execution_time: limit(table, "max_execution_time", LEAST.max_execution_time)
            .map(|limit| limit.value),
        max_stack_bytes: limit(table, "max_stack_bytes", LEAST.max_stack_bytes)
            .and_then(|stack| at_most(table, stack, MAX_STACK_BYTES)),
        max_open_files: limit(table, "max_open_files", LEAST.max_open_files).map(|limit| limit.value),
        max_disk_bytes: limit(table, "max_disk_bytes", LEAST.max_disk_bytes).map(|limit| limit.value),
        max_disk_files: limit(table, "max_disk_files", LEAST.max_disk_files).map(|limit| limit.value),
        max_message_bytes: limit(table, "max_message_bytes", LEAST.max_message_bytes)
            .map(|limit| limit.value),
        max_calls_per_second: limit(table, "max_calls_per_second", LEAST.max_calls_per_second)
            .map(|limit| limit.value),
        max_network_bytes_per_minute: limit(
            table,
            "max_network_bytes_per_minute",
            LEAST.max_network_bytes_per_minute,
        )
        .map(|limit| limit.value),
        max_network_connections: limit(table, "max_network_connections", LEAST.max_network_connections)
            .map(|limit| limit.value),
        max_network_lookups: limit(table, "max_network_lookups", LEAST.max_network_lookups)
            .map(|limit| limit.value),
        max_network_buffered_bytes: limit(
            table,
            "max_network_buffered_bytes",
            LEAST.max_network_buffered_bytes,
        )
        .map(|limit| limit.value),
        max_network_frames_per_second: limit(
            table,
            "max_network_frames_per_second",
            LEAST.max_network_frames_per_second,
        )
        .map(|limit| limit.value),
        max_reply_bytes: limit(table, "max_reply_bytes", LEAST.max_reply_bytes).map(|limit| limit.value),
        max_log_bytes: limit(table, "max_log_bytes", LEAST.max_log_bytes).map(|limit| limit.value),
        max_log_bytes_per_minute: limit(table, "max_log_bytes_per_minute", LEAST.max_log_bytes_per_minute)
            .map(|limit| limit.value),
        max_queued_events: limit(table, "max_queued_events", LEAST.max_queued_events)
            .map(|limit| limit.value),
        max_queued_bytes: limit(table, "max_queued_bytes", LEAST.max_queued_bytes).map(|limit| limit.value),
        max_module_bytes: limit(table, "max_module_bytes", LEAST.max_module_bytes).map(|limit| limit.value),
        wall_clock_step: step(table, "wall_clock_step"),
        monotonic_clock_step: step(table, "monotonic_clock_step"),
        max_compile_time: limit(table, "max_compile_time", LEAST.max_compile_time).map(|limit| limit.value),
        max_compile_bytes: limit(table, "max_compile_bytes", LEAST.max_compile_bytes)
            .map(|limit| limit.value),
        isolation: isolation(table),
    }
}

/// Reads a limit. A limit of zero, or one under which no plugin could run, is taken for a mistake.
fn limit<T: FromToml + Default + PartialOrd + Shown>(
    table: &Table<'_, '_>,
    key: &'static str,
    least: T,
) -> Option<Located<T>> {
    let limit = located::<T>(table, key)?;
    if limit.value < least {
        let hint = format!("the least is {}; leave the key out for the default", least.shown());
        table.fault(&limit.place, format!("less than {}", least.shown()), Some(hint));
        return None;
    }
    Some(limit)
}

fn at_most<T: PartialOrd + Shown>(table: &Table<'_, '_>, limit: Located<T>, most: T) -> Option<T> {
    let Located { value, place } = limit;
    if value > most {
        table.fault(&place, format!("more than {}", most.shown()), None);
        return None;
    }
    Some(value)
}

/// How a limit is written in a message.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for u64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Duration {
    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

fn located<T: FromToml + Default + PartialEq>(
    table: &Table<'_, '_>,
    key: &'static str,
) -> Option<Located<T>> {
    let limit = table.get::<T>(key)?;
    if limit.value == T::default() {
        table.fault(&limit.place, "a limit of nothing", Some("leave the key out for the default".into()));
        return None;
    }
    Some(limit)
}

fn step(table: &Table<'_, '_>, key: &'static str) -> Option<Duration> {
    let step = table
        .parse(key, |step: Duration| if step.is_zero() { Err("a clock needs a step") } else { Ok(step) });
    step.map(|step| step.value)
}

fn isolation(table: &Table<'_, '_>) -> Option<Isolation> {
    let isolation = table.parse("isolation", |word: String| match word.as_str() {
        "persistent" => Ok(Isolation::Persistent),
        "fresh" => Ok(Isolation::Fresh),
        other => Err(format!("unknown isolation `{other}`; known are persistent and fresh")),
    });
    isolation.map(|isolation| isolation.value)
}
