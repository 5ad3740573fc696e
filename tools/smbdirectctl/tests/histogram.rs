// SPDX-License-Identifier: GPL-2.0

//! Times in buckets, and what is said of them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)] // a test that panics has failed

use smbdirectctl::{
    table::micros,
    top::histogram::{bucket, Histogram, FINE},
};

fn of(times: &[u64]) -> Histogram {
    let mut all = Histogram::default();
    for time in times {
        all.add(bucket(*time), 1);
    }
    all
}

#[test]
fn buckets() {
    for (nanos, want) in [
        (0, 0),
        (999, 0),
        (1000, 0),
        (1124, 0),
        (1125, 1),
        (1999, 7),
        (2000, 8),
        (1_024_000, 80),
        (16_777_216_000, 192),
        (u64::MAX, 199),
    ] {
        assert_eq!(bucket(nanos), want, "{nanos}");
    }
    // what stands for a bucket is in it
    for b in 0..FINE as u8 {
        let mut one = Histogram::default();
        one.add(b, 1);
        assert_eq!(bucket(one.quantile(50).unwrap()), b);
    }
}

#[test]
fn quantiles() {
    assert_eq!(of(&[]).quantile(50), None);
    assert_eq!(of(&[]).to_string(), "nothing yet");
    let one = of(&[310_000]);
    assert_eq!(one.quantile(0), one.quantile(100));
    for n in 1..2000u64 {
        let times: Vec<u64> = (1..=n).map(|i| i * 7919).collect();
        let (all, real) = (of(&times), n.div_ceil(2) * 7919);
        let found = all.quantile(50).unwrap();
        assert!(
            found.abs_diff(real) <= real / 16 + 1000,
            "{n}: {found} for {real}"
        );
    }
    let mut times = vec![300_000; 98];
    times.extend([2_100_000, 2_100_000]);
    let all = of(&times);
    assert_eq!(all.to_string(), "median 304 µs, 99 % 2.2 ms");
    assert_eq!(all.bars()[8], 98);
    assert_eq!(all.bars()[11], 2);
    assert_eq!(all.count(), 100);
}

#[test]
fn no_overflow() {
    let mut all = Histogram::default();
    all.add(3, u64::MAX);
    all.add(4, u64::MAX);
    all.add(255, 1);
    let twice = all.clone().plus(&all);
    assert_eq!(twice.count(), u64::MAX);
    assert!(twice.quantile(99).is_some());
}

#[test]
fn texts() {
    for (nanos, want) in [
        (0, "0 µs"),
        (1062, "1 µs"),
        (310_000, "310 µs"),
        (999_499, "999 µs"),
        (999_500, "1.0 ms"),
        (2_149_000, "2.1 ms"),
        (9_949_000, "9.9 ms"),
        (9_951_000, "10 ms"),
        (999_400_000, "999 ms"),
        (999_600_000, "1.0 s"),
        (16_777_216_000, "17 s"),
    ] {
        assert_eq!(micros(nanos), want);
    }
}
