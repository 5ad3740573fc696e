// SPDX-License-Identifier: GPL-2.0

//! One module a target. The layout of its input is at the top of each.

pub mod dialogue;
pub mod differential;
pub mod link;
pub mod negotiate;
pub mod pair;
pub mod queue;
pub mod slices;
pub mod wire;
