//! The state of each input: the input's own thread sets it, and any thread may read it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use conductor_signing::escape::terminal;
use tracing::Level;

use crate::config::InputConfig;
use crate::log_budget::Budget;

/// Most bytes that one input adds to the log in a minute. Stops its senders from filling a disk.
const MAX_LOG_BYTES_PER_MINUTE: u64 = 64 * 1024;

/// One input, which exists as long as the configuration has its name.
pub struct InputState {
    name: Arc<str>,
    condition: Mutex<Condition>,
    /// What is wrong with the input's file, if anything is.
    damage: Mutex<Option<String>>,
    /// What arrived and was dropped, by cause.
    dropped: Mutex<BTreeMap<&'static str, u64>>,
    log: Mutex<Budget>,
}

/// The condition of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The input delivers what arrives.
    Delivers,
    /// The device or file is missing, and the input looks for it repeatedly.
    Waits {
        /// The reason.
        why: String,
    },
    /// The input reached its own end.
    Ended,
    /// The input broke, or could not begin. A reload starts it again.
    Failed {
        /// The reason.
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

    /// The current condition.
    pub fn condition(&self) -> Condition {
        self.lock().clone()
    }

    /// Sets the condition.
    pub fn is_now(&self, condition: Condition) {
        *self.lock() = condition;
    }

    /// What is wrong with the input's file, in words.
    pub fn damage(&self) -> Option<String> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what is wrong with the input's file, if anything is.
    pub fn set_damage(&self, damage: Option<String>) {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = damage;
    }

    /// How much of what arrived was dropped, by cause.
    pub fn dropped(&self) -> BTreeMap<&'static str, u64> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts what arrived and is dropped.
    pub fn drops(&self, cause: &'static str, count: u64) {
        *self.dropped.lock().unwrap_or_else(PoisonError::into_inner).entry(cause).or_default() += count;
    }

    /// Notes that the input waits. The reason is logged if it is another one than before.
    pub fn waits(&self, why: impl fmt::Display) {
        let waits = Condition::Waits { why: why.to_string() };
        let before = std::mem::replace(&mut *self.lock(), waits.clone());
        if before != waits {
            self.log(Level::WARN, format_args!("waits, because {}", terminal(&why.to_string())));
        }
    }

    /// Logs an event that a sender to the input caused, within the input's budget of log bytes.
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

/// The inputs of the running configuration.
#[derive(Default)]
pub struct InputStates(RwLock<Vec<Arc<InputState>>>);

impl InputStates {
    /// All inputs, in the order of the configuration.
    pub fn all(&self) -> Vec<Arc<InputState>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the inputs. Those that were there before keep their state.
    pub fn set(&self, configs: &[InputConfig]) {
        let mut states = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let of = |config: &InputConfig| {
            let before = states.iter().find(|state| state.name == config.name);
            before.map_or_else(|| Arc::new(InputState::new(Arc::clone(&config.name))), Arc::clone)
        };
        let now = configs.iter().map(of).collect();
        *states = now;
    }

    /// The input with this name.
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
