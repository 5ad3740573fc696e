// SPDX-License-Identifier: GPL-2.0

//! Kernel extras: what the transport and the RDMA layer need and the kernel crate does not offer yet.
//!
//! Small wrappers, each with its invariants written down, that know nothing of RDMA or SMB Direct. The [`bindings`] module is the one
//! place where raw names enter; only this crate, the RDMA crate and the C ABI may use it (`scripts/check-layers`).

/// Prefix of the kernel log lines of this crate (the printing macros look for it in the crate root).
const __LOG_PREFIX: &[u8] = b"smbdirect\0";

pub mod bindings;
pub mod ctx;
pub mod gate;
pub mod list;
pub mod lock;
pub mod log;
pub mod name;
pub mod shares;
pub mod sysfs;
#[cfg(smbdirect_kunit)]
#[path = "tests/tests.rs"]
pub mod tests;
pub mod time;
pub mod trace;
pub mod wait;
pub mod work;
