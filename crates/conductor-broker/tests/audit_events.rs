//! Uses and denials as events of `tracing`. A program of its own with one test, because `tracing` decides once for all
//! threads whether a place in the code has a subscriber.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

#[path = "support/midi.rs"]
mod support;

use std::sync::{Arc, Mutex};

use conductor_abi::Capability;
use support::{NOTE, send, session};

/// Keeps the messages and fields of audit events.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl tracing::Subscriber for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "conductor::audit"
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!(" {field}={value:?}"));
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("events").push(line.0);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn every_use_and_every_denial_is_recorded() {
    let recorder = Arc::new(Recorder::default());
    tracing::subscriber::with_default(Arc::clone(&recorder), || {
        let (session, _) = session(&[None], &["Midi=synth"], &[]);
        send(&session, "synth", &NOTE);
        send(&session, "dr\u{1b}ums", &NOTE);
        session.revoke(Capability::Midi);
        send(&session, "synth", &NOTE);
        assert_eq!(session.denials(), 2);
    });
    let events = recorder.0.lock().expect("events").clone();
    let expected = [
        (
            "INFO message=used plugin=\"test\" capability=Midi operation=\"midi-send\"",
            "1 messages to `synth`",
        ),
        ("WARN message=denied plugin=\"test\" capability=Midi", "`dr\\u{1b}ums`"),
        ("WARN message=denied plugin=\"test\" capability=Midi", "Midi is denied by the user"),
    ];
    assert_eq!(events.len(), expected.len(), "{events:#?}");
    for (event, (start, part)) in events.iter().zip(expected) {
        assert!(event.starts_with(start) && event.contains(part), "{event}");
        assert!(!event.contains('\u{1b}'), "{event:?}");
    }
}
