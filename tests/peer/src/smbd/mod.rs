// SPDX-License-Identifier: GPL-2.0
//! SMB Direct as this peer speaks it: nothing is hidden from the cases.

mod link;
mod stream;
pub mod wire;

pub use link::{Link, Offer, DISCONNECT, PATIENCE};
