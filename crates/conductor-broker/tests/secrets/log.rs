//! Everything that this process logs, by any library.

use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static LOGGED: Mutex<String> = Mutex::new(String::new());

/// Writes down all events and spans, of every level.
struct All;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

fn put(record: impl FnOnce(&mut Line)) {
    let mut line = Line(String::new());
    record(&mut line);
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    logged.push_str(&line.0);
    logged.push('\n');
}

impl Subscriber for All {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        put(|line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        put(|line| values.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        put(|line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Begins to write down what is logged.
pub(crate) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(All).expect("the only one"));
}

/// Whether anything that was logged holds this text.
pub(crate) fn holds(text: &str) -> bool {
    LOGGED.lock().unwrap_or_else(PoisonError::into_inner).contains(text)
}
