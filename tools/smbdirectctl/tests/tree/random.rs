// SPDX-License-Identifier: GPL-2.0

//! Numbers to change things by.

/// Deterministic, so that a failure can be repeated.
pub struct Random(pub u64);

impl Random {
    /// A number below `below`; 0 if there is none.
    pub fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}
