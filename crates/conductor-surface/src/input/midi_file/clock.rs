//! From ticks to microseconds.

/// Tempo until the file sets one: 120 quarter notes a minute, in microseconds per quarter note.
const DEFAULT_TEMPO: u64 = 500_000;

/// The ratio of ticks and microseconds.
#[derive(Clone, Copy)]
pub(super) struct Timing {
    /// How many parts a microsecond is divided into.
    parts: u64,
    /// How many parts a tick has, if tempos do not change that.
    of_tick: Option<u64>,
}

impl Timing {
    /// Timing with `ticks` ticks in a quarter note.
    pub(super) fn quarters(ticks: u16) -> Self {
        Self { parts: u64::from(ticks), of_tick: None }
    }

    /// Timing with `ticks` ticks in a frame and `in_second` frames in a second. 29 stands for 30 frames in 1.001
    /// seconds.
    pub(super) fn frames(in_second: u8, ticks: u8) -> Self {
        let (frames, millis) = if in_second == 29 { (30, 1001) } else { (u64::from(in_second), 1000) };
        Self { parts: frames * u64::from(ticks), of_tick: Some(millis * 1000) }
    }
}

/// Converts ticks to microseconds. Fractions are kept, so long files do not drift.
pub(super) struct Clock {
    timing: Timing,
    /// Microseconds in a quarter note.
    tempo: u64,
    tick: u64,
    start: u64,
    /// Parts of microseconds since `start`.
    elapsed: u128,
}

impl Clock {
    /// A clock at tick 0, `start` microseconds after the start of the tune.
    pub(super) const fn new(timing: Timing, start: u64) -> Self {
        Self { timing, tempo: DEFAULT_TEMPO, tick: 0, start, elapsed: 0 }
    }

    /// Sets how many microseconds a quarter note takes from now on.
    pub(super) const fn set_tempo(&mut self, tempo: u32) {
        self.tempo = tempo as u64;
    }

    /// Advances to a tick. Returns the time of that tick in microseconds from the start.
    pub(super) fn advance_to(&mut self, tick: u64) -> u64 {
        let ticks = u128::from(tick.saturating_sub(self.tick));
        self.tick = tick;
        self.elapsed += ticks * u128::from(self.timing.of_tick.unwrap_or(self.tempo));
        self.now()
    }

    /// The current time, in microseconds from the start.
    pub(super) fn now(&self) -> u64 {
        let micros = self.elapsed / u128::from(self.timing.parts.max(1));
        self.start.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}
