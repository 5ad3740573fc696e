// SPDX-License-Identifier: GPL-2.0

//! The clock of RDMA transfers: who is slow for a good reason, and who keeps workers.

use smbdirect_core::pace::{allowed_ms, TransferClock, MIN_EARNED, MIN_RATE};
use smbdirect_core::time::Millis;

const MIB: u64 = 1 << 20;

const fn secs(s: u64) -> Millis {
    Millis::from_secs(s)
}

#[test]
fn silence_ends_after_the_grace_and_what_the_adapter_has() {
    let mut clock = TransferClock::new();
    clock.begin(secs(1000));
    assert_eq!(clock.until(), secs(1060));
    clock.posted(MIN_RATE * 5);
    assert_eq!(clock.until(), secs(1065));
    clock.posted(MIN_RATE * 10);
    assert_eq!(clock.until(), secs(1075));
}

#[test]
fn a_rate_a_little_above_the_slowest_goes_on_for_a_day() {
    // 64 transfers of 8 MiB at once, over and over; 1 MiB is with the adapter.
    let mut clock = TransferClock::new();
    let mut now = secs(5);
    for _ in 0..64 {
        clock.begin(now);
    }
    clock.posted(MIB);
    while now < secs(86_400) {
        now = now.after(Millis(allowed_ms(MIB) - 100));
        assert!(now < clock.until(), "given up at {now:?}");
        clock.done(now, MIB, true);
        clock.posted(MIB);
        if now.0 % 7 == 0 {
            clock.begin(now);
            clock.end();
        }
    }
}

#[test]
fn a_rate_below_the_slowest_ends() {
    let mut clock = TransferClock::new();
    let mut now = secs(5);
    clock.begin(now);
    clock.posted(MIB);
    let mut moved = 0;
    while now < clock.until() {
        now = now.after(Millis(2 * allowed_ms(MIB)));
        clock.done(now, MIB, true);
        clock.posted(MIB);
        moved += 1;
    }
    // 16 s late with each
    assert!((4..=6).contains(&moved), "{moved} MiB");
}

#[test]
fn a_burst_earns_a_minute_and_no_more() {
    let mut clock = TransferClock::new();
    clock.begin(secs(100));
    clock.begin(secs(100));
    for _ in 0..4096 {
        clock.posted(MIB);
        clock.done(secs(101), MIB, true);
    }
    clock.posted(MIN_RATE);
    assert_eq!(clock.until(), secs(101 + 60 + 60 + 1));
}

#[test]
fn dripping_does_not_help() {
    // A slice of one byte whenever time is almost up.
    let mut clock = TransferClock::new();
    clock.begin(Millis::ZERO);
    clock.begin(Millis::ZERO);
    clock.posted(100 * MIN_EARNED);
    for _ in 0..200 {
        let now = Millis(clock.until().0 - 1);
        clock.posted(MIN_EARNED);
        clock.done(now, MIN_EARNED, true);
    }
    assert!(clock.until() < secs(70), "{:?}", clock.until());
}

#[test]
fn failures_earn_nothing_and_an_idle_connection_owes_nothing() {
    let mut clock = TransferClock::new();
    clock.begin(secs(10));
    clock.posted(MIN_RATE * 100);
    clock.done(secs(12), MIN_RATE * 100, false);
    assert_eq!(clock.until(), secs(70));
    clock.end();
    // long after
    clock.begin(secs(5000));
    assert_eq!(clock.until(), secs(5060));
    // more ends than beginnings, more done than posted: nothing wraps
    clock.end();
    clock.end();
    clock.done(secs(5000), u64::MAX, true);
    clock.posted(u64::MAX);
    clock.posted(u64::MAX);
    assert!(clock.until() > secs(5060));
}
