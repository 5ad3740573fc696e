// SPDX-License-Identifier: GPL-2.0
//! RDMA reads and writes, one at a time.

use std::io;
use std::time::{Duration, Instant};

use super::endpoint::{Endpoint, TRANSFER};
use super::ffi::*;
use super::memory::Region;

/// How long the completion of a transfer is waited for when the connection has ended.
const GRACE: Duration = Duration::from_secs(1);

/// The direction, as this side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// From our memory to the other side's.
    Write,
    /// From the other side's memory to ours.
    Read,
}

impl Endpoint {
    /// Move `len` bytes between a region of ours, from `at`, and the memory that
    /// the other side describes by address and key; waits until it is done. An
    /// error that the other side's adapter reported is the inner one: with it
    /// the connection has ended.
    pub fn transfer(
        &mut self,
        how: Transfer,
        region: &Region,
        at: usize,
        len: usize,
        (address, key): (u64, u32),
        deadline: Instant,
    ) -> io::Result<Result<(), String>> {
        assert!(at <= region.buffer.len() && len <= region.buffer.len() - at);
        let mut sge = Sge {
            addr: region.buffer.address() + at as u64,
            length: len as u32,
            lkey: region.lkey(),
        };
        // SAFETY: a work request of zeros is one that does nothing.
        let mut wr: SendWr = unsafe { std::mem::zeroed() };
        wr.wr_id = TRANSFER;
        wr.sg_list = &mut sge;
        wr.num_sge = 1;
        wr.send_flags = SEND_SIGNALED;
        wr.opcode = match how {
            Transfer::Write => WR_RDMA_WRITE,
            Transfer::Read => WR_RDMA_READ,
        };
        wr.remote_addr = address;
        wr.remote_key = key;
        self.transferred = None;
        self.post(&mut wr)?;
        let mut patience = None;
        loop {
            if let Some(status) = self.transferred.take() {
                return Ok(match status {
                    0 => Ok(()),
                    _ => Err(status_name(status).to_string()),
                });
            }
            // its completion may come after what showed the end
            if self.gone && *patience.get_or_insert(Instant::now() + GRACE) <= Instant::now() {
                return Ok(Err("the connection has ended".into()));
            }
            if !self.step(patience.unwrap_or(deadline))? && !self.gone {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "waited in vain for an RDMA transfer",
                ));
            }
        }
    }
}
