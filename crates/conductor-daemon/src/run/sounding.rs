//! What sounds at the MIDI outputs, kept for the case that this process is killed.

use std::path::Path;
use std::sync::Arc;

use conductor_core::sounding::{Record, RecordError};
use conductor_core::{MidiOutputs, Sounding};
use conductor_signing::atomic_file;
use conductor_signing::escape::terminal;

/// What sounds at `midi`, kept at `path`. If nothing can be kept there, what sounds when the daemon is killed goes on.
pub(super) fn kept(path: &Path, midi: &Arc<dyn MidiOutputs>) -> Sounding {
    if let Some(directory) = path.parent()
        && let Err(source) = atomic_file::create_private_directory(directory)
    {
        say_why_not(&RecordError::Io { path: directory.to_owned(), source });
        return Sounding::new(midi);
    }
    match Record::open(path) {
        Ok((record, left)) => {
            if let Some(damage) = left.damage() {
                tracing::warn!(
                    "what a daemon that was killed left sounding is not known in full: {damage}; if something sounds: \
                     conductorctl panic"
                );
            }
            Sounding::kept_in(record, left, midi)
        }
        Err(error) => {
            say_why_not(&error);
            Sounding::new(midi)
        }
    }
}

fn say_why_not(error: &RecordError) {
    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    tracing::error!(
        "what sounds would go on if this process were killed: {}{}",
        terminal(&error.to_string()),
        terminal(&hint)
    );
}

/// Ends what a daemon that was killed left sounding, now that the outputs are open.
pub(super) fn end_what_was_left(sounding: &Sounding) {
    let ledger = sounding.ledger();
    let left = ledger.owing();
    for output in ledger.forget_unknown() {
        tracing::warn!(
            output = %terminal(&output),
            "a daemon that was killed left something sounding at an output that is not configured any more"
        );
    }
    ledger.settle();
    let owing = ledger.owing();
    for output in left.iter().filter(|output| !owing.contains(output) && ledger.has(output)) {
        tracing::info!(output = %terminal(output), "what a daemon that was killed left sounding is ended");
    }
    for output in owing {
        tracing::warn!(
            output = %terminal(&output),
            "what a daemon that was killed left sounding is ended as soon as the output takes messages"
        );
    }
}
