// SPDX-License-Identifier: GPL-2.0

//! The plan of an RDMA transfer over a peer's descriptors (3.1.4.5, 3.1.4.6).

use smbdirect_core::slices::{Slice, SliceError, Slices, MAX_DESCRIPTORS};
use smbdirect_core::wire::descriptor::Descriptor;
use smbdirect_host_tests::rng::Rng;

fn array(list: &[(u64, u32)]) -> Vec<u8> {
    list.iter()
        .zip(100..)
        .flat_map(|(&(offset, length), token)| {
            Descriptor {
                offset,
                token,
                length,
            }
            .emit()
        })
        .collect()
}

fn plan(list: &[(u64, u32)], len: u32, max: u32) -> Vec<(u32, u64, u32, u32)> {
    Slices::new(&array(list), len, max)
        .expect("a good array")
        .map(|s| (s.local, s.remote, s.rkey, s.len))
        .collect()
}

fn error(list: &[(u64, u32)], len: u32) -> SliceError {
    Slices::new(&array(list), len, 4096).expect_err("a bad array")
}

#[test]
fn one_descriptor() {
    assert_eq!(
        plan(&[(0x1000, 4096)], 4096, 1 << 20),
        [(0, 0x1000, 100, 4096)]
    );
    assert_eq!(plan(&[(0x1000, 4096)], 1, 1 << 20), [(0, 0x1000, 100, 1)]);
}

#[test]
fn slices_of_the_largest_size() {
    assert_eq!(
        plan(&[(10, 250)], 250, 100),
        [(0, 10, 100, 100), (100, 110, 100, 100), (200, 210, 100, 50)]
    );
    assert_eq!(plan(&[(0, 3)], 3, 1).len(), 3);
}

#[test]
fn slices_end_with_their_descriptor() {
    assert_eq!(
        plan(&[(0, 150), (1000, 150)], 300, 100),
        [
            (0, 0, 100, 100),
            (100, 100, 100, 50),
            (150, 1000, 101, 100),
            (250, 1100, 101, 50)
        ]
    );
}

/// One descriptor is longer than what is left and more follow, as in the suite's case of 4095
/// (R-05, U6).
#[test]
fn more_memory_than_needed() {
    assert_eq!(
        plan(&[(0, 60), (1000, 60), (2000, 60)], 100, 4096),
        [(0, 0, 100, 60), (60, 1000, 101, 40)]
    );
    assert_eq!(plan(&[(0, 100), (1000, 1)], 100, 4096), [(0, 0, 100, 100)]);
}

#[test]
fn r05_4095_descriptors() {
    // Sums larger than the transfer: the last one used is partial, others may be unused.
    for (size, used, last) in [(8u32 << 20, 4095, 2), (1 << 20, 4081, 16)] {
        let each = size / 4095 + 1;
        let list: Vec<_> = (0..4095u64).map(|i| (i << 20, each)).collect();
        let slices = plan(&list, size, 1 << 20);
        assert_eq!((slices.len(), slices[used - 1].3), (used, last));
        let mut local = 0;
        for (i, s) in slices.iter().enumerate() {
            assert_eq!((s.0, s.1, s.2), (local, (i as u64) << 20, 100 + i as u32));
            local += s.3;
        }
        assert_eq!(local, size);
    }
}

#[test]
fn counts_up_to_the_limit() {
    // Every count, among them those at which the C module never answers (W11).
    for count in [1, 2, 9, 10, 17, 31, 66, 255, 4095] {
        let list: Vec<_> = (0..count as u64).map(|i| (i * 4096, 1)).collect();
        assert_eq!(plan(&list, count, 4096).len(), count as usize);
        assert_eq!(
            error(&list, count + 1),
            SliceError::TooShort {
                described: u64::from(count),
                needed: count + 1
            }
        );
    }
    assert_eq!(
        error(&vec![(0, 1); MAX_DESCRIPTORS + 1], 1),
        SliceError::TooMany {
            count: MAX_DESCRIPTORS + 1
        }
    );
}

#[test]
fn descriptors_without_bytes_are_passed_over() {
    assert_eq!(
        plan(
            &[(5, 0), (1000, 10), (6, 0), (7, 0), (2000, 10), (8, 0)],
            20,
            4096
        ),
        [(0, 1000, 101, 10), (10, 2000, 104, 10)]
    );
    assert_eq!(
        error(&[(5, 0), (6, 0)], 1),
        SliceError::TooShort {
            described: 0,
            needed: 1
        }
    );
}

#[test]
fn too_little_memory() {
    assert_eq!(
        error(&[(0, 99)], 100),
        SliceError::TooShort {
            described: 99,
            needed: 100
        }
    );
    assert_eq!(
        error(&[], 1),
        SliceError::TooShort {
            described: 0,
            needed: 1
        }
    );
    // A sum that is large enough in 32 bits only after it has wrapped is large enough in 64.
    let list = [(0, u32::MAX), (1 << 40, u32::MAX)];
    assert_eq!(plan(&list, u32::MAX, u32::MAX).len(), 1);
    let list = [(0, u32::MAX - 1), (1 << 40, 5)];
    assert_eq!(
        plan(&list, u32::MAX, u32::MAX),
        [(0, 0, 100, u32::MAX - 1), (u32::MAX - 1, 1 << 40, 101, 1)]
    );
}

#[test]
fn address_space_ends() {
    let end = u64::MAX;
    assert_eq!(plan(&[(end, 1)], 1, 4096), [(0, end, 100, 1)]);
    assert_eq!(
        plan(&[(end - 99, 100)], 100, 60),
        [(0, end - 99, 100, 60), (60, end - 39, 100, 40)]
    );
    assert_eq!(
        error(&[(end, 2)], 1),
        SliceError::Wraps {
            offset: end,
            length: 2
        }
    );
    assert_eq!(
        error(&[(end - 99, 101)], 1),
        SliceError::Wraps {
            offset: end - 99,
            length: 101
        }
    );
    assert_eq!(
        error(&[(0, 1), (end, 2)], 3),
        SliceError::Wraps {
            offset: end,
            length: 2
        }
    );
    // Not looked at: the transfer ends before it. An empty one has no end either.
    assert_eq!(plan(&[(0, 3), (end, 2)], 3, 4096), [(0, 0, 100, 3)]);
    assert_eq!(plan(&[(end, 0), (0, 3)], 3, 4096), [(0, 0, 101, 3)]);
}

#[test]
fn bad_arguments() {
    let good = array(&[(0, 10)]);
    assert_eq!(
        Slices::new(&good, 0, 1).expect_err("no byte"),
        SliceError::EmptyTransfer
    );
    assert_eq!(
        Slices::new(&good, 1, 0).expect_err("no slice"),
        SliceError::EmptySlice
    );
    for cut in 1..16 {
        assert_eq!(
            Slices::new(&good[..cut], 1, 1).expect_err("cut"),
            SliceError::PartialDescriptor { bytes: cut }
        );
    }
    assert_eq!(
        SliceError::TooShort {
            described: 9,
            needed: 10
        }
        .to_string(),
        "buffer descriptors of 9 bytes for a transfer of 10"
    );
}

#[test]
fn what_is_left() {
    let list = array(&[(0, 10), (100, 10)]);
    let mut slices = Slices::new(&list, 15, 10).expect("good");
    assert_eq!(slices.left(), 15);
    assert_eq!(
        slices.next(),
        Some(Slice {
            local: 0,
            remote: 0,
            rkey: 100,
            len: 10
        })
    );
    assert_eq!(slices.left(), 5);
    assert_eq!(
        slices.next(),
        Some(Slice {
            local: 10,
            remote: 100,
            rkey: 101,
            len: 5
        })
    );
    assert_eq!(
        (slices.left(), slices.next(), slices.next()),
        (0, None, None)
    );
}

/// Against memory: each byte of the buffer meets the byte that it should.
#[test]
fn random_arrays() {
    for seed in 0..3000 {
        let mut rng = Rng::new(seed);
        let count = rng.range(1, 20);
        let list: Vec<_> = (0..count)
            .map(|_| {
                (
                    rng.range(0, 1 << 50),
                    if rng.percent(20) {
                        0
                    } else {
                        rng.range(1, 300) as u32
                    },
                )
            })
            .collect();
        let remote: Vec<(u64, u32)> = list
            .iter()
            .zip(100..)
            .flat_map(|(&(offset, length), key)| {
                (0..u64::from(length)).map(move |i| (offset + i, key))
            })
            .collect();
        if remote.is_empty() {
            continue;
        }
        let len = rng.range(1, remote.len() as u64) as u32;
        let max = rng.range(1, 400) as u32;
        let mut at = 0;
        for (local, offset, key, n) in plan(&list, len, max) {
            assert!((1..=max).contains(&n));
            assert_eq!(local, at);
            for i in 0..n {
                assert_eq!(remote[(at + i) as usize], (offset + u64::from(i), key));
            }
            at += n;
        }
        assert_eq!(at, len);
    }
}
