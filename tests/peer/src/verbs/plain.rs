// SPDX-License-Identifier: GPL-2.0
//! What is said to the layer, and what it says: values without a connection
//! in them. `tests/fuzz` has the same, over memory in the place of an adapter.

/// Where a server listens: each kind of adapter has a port of its own
/// (MS-SMBD 1.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Port {
    /// 5445 for iWARP, 445 for the others.
    #[default]
    ByDevice,
    Number(u16),
}

/// How many receives and sends an endpoint can have posted, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Queues {
    pub receives: u32,
    pub receive_size: usize,
    pub sends: u32,
    pub send_size: usize,
}

/// The work request that carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendKind {
    Send,
    /// Send with immediate data.
    Immediate(u32),
    /// Send with invalidate of a key of the other side.
    Invalidate(u32),
    /// RDMA write with immediate data and no bytes.
    WriteImmediate(u32),
    /// RDMA write of the bytes to an address of the other side, with a key.
    Write(u64, u32),
    /// RDMA read of as many bytes from there.
    Read(u64, u32),
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    Received {
        bytes: Vec<u8>,
        invalidated: Option<u32>,
        immediate: Option<u32>,
    },
    /// The connection has ended, and how that was seen.
    Gone(String),
}

/// What the other side may do with a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Nothing: our own receives and sends.
    Local,
    /// RDMA read: for what it shall fetch (a WRITE's data).
    Read,
    /// RDMA write: for what it shall deliver (a READ's data).
    Write,
    Both,
}
