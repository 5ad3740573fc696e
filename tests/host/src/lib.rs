// SPDX-License-Identifier: GPL-2.0

//! What the tests of the protocol core share: parameters, literal messages, messages with chosen
//! fields, and a simulator of two connected endpoints.

pub mod build;
pub mod endpoint;
pub mod pair;
pub mod rng;
pub mod vectors;

use smbdirect_core::{LocalParams, Millis};

/// The values with which Linux and (but for two sizes) Windows start.
pub const DEFAULTS: LocalParams = LocalParams {
    recv_credit_max: 255,
    send_credit_target: 255,
    max_send_size: 1364,
    max_recv_size: 1364,
    max_fragmented_recv_size: 173_910,
    max_read_write_size: 8 * 1024 * 1024,
    keepalive_interval: Millis::from_secs(120),
    keepalive_timeout: Millis::from_secs(5),
};

/// The defaults with other credit numbers.
pub const fn with_credits(recv_credit_max: u16, send_credit_target: u16) -> LocalParams {
    LocalParams {
        recv_credit_max,
        send_credit_target,
        ..DEFAULTS
    }
}
