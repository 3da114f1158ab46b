//! A clock as an input.

use std::time::{Duration, Instant};

use super::OpenInput;
use crate::event::Body;
use crate::stop::Wake;

/// Ticks every `every`, the first time one period after the start, `count` times or for ever.
///
/// Ticks are counted from the start, so they do not drift. Ticks that were missed, for example because the machine
/// slept, are skipped.
pub(super) fn open(every: Duration, count: Option<u64>) -> OpenInput {
    OpenInput::new(count.is_some(), move |emitter, stop| {
        let mut next = Instant::now() + every;
        let mut done = 0;
        while count.is_none_or(|count| done < count) {
            if stop.wait_until(next) == Wake::Stopped {
                break;
            }
            emitter.emit(Body::Tick { count: done });
            done += 1;
            next += every;
            let now = Instant::now();
            if next < now {
                next = now + every;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::input::{Emitter, InputState};
    use crate::stop::Stop;

    #[test]
    fn ticks_are_counted_and_end() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let emitter = Emitter::new(
            Arc::new(InputState::new("clock".into())),
            Arc::new(move |event, _| sink.lock().expect("lock").push(event.body)),
        );
        let started = Instant::now();
        open(Duration::from_millis(10), Some(3)).run(&emitter, &Stop::new().expect("pipe")).expect("runs");
        assert!(started.elapsed() >= Duration::from_millis(30));
        let ticks: Vec<Body> = (0..3).map(|count| Body::Tick { count }).collect();
        assert_eq!(*seen.lock().expect("lock"), ticks);
    }
}
