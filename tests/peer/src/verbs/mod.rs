// SPDX-License-Identifier: GPL-2.0
//! RDMA connections: the only layer with unsafe code.

mod cm;
mod endpoint;
mod ffi;
mod library;
mod listener;
mod memory;
mod plain;
mod transfer;
mod window;

pub use endpoint::Endpoint;
pub use listener::{Listener, Request};
pub use memory::Region;
pub use plain::{Event, Port, Queues, Rights, SendKind};
pub use transfer::Transfer;
