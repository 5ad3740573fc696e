// SPDX-License-Identifier: GPL-2.0

//! Times, counted in buckets that grow with them.

use crate::table::micros;
use std::fmt;

/// Buckets that are shown, by powers of two: the first one has all below 2 µs, the last one all from 2^24 µs (16.8 s) on.
pub const BARS: usize = 25;
/// Each of them is counted in so many equal parts, so that a quantile is right to a sixteenth.
const PARTS: usize = 8;
/// Buckets that are counted.
pub const FINE: usize = BARS * PARTS;
/// Nanoseconds in a microsecond.
const MICRO: u64 = 1000;

/// The bucket of a time in nanoseconds; below [`FINE`].
#[allow(clippy::cast_possible_truncation)] // below 200
pub fn bucket(nanos: u64) -> u8 {
    let most = (BARS as u32).saturating_sub(1);
    let power = (nanos / MICRO).checked_ilog2().unwrap_or(0).min(most);
    let low = MICRO << power;
    let above = nanos.saturating_sub(low).min(low.saturating_sub(1));
    let part = above.saturating_mul(PARTS as u64).checked_div(low);
    (u64::from(power)
        .saturating_mul(PARTS as u64)
        .saturating_add(part.unwrap_or(0))) as u8
}

/// The middle of a bucket in nanoseconds.
fn middle(bucket: usize) -> u64 {
    let (power, part) = (bucket / PARTS, bucket % PARTS);
    let low = MICRO << power.min(BARS);
    let step = low.checked_div(PARTS as u64).unwrap_or(0);
    low.saturating_add(step.saturating_mul(part as u64))
        .saturating_add(step / 2)
}

/// How many times there were in each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram([u64; FINE]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; FINE])
    }
}

impl Histogram {
    /// So many more in a bucket. One that is none is passed over.
    pub fn add(&mut self, bucket: u8, count: u64) {
        if let Some(n) = self.0.get_mut(usize::from(bucket)) {
            *n = n.saturating_add(count);
        }
    }

    /// Both.
    pub fn plus(mut self, other: &Self) -> Self {
        for (n, more) in self.0.iter_mut().zip(other.0) {
            *n = n.saturating_add(more);
        }
        self
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The time in nanoseconds that so many per cent (0 to 100) do not exceed, right to a sixteenth; `None`: there are none.
    pub fn quantile(&self, percent: u64) -> Option<u64> {
        let rank = u128::from(self.count())
            .saturating_mul(percent.min(100).into())
            .div_ceil(100)
            .max(1);
        let mut below = 0u128;
        let at = self.0.iter().position(|n| {
            below = below.saturating_add((*n).into());
            below >= rank
        })?;
        Some(middle(at))
    }

    /// By powers of two.
    pub fn bars(&self) -> [u64; BARS] {
        let mut bars = [0u64; BARS];
        for (bar, parts) in bars.iter_mut().zip(self.0.chunks(PARTS)) {
            *bar = parts.iter().fold(0, |sum, n| sum.saturating_add(*n));
        }
        bars
    }
}

/// `median 310 µs, 99 % 2.1 ms`
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.quantile(50), self.quantile(99)) {
            (Some(median), Some(most)) => {
                write!(f, "median {}, 99 % {}", micros(median), micros(most))
            }
            _ => f.write_str("nothing yet"),
        }
    }
}
