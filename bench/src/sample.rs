//! Times of calls, and statistics of them.

use std::time::{Duration, Instant};

/// How many rounds are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds for work of microseconds.
    pub(crate) many: usize,
    /// Rounds for work of milliseconds.
    pub(crate) some: usize,
    /// Rounds for work of tenths of seconds and more.
    pub(crate) few: usize,
}

impl Effort {
    pub(crate) const FULL: Self = Self { many: 3_000, some: 60, few: 9 };
    pub(crate) const QUICK: Self = Self { many: 400, some: 10, few: 3 };
}

/// Times of one call each, in nanoseconds, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn new(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.quantile(0.99)
    }

    pub(crate) fn p1(&self) -> f64 {
        self.quantile(0.01)
    }

    /// Each sample less the fixed cost `anyway`, divided by `times`.
    pub(crate) fn each_of(&self, anyway: f64, times: u32) -> Self {
        Self::new(self.0.iter().map(|time| (time - anyway) / f64::from(times)).collect())
    }

    /// The sample below which the fraction `part` of all samples lies.
    fn quantile(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

/// Something that is called repeatedly. `batch` calls are timed together, so that the cost of reading the clock does
/// not matter.
pub(crate) struct Subject<'s> {
    pub(crate) batch: u32,
    pub(crate) call: &'s mut dyn FnMut(),
}

/// Times two subjects in alternation, so that whatever else the machine does affects both.
pub(crate) fn alternate<'s>(rounds: usize, mut a: Subject<'s>, mut b: Subject<'s>) -> (Samples, Samples) {
    let (mut of_a, mut of_b) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for round in 0..rounds + rounds / 10 + 1 {
        // The subject that runs first finds the caches in the state in which the other subject left them.
        let (first, second) = if round % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        let (first, second) = (time(first), time(second));
        let (in_a, in_b) = if round % 2 == 0 { (first, second) } else { (second, first) };
        // The first rounds warm up.
        if round > rounds / 10 {
            of_a.push(in_a);
            of_b.push(in_b);
        }
    }
    (Samples::new(of_a), Samples::new(of_b))
}

fn time(subject: &mut Subject<'_>) -> f64 {
    let started = Instant::now();
    for _ in 0..subject.batch {
        (subject.call)();
    }
    nanoseconds(started.elapsed()) / f64::from(subject.batch)
}

pub(crate) fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
