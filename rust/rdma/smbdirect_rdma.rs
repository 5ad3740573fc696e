// SPDX-License-Identifier: GPL-2.0

//! Safe RDMA: connection manager ids, queue pairs, posted buffers, memory registrations, RDMA read and write.
//!
//! This crate knows nothing of SMB Direct. All `unsafe` that verbs need is here; the transport on top is written without.
//! `Documentation/rdma-abstractions.md` lists the invariants.
//!
//! ```text
//! Endpoint<O> ── CmId<O>            the id pins the device; destroyed last
//!             ├─ Verbs<O>           PD, CQ, QP; the send queue's ledger
//!             ├─ SendRing<O>        DMA-mapped send slots, in the ledger's order
//!             ├─ RecvPool<O>        DMA-mapped receive slots
//!             ├─ MrPool             fast-registration MRs (client)
//!             └─ half-posted RDMA read/write batches
//! ```
//!
//! `O: Owner` is the object that gets the callbacks (the transport's socket). The endpoint holds an `Arc` of it, and the owner holds the
//! endpoint behind a gate; dropping the endpoint quiesces the hardware and breaks the cycle.

/// Prefix of the kernel log lines of this crate (the printing macros look for it in the crate root).
const __LOG_PREFIX: &[u8] = b"smbdirect\0";

pub mod addr;
mod bounce;
pub mod chunk;
pub mod client;
pub mod cm;
pub mod cqe;
pub mod device;
pub mod endpoint;
pub mod memory;
pub mod mr;
pub mod net;
pub mod recv_pool;
pub mod rw;
pub mod send_ring;
#[cfg(smbdirect_kunit)]
#[path = "tests/tests.rs"]
mod tests;
pub mod verbs;

pub use endpoint::{Endpoint, Fault, Owner};
