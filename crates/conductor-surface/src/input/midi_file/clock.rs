//! From ticks to microseconds.

/// Tempo until the file says otherwise: 120 quarter notes a minute, in microseconds per quarter note.
const DEFAULT_TEMPO: u64 = 500_000;

/// How ticks become microseconds.
#[derive(Clone, Copy)]
pub(super) struct Timing {
    /// Parts that a microsecond has.
    parts: u64,
    /// Such parts in a tick, where no tempo changes that.
    of_tick: Option<u64>,
}

impl Timing {
    /// So many ticks are a quarter note.
    pub(super) fn quarters(ticks: u16) -> Self {
        Self { parts: u64::from(ticks), of_tick: None }
    }

    /// So many ticks are a frame, of which there are so many in a second. 29 stands for 30 of 1.001 seconds.
    pub(super) fn frames(in_second: u8, ticks: u8) -> Self {
        let (frames, millis) = if in_second == 29 { (30, 1001) } else { (u64::from(in_second), 1000) };
        Self { parts: frames * u64::from(ticks), of_tick: Some(millis * 1000) }
    }
}

/// Ticks to microseconds. Fractions are carried along, so long files do not drift.
pub(super) struct Clock {
    timing: Timing,
    /// Microseconds of a quarter note.
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

    /// From now on a quarter note takes so many microseconds.
    pub(super) const fn set_tempo(&mut self, tempo: u32) {
        self.tempo = tempo as u64;
    }

    /// Goes on to a tick; returns when that is, in microseconds from the start.
    pub(super) fn advance_to(&mut self, tick: u64) -> u64 {
        let ticks = u128::from(tick.saturating_sub(self.tick));
        self.tick = tick;
        self.elapsed += ticks * u128::from(self.timing.of_tick.unwrap_or(self.tempo));
        self.now()
    }

    /// When it is, in microseconds from the start.
    pub(super) fn now(&self) -> u64 {
        let micros = self.elapsed / u128::from(self.timing.parts.max(1));
        self.start.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}
