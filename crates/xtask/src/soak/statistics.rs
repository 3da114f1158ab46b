//! Quantiles of measurements, and how much they vary during a soak.

use serde_json::{Value, json};

/// The number of parts into which the soak is divided for comparison.
const SLICES: usize = 10;

/// Quantiles of one measurement in microseconds, over the whole time and over each tenth of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quantiles {
    pub(crate) count: usize,
    pub(crate) p50: u32,
    pub(crate) p99: u32,
    pub(crate) max: u32,
    /// Median, lowest and highest of the medians of the tenths.
    pub(crate) p50_spread: Spread,
    /// Median, lowest and highest of the 99th percentiles of the tenths.
    pub(crate) p99_spread: Spread,
}

/// A value that was measured several times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) median: u32,
    pub(crate) lowest: u32,
    pub(crate) highest: u32,
}

impl Quantiles {
    /// Quantiles of values in the order in which their events were sent.
    pub(crate) fn of(values: &[u32]) -> Self {
        let all = sorted(values);
        let slices: Vec<Vec<u32>> = values.chunks(values.len().div_ceil(SLICES).max(1)).map(sorted).collect();
        let spread = |thousandths| {
            Spread::of(&slices.iter().map(|slice| quantile(slice, thousandths)).collect::<Vec<_>>())
        };
        Self {
            count: all.len(),
            p50: quantile(&all, 500),
            p99: quantile(&all, 990),
            max: quantile(&all, 1000),
            p50_spread: spread(500),
            p99_spread: spread(990),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let spread = |spread: Spread| json!({"median": spread.median, "lowest": spread.lowest, "highest": spread.highest});
        json!({
            "count": self.count,
            "p50": self.p50,
            "p99": self.p99,
            "max": self.max,
            "p50_of_tenths": spread(self.p50_spread),
            "p99_of_tenths": spread(self.p99_spread),
        })
    }
}

impl Spread {
    fn of(values: &[u32]) -> Self {
        let values = sorted(values);
        Self {
            median: quantile(&values, 500),
            lowest: quantile(&values, 0),
            highest: quantile(&values, 1000),
        }
    }
}

fn sorted(values: &[u32]) -> Vec<u32> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values
}

/// The smallest of the values that is at least as large as `thousandths` thousandths of all values (nearest rank); 0 if
/// there are no values.
fn quantile(sorted: &[u32], thousandths: usize) -> u32 {
    let rank = (sorted.len() * thousandths).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values: Vec<u32> = (1..=1000).rev().collect();
        let Quantiles { count, p50, p99, max, .. } = Quantiles::of(&values);
        assert_eq!((count, p50, p99, max), (1000, 500, 990, 1000));
        assert_eq!(quantile(&[7], 0), 7);
        assert_eq!(quantile(&[7], 1000), 7);
        assert_eq!(Quantiles::of(&[]), Quantiles::default());
    }

    #[test]
    fn the_spread_is_that_of_the_tenths() {
        let values: Vec<u32> = (0..10).flat_map(|slice| [slice; 50]).collect();
        let spread = Quantiles::of(&values).p50_spread;
        assert_eq!(spread, Spread { median: 4, lowest: 0, highest: 9 });
    }
}
