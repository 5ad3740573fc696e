// SPDX-License-Identifier: GPL-2.0

//! SMB Direct sockets.
//!
//! A [`Socket`] is created for a network namespace, configured, and then either [connected](Socket::connect), or bound and made to
//! [listen](Socket::listen); a listening socket gives out connected ones with [`Socket::accept`]. On a connected socket whole SMB messages are
//! [sent](Socket::send_message) and [received](Socket::recv), memory is registered for the peer ([`Socket::register`]) or moved to and from its
//! memory ([`Socket::rdma_transfer`]). [`Socket::shutdown`] ends the connection, [`Socket::release`] gives the socket back.
//!
//! The C ABI in `abi/` is a thin layer over this; Rust code in the kernel can use it directly:
//!
//! ```ignore
//! let socket = Socket::create(&ctx, net)?;
//! socket.set_params(&params)?;
//! Socket::connect(socket.as_arc_borrow(), &server)?;
//! Socket::wait_connected(socket.as_arc_borrow(), &ctx)?;
//! Socket::send_message(socket.as_arc_borrow(), &ctx, &mut source, length, None)?;
//! let got = Socket::recv(socket.as_arc_borrow(), &ctx, &mut dest)?;
//! Socket::release(&ctx, socket);
//! ```
//!
//! There is no `unsafe` here. Contexts, locks and the teardown sequence are in `Documentation/architecture.md`.
#![forbid(unsafe_code)]

pub(crate) mod accept;
mod callbacks;
pub(crate) mod cause;
pub(crate) mod connect;
pub(crate) mod debug_text;
pub(crate) mod devices;
pub(crate) mod established;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod mr_io;
pub(crate) mod negotiate;
pub(crate) mod params;
pub(crate) mod policy;
pub(crate) mod probe;
pub(crate) mod recv;
pub(crate) mod rw_io;
pub(crate) mod send;
pub(crate) mod settings;
pub(crate) mod socket;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod teardown;
pub(crate) mod timer;

pub(crate) use socket::Socket;

use smbdirect_kext::work::QueueSlot;

/// Runs negotiation, pool growth and timers of all sockets. Items sleep for memory and, half a second at most, until an error response has left.
pub(crate) static WORK: QueueSlot = QueueSlot::new();
/// Shows connections to administrators. Items may wait for memory, and nobody waits for them.
pub(crate) static ADMIN: QueueSlot = QueueSlot::new();
/// Runs teardown.
pub(crate) static CLEANUP: QueueSlot = QueueSlot::new();
