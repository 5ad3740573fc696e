// SPDX-License-Identifier: GPL-2.0

//! Cutting messages.

use smbdirect_core::fragment::{Cutter, Fragment, Fragments};
use smbdirect_host_tests::rng::Rng;

fn list(total: u32, capacity: u32) -> Vec<(u32, u32)> {
    Fragments::new(total, capacity)
        .map(|f| (f.len, f.remaining))
        .collect()
}

#[test]
fn samples_of_the_specification() {
    // 4.3: 64 KiB in messages of 1024 bytes; the text's 0x3F8 is a misprint of 1000.
    let f = list(65_536, 1000);
    assert_eq!(f.len(), 66);
    assert_eq!(
        (f[0], f[1], f[65]),
        ((1000, 64_536), (1000, 63_536), (536, 0))
    );
    // A write of 64 KiB with the usual sizes.
    assert_eq!(list(65_648, 1340).len(), 49);
}

#[test]
fn borders() {
    assert_eq!(list(1, 1340), [(1, 0)]);
    assert_eq!(list(1340, 1340), [(1340, 0)]);
    assert_eq!(list(1341, 1340), [(1340, 1), (1, 0)]);
    assert_eq!(list(3, 1), [(1, 2), (1, 1), (1, 0)]);
    assert_eq!(list(0, 1340), []);
    assert_eq!(list(10, 0), []);
    assert_eq!(
        Fragments::new(u32::MAX, u32::MAX).next(),
        Some(Fragment {
            len: u32::MAX,
            remaining: 0
        })
    );
}

#[test]
fn pieces_are_gathered() {
    // Three small pieces and a large one go into as few fragments as one piece would.
    let mut c = Cutter::new(1500, 1340);
    assert_eq!((c.gather(64), c.gather(112), c.gather(24)), (64, 112, 24));
    assert!(!c.full());
    assert_eq!(c.gather(1300), 1140);
    assert!(c.full());
    assert_eq!(c.room(), 0);
    assert_eq!(c.gather(1), 0);
    assert_eq!(c.unsent(), 1500);
    assert_eq!(
        c.close(),
        Some(Fragment {
            len: 1340,
            remaining: 160
        })
    );
    assert_eq!((c.close(), c.unsent()), (None, 160));
    assert_eq!(c.gather(1300), 160);
    assert!(c.full() && !c.done());
    assert_eq!(
        c.close(),
        Some(Fragment {
            len: 160,
            remaining: 0
        })
    );
    assert!(c.done());
}

/// A piece longer than the message is said to be is cut off.
#[test]
fn never_more_than_the_message() {
    let mut c = Cutter::new(10, 1340);
    assert_eq!(c.gather(11), 10);
    assert_eq!(
        c.close(),
        Some(Fragment {
            len: 10,
            remaining: 0
        })
    );
    assert_eq!((c.gather(1), c.close()), (0, None));
}

/// Any pieces, closed early at random: all bytes once, in order, with exact numbers.
#[test]
fn random_pieces() {
    for seed in 0..2000 {
        let mut rng = Rng::new(seed);
        let capacity = rng.range(1, 200) as u32;
        let total = rng.range(1, 3000) as u32;
        let mut c = Cutter::new(total, capacity);
        let (mut fed, mut sent, mut open) = (0, 0, 0);
        while !c.done() {
            let n = c.gather(rng.range(1, 300).min(u64::from(total - fed)) as u32);
            fed += n;
            open += n;
            assert_eq!(c.full(), open == capacity || fed == total);
            if c.full() || rng.percent(10) {
                if let Some(f) = c.close() {
                    assert!((1..=capacity).contains(&f.len));
                    sent += f.len;
                    assert_eq!((f.len, sent + f.remaining), (open, total));
                    open = 0;
                }
            }
            assert_eq!(c.unsent(), total - sent);
        }
        assert_eq!(sent, total);
    }
}
