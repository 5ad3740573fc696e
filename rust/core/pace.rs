// SPDX-License-Identifier: GPL-2.0

//! How slow a peer may be: the slowest rate that is put up with, and a clock for the RDMA
//! transfers of a connection.
//!
//! MS-SMBD has no such limit; without one a peer keeps a server's workers for as long as it likes.

use crate::time::Millis;

/// Slowest transfer that anybody puts up with, in bytes per second, after a grace.
pub const MIN_RATE: u64 = 64 * 1024;
/// What a piece of data earns at least, however short: it is as much work.
pub const MIN_EARNED: u64 = 1024;

/// Milliseconds that `bytes` may take at [`MIN_RATE`].
#[inline]
#[must_use]
pub const fn allowed_ms(bytes: u64) -> u64 {
    bytes.saturating_mul(1000) / MIN_RATE
}

/// When the RDMA transfers of a connection have taken too long.
///
/// One clock for all of them, since they share a send queue: each waits behind others, which is
/// not the peer's fault. While any of them is under way, the connection has to move
/// [`MIN_RATE`], after a grace and apart from what the adapter has at the moment. What it moves
/// faster earns it at most [`BANK`](Self::BANK), so a peer cannot be quick first and silent
/// afterwards; what it moves slower is missing until the last transfer has ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TransferClock {
    /// Transfers that have begun and not ended.
    active: u32,
    /// What the adapter has: bytes, as they count.
    outstanding: u64,
    /// The time that what was moved accounts for.
    covered: Millis,
}

impl TransferClock {
    /// The grace.
    pub const GRACE: Millis = Millis::from_secs(60);
    /// Most time that may be earned in advance.
    pub const BANK: Millis = Millis::from_secs(60);

    /// A clock that stands still.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            active: 0,
            outstanding: 0,
            covered: Millis::ZERO,
        }
    }

    /// A transfer begins. Each ends with [`end`](Self::end).
    #[inline]
    pub fn begin(&mut self, now: Millis) {
        if self.active == 0 {
            self.covered = now;
        }
        self.active = self.active.saturating_add(1);
    }

    /// A part of a transfer that counts as `weight` bytes is given to the adapter.
    #[inline]
    pub fn posted(&mut self, weight: u64) {
        self.outstanding = self.outstanding.saturating_add(weight);
    }

    /// The adapter is done with such a part, and it was `moved` or failed.
    #[inline]
    pub fn done(&mut self, now: Millis, weight: u64, moved: bool) {
        self.outstanding = self.outstanding.saturating_sub(weight);
        if moved {
            let earned = self.covered.after(Millis(allowed_ms(weight)));
            self.covered = earned.min(now.after(Self::BANK));
        }
    }

    /// A transfer has ended, well or not.
    #[inline]
    pub fn end(&mut self) {
        self.active = self.active.saturating_sub(1);
    }

    /// Whether the adapter has parts of transfers.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.outstanding != 0
    }

    /// When to give up, if nothing is moved until then.
    #[must_use]
    pub fn until(&self) -> Millis {
        self.covered
            .after(Self::GRACE)
            .after(Millis(allowed_ms(self.outstanding)))
    }
}
