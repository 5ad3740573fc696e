// SPDX-License-Identifier: GPL-2.0

//! The bytes of an input as numbers. They are taken from the front, so that a seed can be written
//! down field by field; bytes that are missing are zero.

use smbdirect_core::{LocalParams, Millis};

/// What is left of an input.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of it.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// True if nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to `n` bytes.
    pub fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }

    fn number(&mut self, n: usize) -> u64 {
        let bytes = self.bytes(n);
        bytes
            .iter()
            .rev()
            .fold(0, |value, b| value << 8 | u64::from(*b))
    }

    /// A little-endian number.
    pub fn u8(&mut self) -> u8 {
        self.number(1) as u8
    }

    /// A little-endian number.
    pub fn u16(&mut self) -> u16 {
        self.number(2) as u16
    }

    /// A little-endian number.
    pub fn u32(&mut self) -> u32 {
        self.number(4) as u32
    }

    /// A little-endian number.
    pub fn u64(&mut self) -> u64 {
        self.number(8)
    }

    /// A number in `low..=high`, from one byte if that is enough for all of them.
    pub fn within(&mut self, low: u32, high: u32) -> u32 {
        let span = high - low;
        let n = match span {
            0..=0xFF => 1,
            0x100..=0xFFFF => 2,
            _ => 4,
        };
        low + (self.number(n) % (u64::from(span) + 1)) as u32
    }

    /// Any parameters, which may be invalid. The order is that of [`crate::seeds::params`].
    pub fn params(&mut self) -> LocalParams {
        LocalParams {
            recv_credit_max: self.u16(),
            send_credit_target: self.u16(),
            max_send_size: self.u32(),
            max_recv_size: self.u32(),
            max_fragmented_recv_size: self.u32(),
            max_read_write_size: self.u32(),
            keepalive_interval: Millis(self.u64()),
            keepalive_timeout: Millis(self.u64()),
        }
    }
}
