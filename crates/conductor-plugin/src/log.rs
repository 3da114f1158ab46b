//! Lines in the plugin's log.
//!
//! The host bounds how much it keeps of a call's log. A line that the host refuses is lost. On other targets than
//! WebAssembly, lines go to stderr.

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
    // If the log is full, there is nowhere to say so.
    drop(crate::host::exchange(conductor_abi::Op::Log, &record));
}

#[cfg(not(target_family = "wasm"))]
fn write(level: LogLevel, message: &str) {
    eprintln!("{level:?}: {message}");
}
