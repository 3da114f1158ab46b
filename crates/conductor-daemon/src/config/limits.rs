//! Limits as `[wasm]` and `[plugins.NAME]` name them: by the field names of `WasmConfig`.

use std::fmt::Display;
use std::time::Duration;

use conductor_core::{Isolation, Limits, MAX_STACK_BYTES};

use super::reader::{FromToml, Located, Table};

/// The limits that a table names; the others keep their outer value.
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
    /// `max_reply_bytes`.
    pub max_reply_bytes: Option<u32>,
    /// `max_log_bytes`.
    pub max_log_bytes: Option<u32>,
    /// `max_log_bytes_per_minute`.
    pub max_log_bytes_per_minute: Option<u64>,
    /// `max_queued_events`.
    pub max_queued_events: Option<u32>,
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
    /// `outer` with the limits that are named here.
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
            max_reply_bytes: self.max_reply_bytes.unwrap_or(outer.max_reply_bytes),
            max_log_bytes: self.max_log_bytes.unwrap_or(outer.max_log_bytes),
            max_log_bytes_per_minute: self.max_log_bytes_per_minute.unwrap_or(outer.max_log_bytes_per_minute),
            max_queued_events: self.max_queued_events.unwrap_or(outer.max_queued_events),
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
    LimitOverrides {
        max_fuel: positive(table, "max_fuel"),
        max_memory_bytes: positive(table, "max_memory_bytes"),
        max_table_elements: positive(table, "max_table_elements"),
        max_execution_time: positive(table, "max_execution_time"),
        max_stack_bytes: positive_up_to(table, "max_stack_bytes", MAX_STACK_BYTES),
        max_open_files: positive(table, "max_open_files"),
        max_disk_bytes: positive(table, "max_disk_bytes"),
        max_disk_files: positive(table, "max_disk_files"),
        max_message_bytes: positive(table, "max_message_bytes"),
        max_calls_per_second: positive(table, "max_calls_per_second"),
        max_network_bytes_per_minute: positive(table, "max_network_bytes_per_minute"),
        max_reply_bytes: positive(table, "max_reply_bytes"),
        max_log_bytes: positive(table, "max_log_bytes"),
        max_log_bytes_per_minute: positive(table, "max_log_bytes_per_minute"),
        max_queued_events: positive(table, "max_queued_events"),
        max_module_bytes: positive(table, "max_module_bytes"),
        wall_clock_step: step(table, "wall_clock_step"),
        monotonic_clock_step: step(table, "monotonic_clock_step"),
        max_compile_time: positive(table, "max_compile_time"),
        max_compile_bytes: positive(table, "max_compile_bytes"),
        isolation: isolation(table),
    }
}

/// A limit of nothing stops every call, so it is taken for a mistake.
pub(super) fn positive<T: FromToml + Default + PartialEq>(
    table: &Table<'_, '_>,
    key: &'static str,
) -> Option<T> {
    located(table, key).map(|limit| limit.value)
}

/// Like [`positive`], and at most `most`.
fn positive_up_to<T: FromToml + Default + PartialOrd + Display>(
    table: &Table<'_, '_>,
    key: &'static str,
    most: T,
) -> Option<T> {
    let Located { value, place } = located::<T>(table, key)?;
    if value > most {
        table.fault(&place, format!("more than {most}"), None);
        return None;
    }
    Some(value)
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
