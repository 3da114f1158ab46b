//! One record, and the line of JSON for it.

use std::fmt;
use std::path::Path;

use conductor_abi::Capability;
use conductor_signing::{PublicKey, RevocationKind, escape};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::RequestCode;

/// Version of the lines.
pub const RECORD_VERSION: u32 = 1;

/// Most bytes that one text takes in a line; stops a plugin from filling the log with few records. A text that is longer
/// is cut and ends with `…`.
pub const MAX_TEXT_BYTES: usize = 512;

/// Most bytes that one character can take in a line: the two escapes of a surrogate pair (RFC 8259, section 7).
const MAX_CHARACTER_BYTES: usize = 12;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub time: Timestamp,
    /// The name of the plugin that it is about.
    pub plugin: Option<String>,
    /// What.
    pub event: AuditEvent,
    /// Records of the same plugin and kind that were left out before this one, because there were too many.
    pub left_out: u64,
}

/// What happened. Texts may come from plugins: escape them wherever they are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AuditEvent {
    /// A file of the log began.
    LogBegun {
        /// The value of the line that it follows, in the file before.
        previous: String,
    },
    /// The line before was cut short, as when the machine stopped while it was written.
    LogMended {
        /// SHA-256 of what there is of it.
        torn: String,
    },
    /// The file of the log was moved or deleted while it was written; another was begun.
    LogGone {
        /// The last record that it held.
        last: u64,
    },
    /// Lines that had been written or signed for are missing at the end of the log.
    LogTruncated {
        /// The record that the log had come to.
        signed: u64,
        /// The last one that was there.
        found: u64,
    },
    /// Records could not be written, as on a full disk, and now they can be again.
    RecordsLost {
        /// How many.
        lost: u64,
        /// The time of the first of them.
        since: String,
    },
    /// A host began.
    HostStarted {
        /// Its process identifier.
        pid: u32,
        /// Its version.
        host_version: &'static str,
        /// Names of the walls that it puts around plugins.
        walls: &'static [&'static str],
    },
    /// A host ended.
    HostStopped {
        /// Its process identifier.
        pid: u32,
    },
    /// A plugin was loaded.
    PluginLoaded {
        /// Its version, if it says one.
        plugin_version: Option<AuditText>,
        /// SHA-256 of its file.
        digest: String,
        /// How far it is vouched for: `unsigned`, `self-signed` or `trusted`.
        trust: &'static str,
        /// The key that signed it.
        key: Option<String>,
        /// Whether it was accepted by an explicit decision for this one load.
        unsigned_accepted: bool,
        /// What was decided about each capability, in words.
        capabilities: Vec<AuditText>,
        /// Names of the walls around it.
        walls: &'static [&'static str],
    },
    /// A plugin was refused.
    PluginRefused {
        /// Its file.
        file: AuditText,
        /// Why.
        cause: AuditText,
    },
    /// A plugin is about to do something of high risk that a capability permits. What became of it is recorded afterwards.
    CapabilityBegun {
        /// The capability.
        capability: Capability,
        /// The operation.
        operation: &'static str,
        /// What was asked for.
        request: AuditText,
        /// The code of all that was asked for.
        request_hmac: RequestCode,
    },
    /// A plugin did something that a capability permits.
    CapabilityUsed {
        /// The capability.
        capability: Capability,
        /// The operation.
        operation: &'static str,
        /// What was asked for.
        request: AuditText,
        /// The code of all that was asked for.
        request_hmac: RequestCode,
        /// Bytes of the answer.
        bytes: u64,
    },
    /// A plugin did in the same call what is recorded of it already.
    CapabilityUsedAgain {
        /// The capability.
        capability: Capability,
        /// The operation.
        operation: &'static str,
        /// What was asked for each time.
        request: AuditText,
        /// The code of all that was asked for each time.
        request_hmac: RequestCode,
        /// How many times after the first.
        times: u64,
        /// Bytes of these answers together.
        bytes: u64,
    },
    /// A plugin asked for something that it may not do.
    CapabilityDenied {
        /// The capability.
        capability: Capability,
        /// The operation.
        operation: &'static str,
        /// What was asked for; empty if the plugin lacks the capability, so that nobody looked.
        request: AuditText,
        /// The code of all that was asked for.
        request_hmac: RequestCode,
        /// Why not.
        reason: AuditText,
    },
    /// A plugin asked for something that it may do, and that did not work.
    CapabilityFailed {
        /// The capability.
        capability: Capability,
        /// The operation.
        operation: &'static str,
        /// What was asked for.
        request: AuditText,
        /// The code of all that was asked for.
        request_hmac: RequestCode,
        /// Why not.
        reason: AuditText,
    },
    /// A call was ended, by a limit, a trap, a broken rule or the death of the worker.
    CallEnded {
        /// The word of the outcome.
        outcome: &'static str,
        /// The limit that ended it, if one did.
        limit: Option<&'static str>,
        /// The outcome in words.
        error: AuditText,
    },
    /// A plugin failed too often and is called no more.
    PluginQuarantined {
        /// Failures in a row.
        failures: u32,
        /// How the last of them ended, in words.
        last: AuditText,
    },
    /// The permission under which a plugin ran was withdrawn: a revocation, or trust that ended.
    PluginWithdrawn {
        /// Why.
        cause: AuditText,
    },
    /// The user entered a secret for the plugin, or confirmed further hosts for one.
    SecretEntered {
        /// The secret's name.
        secret: AuditText,
        /// Hosts that it may go to.
        hosts: AuditText,
    },
    /// The user took a secret away from the plugin.
    SecretRemoved {
        /// The secret's name.
        secret: AuditText,
    },
    /// The user granted a capability.
    CapabilityGranted {
        /// The capability.
        capability: Capability,
        /// What of it.
        scopes: AuditText,
        /// How long, in words.
        lasts: AuditText,
    },
    /// A grant means less than when it was made, and was written down as what it means now.
    GrantNarrowed {
        /// The capability.
        capability: Capability,
        /// What was granted, as it was written.
        scopes: AuditText,
    },
    /// The user took a capability away, or denied it before it was granted.
    CapabilityRevoked {
        /// The capability.
        capability: Capability,
    },
    /// The user began to trust a key, in the Plugin Manager.
    KeyTrusted {
        /// The key.
        key: String,
        /// What the user calls it.
        name: AuditText,
    },
    /// The user revoked a key, in the Plugin Manager.
    KeyRevoked {
        /// The key.
        key: String,
        /// `compromised` or `superseded`.
        kind: &'static str,
        /// Why.
        reason: AuditText,
    },
    /// The host was asked for a decision of the user's; what came of it is told by the records that follow.
    DecisionAsked {
        /// The request.
        decision: &'static str,
        /// The plugin or key that it is about, as it was named.
        about: AuditText,
        /// `process`, or `plugin-manager` for a session there.
        asker: &'static str,
        /// The process that asked, if it can be seen.
        pid: Option<u32>,
        /// The file of its program, if it can be read.
        program: Option<AuditText>,
    },
    /// A user's name for a plugin was bound to another plugin than before.
    AliasBound {
        /// The name.
        alias: String,
        /// The plugin that it was bound to until then.
        before: AuditText,
        /// The plugin that it is bound to.
        after: AuditText,
    },
    /// A plugin that rested, was quarantined or had lost its permission was started again.
    PluginResumed,
    /// A plugin ended, and so many of its records had been left out since the last one.
    RecordsLeftOut,
}

/// A text in a record, at most [`MAX_TEXT_BYTES`] as it is written there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditText(String);

impl AuditText {
    /// Takes the beginning of what `text` shows.
    #[must_use]
    pub fn of(text: &dyn fmt::Display) -> Self {
        let mut bounded = Bounded { text: String::new(), room: MAX_TEXT_BYTES - MAX_CHARACTER_BYTES };
        // It fails only to end what is shown, once there is no more room.
        let _ = fmt::write(&mut bounded, format_args!("{text}"));
        Self(bounded.text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for AuditText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Takes text until there is no more room.
struct Bounded {
    text: String,
    room: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for character in more.chars() {
            let plain =
                (character.is_ascii_graphic() || character == ' ') && !matches!(character, '"' | '\\');
            let bytes = if plain { 1 } else { MAX_CHARACTER_BYTES };
            let Some(room) = self.room.checked_sub(bytes) else {
                self.text.push('…');
                self.room = 0;
                return Err(fmt::Error);
            };
            self.room = room;
            self.text.push(character);
        }
        Ok(())
    }
}

impl AuditRecord {
    /// Something that happens now.
    #[must_use]
    pub fn now(plugin: Option<&str>, event: AuditEvent) -> Self {
        Self { time: Timestamp::now(), plugin: plugin.map(str::to_owned), event, left_out: 0 }
    }

    /// The user began to trust a key.
    #[must_use]
    pub fn key_trusted(key: &PublicKey, name: &str) -> Self {
        Self::now(None, AuditEvent::KeyTrusted { key: key.to_string(), name: AuditText::of(&name) })
    }

    /// The user revoked a key.
    #[must_use]
    pub fn key_revoked(key: &PublicKey, kind: RevocationKind, reason: &str) -> Self {
        let (key, kind, reason) = (key.to_string(), kind.name(), AuditText::of(&reason));
        Self::now(None, AuditEvent::KeyRevoked { key, kind, reason })
    }

    /// The host was asked for a decision.
    #[must_use]
    pub fn decision_asked(
        decision: &'static str,
        about: &str,
        asker: &'static str,
        pid: Option<u32>,
        program: Option<&Path>,
    ) -> Self {
        let (about, program) =
            (AuditText::of(&about), program.map(|program| AuditText::of(&program.display())));
        Self::now(None, AuditEvent::DecisionAsked { decision, about, asker, pid, program })
    }

    /// The line of JSON for it, with its end. No character in it can drive a terminal or reorder what is around it.
    #[must_use]
    pub fn to_line(&self) -> String {
        #[derive(Serialize)]
        struct Line<'r> {
            version: u32,
            time: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            plugin: Option<&'r str>,
            #[serde(flatten)]
            event: &'r AuditEvent,
            #[serde(skip_serializing_if = "is_zero")]
            left_out: u64,
        }
        let Self { time, plugin, event, left_out } = self;
        let time = format!("{time:.6}");
        let line =
            Line { version: RECORD_VERSION, time, plugin: plugin.as_deref(), event, left_out: *left_out };
        // Nothing in a record has a form that JSON lacks.
        let json = serde_json::to_string(&line).unwrap_or_default();
        escape::json(&json) + "\n"
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::AuditKey;

    fn denied(request: &str) -> AuditRecord {
        let event = AuditEvent::CapabilityDenied {
            capability: Capability::Network,
            operation: "http-request",
            request: AuditText::of(&request),
            request_hmac: AuditKey::from_bytes([0; 32]).code("http-request", request.as_bytes()),
            reason: AuditText::of(&"no"),
        };
        AuditRecord { time: Timestamp::UNIX_EPOCH, ..AuditRecord::now(Some("web"), event) }
    }

    #[test]
    fn a_record_is_one_line_of_json() {
        let record = AuditRecord { left_out: 3, ..denied("GET https://example.org/") };
        let code =
            AuditKey::from_bytes([0; 32]).code("http-request", b"GET https://example.org/").to_string();
        assert_eq!(
            record.to_line().replace(&code, "HMAC"),
            "{\"version\":1,\"time\":\"1970-01-01T00:00:00.000000Z\",\"plugin\":\"web\",\
             \"event\":\"capability-denied\",\"capability\":\"Network\",\"operation\":\"http-request\",\
             \"request\":\"GET https://example.org/\",\"request_hmac\":\"HMAC\",\"reason\":\"no\",\"left_out\":3}\n"
        );
        let resumed =
            AuditRecord { time: Timestamp::UNIX_EPOCH, ..AuditRecord::now(None, AuditEvent::PluginResumed) };
        assert_eq!(
            resumed.to_line(),
            "{\"version\":1,\"time\":\"1970-01-01T00:00:00.000000Z\",\"event\":\"plugin-resumed\"}\n"
        );
    }

    #[test]
    fn nothing_in_it_drives_a_terminal_or_forges_a_line() {
        let text = "a\n{\"version\":1}\u{1b}[2J\u{202e}\u{9b}\u{7f}\u{e0041}\"\\";
        let line = denied(text).to_line();
        assert!(line.trim_end().chars().all(|c| c.is_ascii_graphic() || c == ' '), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read["request"], text);
    }

    #[test]
    fn texts_are_bounded_as_they_are_written() {
        for character in ['x', '"', '\n', 'é', '東', '\u{e0041}', '\u{1b}'] {
            let text = AuditText::of(&character.to_string().repeat(10_000));
            assert!(text.as_str().ends_with('…'));
            let written = denied(&character.to_string().repeat(10_000)).to_line().len();
            let without = denied("").to_line().len();
            assert!(written - without <= MAX_TEXT_BYTES, "{character:?}: {}", written - without);
        }
        let fits = "x".repeat(MAX_TEXT_BYTES - MAX_CHARACTER_BYTES);
        assert_eq!(AuditText::of(&fits).as_str(), fits);
    }
}
