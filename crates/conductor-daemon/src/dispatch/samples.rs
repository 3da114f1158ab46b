//! What a plugin did lately, in samples of a few seconds each, for charts.

use std::collections::VecDeque;

/// Most samples that are kept.
pub(crate) const MAX_SAMPLES: usize = 60;

/// What a plugin did between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) fuel: u64,
    /// Microseconds of all calls together.
    pub(crate) micros: u64,
    /// The most memory so far, in bytes; 0 if the plugin was not called yet.
    pub(crate) memory: u64,
}

/// The latest samples, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// The sums at the last sample.
    last: Sample,
    samples: VecDeque<Sample>,
}

impl Samples {
    /// Takes a sample: how much these sums grew since the last one.
    pub(super) fn look(&mut self, sums: Sample) {
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            calls: sums.calls.saturating_sub(self.last.calls),
            failures: sums.failures.saturating_sub(self.last.failures),
            fuel: sums.fuel.saturating_sub(self.last.fuel),
            micros: sums.micros.saturating_sub(self.last.micros),
            memory: sums.memory,
        });
        self.last = sums;
    }

    pub(super) fn all(&self) -> Vec<Sample> {
        self.samples.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_differences_and_few() {
        let mut samples = Samples::default();
        for calls in 1..=70 {
            samples.look(Sample { calls: calls * 2, failures: calls, fuel: 10, micros: 5, memory: 7 });
        }
        let samples = samples.all();
        assert_eq!(samples.len(), MAX_SAMPLES);
        let usual = Sample { calls: 2, failures: 1, fuel: 0, micros: 0, memory: 7 };
        assert!(samples.iter().all(|sample| *sample == usual), "{samples:?}");
    }
}
