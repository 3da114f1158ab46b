//! How each input is: said by its own thread, read by whoever asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use conductor_signing::escape::terminal;
use tracing::Level;

use crate::config::InputConfig;
use crate::log_budget::Budget;

/// Most bytes that one input adds to the log in a minute; stops whoever sends to it from filling a disk.
const MAX_LOG_BYTES_PER_MINUTE: u64 = 64 * 1024;

/// One input, for as long as the configuration has its name.
pub struct InputState {
    name: Arc<str>,
    condition: Mutex<Condition>,
    /// What is wrong with its file, if anything is.
    damage: Mutex<Option<String>>,
    /// What came and was dropped, by cause.
    dropped: Mutex<BTreeMap<&'static str, u64>>,
    log: Mutex<Budget>,
}

/// How an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It delivers what comes.
    Delivers,
    /// It looks for its device or file again and again.
    Waits {
        /// Why.
        why: String,
    },
    /// It came to its own end.
    Ended,
    /// It broke, or could not begin: a reload starts it again.
    Failed {
        /// Why.
        why: String,
    },
}

impl InputState {
    /// An input that is about to deliver.
    #[must_use]
    pub fn new(name: Arc<str>) -> Self {
        let log = Budget::new(MAX_LOG_BYTES_PER_MINUTE, Instant::now());
        let condition = Mutex::new(Condition::Delivers);
        Self { name, condition, damage: Mutex::default(), dropped: Mutex::default(), log: Mutex::new(log) }
    }

    /// Name of the input.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How it is now.
    pub fn condition(&self) -> Condition {
        self.lock().clone()
    }

    /// From now on it is so.
    pub fn is_now(&self, condition: Condition) {
        *self.lock() = condition;
    }

    /// What is wrong with its file, in words.
    pub fn damage(&self) -> Option<String> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this is wrong with its file, or nothing.
    pub fn set_damage(&self, damage: Option<String>) {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = damage;
    }

    /// How much of what came was dropped, by cause.
    pub fn dropped(&self) -> BTreeMap<&'static str, u64> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts what came and is dropped.
    pub fn drops(&self, cause: &'static str, count: u64) {
        *self.dropped.lock().unwrap_or_else(PoisonError::into_inner).entry(cause).or_default() += count;
    }

    /// Takes note that it waits, and says so if it did not wait for the same before.
    pub fn waits(&self, why: impl fmt::Display) {
        let waits = Condition::Waits { why: why.to_string() };
        let before = std::mem::replace(&mut *self.lock(), waits.clone());
        if before != waits {
            self.log(Level::WARN, format_args!("waits, because {}", terminal(&why.to_string())));
        }
    }

    /// Logs what whoever sends to the input caused, as long as there is not too much of that.
    pub fn log(&self, level: Level, text: fmt::Arguments<'_>) {
        let is_enabled = match level {
            Level::ERROR => tracing::enabled!(Level::ERROR),
            Level::WARN => tracing::enabled!(Level::WARN),
            Level::INFO => tracing::enabled!(Level::INFO),
            Level::DEBUG | Level::TRACE => tracing::enabled!(Level::DEBUG),
        };
        if !is_enabled {
            return;
        }
        let (input, text) = (&*self.name, text.to_string());
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dropped) = log.advance_to(Instant::now()) {
            tracing::warn!(input, "{dropped} bytes of log that the input caused were dropped in a minute");
        }
        if !log.admit(text.len()) {
            if log.announce() {
                tracing::warn!(input, "the input causes too much log, and what is too much is dropped");
            }
            return;
        }
        match level {
            Level::ERROR => tracing::error!(input, "{text}"),
            Level::WARN => tracing::warn!(input, "{text}"),
            Level::INFO => tracing::info!(input, "{text}"),
            Level::DEBUG | Level::TRACE => tracing::debug!(input, "{text}"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The inputs of the configuration that runs.
#[derive(Default)]
pub struct InputStates(RwLock<Vec<Arc<InputState>>>);

impl InputStates {
    /// All of them, in the order of the configuration.
    pub fn all(&self) -> Vec<Arc<InputState>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on there are these; those that were there before stay as they are.
    pub fn set(&self, configs: &[InputConfig]) {
        let mut states = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let of = |config: &InputConfig| {
            let before = states.iter().find(|state| state.name == config.name);
            before.map_or_else(|| Arc::new(InputState::new(Arc::clone(&config.name))), Arc::clone)
        };
        let now = configs.iter().map(of).collect();
        *states = now;
    }

    /// The input of this name.
    pub fn of(&self, name: &Arc<str>) -> Arc<InputState> {
        let found = self.all().into_iter().find(|state| state.name == *name);
        found.unwrap_or_else(|| Arc::new(InputState::new(Arc::clone(name))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_causes_only_so_much_log() {
        let state = InputState::new("desk".into());
        let written = Arc::new(Mutex::new(Vec::new()));
        let out = Arc::clone(&written);
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || Out(Arc::clone(&out)));
        tracing::subscriber::with_default(subscriber.finish(), || {
            (0..100_000).for_each(|number| state.log(Level::INFO, format_args!("switched to {number}")));
            state.log(Level::DEBUG, format_args!("what is not logged costs nothing"));
        });
        let written = String::from_utf8(written.lock().expect("lock").clone()).expect("text");
        assert!((300..700).contains(&written.lines().count()), "{} lines", written.lines().count());
        assert!(written.lines().last().is_some_and(|line| line.contains("causes too much log")), "{written}");
    }

    struct Out(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
