//! Lines in the plugin's log.
//!
//! The host bounds what it keeps of a call's log; a line that it refuses is lost. Natively, lines go to stderr.

use std::fmt;

use conductor_abi::LogLevel;

/// Logs that something failed.
pub fn error(message: impl fmt::Display) {
    write(LogLevel::Error, &message.to_string());
}

/// Logs that something looks wrong.
pub fn warn(message: impl fmt::Display) {
    write(LogLevel::Warn, &message.to_string());
}

/// Logs that something happened.
pub fn info(message: impl fmt::Display) {
    write(LogLevel::Info, &message.to_string());
}

/// Logs a detail for the plugin's author.
pub fn debug(message: impl fmt::Display) {
    write(LogLevel::Debug, &message.to_string());
}

#[cfg(target_family = "wasm")]
fn write(level: LogLevel, message: &str) {
    let record = conductor_abi::LogRecord { level, message };
    // A log that is full has nowhere to say so.
    drop(crate::host::exchange(conductor_abi::Op::Log, &record));
}

#[cfg(not(target_family = "wasm"))]
fn write(level: LogLevel, message: &str) {
    eprintln!("{level:?}: {message}");
}
