// SPDX-License-Identifier: GPL-2.0

//! The SMB Direct (MS-SMBD) protocol without any input or output.
//!
//! This crate knows what the protocol says and nothing else: no kernel, no memory allocation, no
//! clock, no locks. The caller tells it what happened (a message arrived, receives were posted,
//! a timer fired) and at what time, and is told what to do. The same sources are built into the
//! kernel module and, for the tests in `tests/host`, into an ordinary library.
//!
//! * [`negotiate`]: both sides of the opening exchange; the only maker of [`Negotiated`].
//! * [`link`]: an established connection; made of [`credits`], [`reassembly`] and [`keepalive`].
//! * [`fragment`]: cuts an upper-layer message into the payloads of data messages.
//! * [`recv_queue`]: received payload in order, for a reader that takes any number of bytes.
//! * [`pace`]: how slow a peer may be.
//! * [`slices`]: plan of an RDMA read or write over a peer's buffer descriptors.
//! * [`lifecycle`]: the states of a socket and every legal step between them.
//! * [`settings`], [`interfaces`]: what an administrator can set, and how it is spelled.
//! * [`wire`]: the bytes.
//!
//! Nothing in here panics, whatever a peer sends: arithmetic is checked or saturating by name and
//! slices are never indexed. The lints below keep it so.
//!
//! Clause numbers such as "3.1.5.8" are those of MS-SMBD.

#![cfg_attr(not(CONFIG_RUST), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

pub mod credits;
pub mod error;
pub mod fragment;
pub mod interfaces;
pub mod keepalive;
pub mod lifecycle;
pub mod link;
pub mod negotiate;
pub mod pace;
pub mod params;
pub mod reassembly;
pub mod recv_queue;
pub mod settings;
pub mod slices;
pub mod time;
pub mod wire;

pub use error::ProtocolError;
pub use keepalive::TimerAction;
pub use link::{Link, Payload, Received, SendState};
pub use negotiate::{
    client_negotiate, client_request, server_error_response, server_negotiate, server_response,
    ServerOutcome,
};
pub use params::{LocalParams, Negotiated, ParamError};
pub use time::Millis;
