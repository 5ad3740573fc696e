// SPDX-License-Identifier: GPL-2.0
//! RDMA connections: the only layer with unsafe code.

mod cm;
mod endpoint;
mod ffi;
mod library;
mod memory;

pub use cm::Port;
pub use endpoint::{Endpoint, Event, Queues, SendKind};
pub use memory::{Region, Rights};
