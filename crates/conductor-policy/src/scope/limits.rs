//! How long a scope may be, and what is in it.

/// Longest scope in bytes, as in the manifest; a scope is read by a person before it is granted.
pub const MAX_SCOPE_BYTES: usize = 1024;

/// Most values of one key; keeps the check of every operation short and the question to the user readable.
pub const MAX_VALUES: usize = 64;

/// Longest value in bytes: a DNS name has at most 253 (RFC 1035, section 3.1).
pub const MAX_VALUE_BYTES: usize = 255;
