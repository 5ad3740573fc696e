// SPDX-License-Identifier: GPL-2.0
//! RDMA connections: the only layer with unsafe code.

mod cm;
mod endpoint;
mod ffi;
mod library;
mod listener;
mod memory;
mod transfer;
mod window;

pub use cm::Port;
pub use endpoint::{Endpoint, Event, Queues, SendKind};
pub use listener::{Listener, Request};
pub use memory::{Region, Rights};
pub use transfer::Transfer;
