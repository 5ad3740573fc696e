// SPDX-License-Identifier: GPL-2.0

//! Socket parameters (MS-SMBD 3.1.1.1 and our timeouts).
#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use smbdirect_core::{params::LocalParams, time::Millis};

/// Only InfiniBand and RoCE devices (port 445).
pub(crate) const FLAG_ONLY_IB: u64 = 1;
/// Only iWARP devices (port 5445).
pub(crate) const FLAG_ONLY_IW: u64 = 2;

/// The parameters of a socket. Sizes are in bytes and include the 24-byte header where they speak of messages; times are in milliseconds.
#[derive(Clone, Copy, Default)]
#[allow(missing_docs)]
pub(crate) struct Params {
    pub(crate) flags: u64,
    pub(crate) resolve_addr_timeout_msec: u32,
    pub(crate) resolve_route_timeout_msec: u32,
    pub(crate) rdma_connect_timeout_msec: u32,
    pub(crate) negotiate_timeout_msec: u32,
    pub(crate) initiator_depth: u16,
    pub(crate) responder_resources: u16,
    pub(crate) recv_credit_max: u16,
    pub(crate) send_credit_target: u16,
    pub(crate) max_send_size: u32,
    pub(crate) max_fragmented_send_size: u32,
    pub(crate) max_recv_size: u32,
    pub(crate) max_fragmented_recv_size: u32,
    pub(crate) max_read_write_size: u32,
    pub(crate) max_frmr_depth: u32,
    pub(crate) keepalive_interval_msec: u32,
    pub(crate) keepalive_timeout_msec: u32,
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn low(word: u64) -> u32 {
    word as u32
}

fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

impl Params {
    /// The 64 bytes that C reads, as eight little-endian words.
    fn to_words(self) -> [u64; 8] {
        [
            self.flags,
            pair(
                self.resolve_addr_timeout_msec,
                self.resolve_route_timeout_msec,
            ),
            pair(self.rdma_connect_timeout_msec, self.negotiate_timeout_msec),
            u64::from(self.initiator_depth)
                | u64::from(self.responder_resources) << 16
                | u64::from(self.recv_credit_max) << 32
                | u64::from(self.send_credit_target) << 48,
            pair(self.max_send_size, self.max_fragmented_send_size),
            pair(self.max_recv_size, self.max_fragmented_recv_size),
            pair(self.max_read_write_size, self.max_frmr_depth),
            pair(self.keepalive_interval_msec, self.keepalive_timeout_msec),
        ]
    }

    /// The inverse of [`to_words`](Self::to_words).
    pub(crate) fn from_words(w: [u64; 8]) -> Self {
        let [flags, resolve, times, depths, send, recv, rw, keepalive] = w;
        Self {
            flags,
            resolve_addr_timeout_msec: low(resolve),
            resolve_route_timeout_msec: high(resolve),
            rdma_connect_timeout_msec: low(times),
            negotiate_timeout_msec: high(times),
            initiator_depth: depths as u16,
            responder_resources: (depths >> 16) as u16,
            recv_credit_max: (depths >> 32) as u16,
            send_credit_target: (depths >> 48) as u16,
            max_send_size: low(send),
            max_fragmented_send_size: high(send),
            max_recv_size: low(recv),
            max_fragmented_recv_size: high(recv),
            max_read_write_size: low(rw),
            max_frmr_depth: high(rw),
            keepalive_interval_msec: low(keepalive),
            keepalive_timeout_msec: high(keepalive),
        }
    }

    /// Refuses unknown flags, both port flags together, and depths that do not fit the wire (contract §2.3).
    pub(crate) fn validate(&self) -> Result {
        let both = FLAG_ONLY_IB | FLAG_ONLY_IW;
        if self.flags & !both != 0
            || self.flags == both
            || self.initiator_depth > u16::from(u8::MAX)
            || self.responder_resources > u16::from(u8::MAX)
        {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// What the protocol core wants to know.
    pub(crate) fn local(&self) -> LocalParams {
        LocalParams {
            recv_credit_max: self.recv_credit_max,
            send_credit_target: self.send_credit_target,
            max_send_size: self.max_send_size,
            max_recv_size: self.max_recv_size,
            max_fragmented_recv_size: self.max_fragmented_recv_size,
            max_read_write_size: self.max_read_write_size,
            keepalive_interval: Millis(u64::from(self.keepalive_interval_msec)),
            keepalive_timeout: Millis(u64::from(self.keepalive_timeout_msec)),
        }
    }
}

/// Parameters at a stable address, which C reads without locks at any time.
///
/// They change only before a socket is connected (contract §2.4); words are written one by one, so a reader in between sees old and new
/// fields, never torn ones.
#[repr(C, align(8))]
pub(crate) struct ParamsCell([Atomic<u64>; 8]);

#[cfg(not(target_endian = "little"))]
compile_error!("the parameter words are laid out for little-endian machines");

impl ParamsCell {
    /// All zero.
    pub(crate) fn new() -> Self {
        Self(Params::default().to_words().map(Atomic::new))
    }

    /// Reads all.
    pub(crate) fn get(&self) -> Params {
        let mut words = [0; 8];
        for (to, from) in words.iter_mut().zip(self.0.iter()) {
            *to = from.load(Relaxed);
        }
        Params::from_words(words)
    }

    /// Writes all.
    pub(crate) fn set(&self, params: &Params) {
        for (to, from) in self.0.iter().zip(params.to_words()) {
            to.store(from, Relaxed);
        }
    }
}
