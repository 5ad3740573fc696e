// SPDX-License-Identifier: GPL-2.0
//! Memory for the other side, with keys that it can invalidate or not.

use std::io;
use std::time::{Duration, Instant};

use super::endpoint::{Endpoint, BIND};
use super::ffi::*;
use super::memory::{Buffer, Region, Window};
use super::plain::Rights;

impl Endpoint {
    /// Register memory for the other side.
    pub fn register(&self, len: usize, rights: Rights) -> io::Result<Region> {
        Region::new(&self.domain, Buffer::new(len), rights, false)
    }

    /// Register memory whose key the other side can invalidate: a memory window,
    /// or with iWARP, whose keys can be invalidated as they are, plain.
    pub fn register_invalidatable(&mut self, len: usize, rights: Rights) -> io::Result<Region> {
        if self.is_iwarp() {
            return self.register(len, rights);
        }
        if !self.has_windows() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the device has no memory windows of type 2",
            ));
        }
        let mut region = Region::new(&self.domain, Buffer::new(len), rights, true)?;
        let window = Window::new(&self.domain)?;
        // SAFETY: a work request of zeros is one that does nothing.
        let mut wr: SendWr = unsafe { std::mem::zeroed() };
        wr.wr_id = BIND;
        wr.opcode = WR_BIND_MW;
        wr.send_flags = SEND_SIGNALED;
        wr.mw = window.mw.as_ptr();
        wr.mw_rkey = window.key;
        wr.mw_mr = region.mr();
        wr.mw_addr = region.buffer.address();
        wr.mw_length = region.buffer.len() as u64;
        wr.mw_access = rights.remote() as u32;
        self.bound = false;
        self.post(&mut wr)?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.bound {
            if self.gone || !self.step(deadline)? {
                return Err(io::Error::other("binding a memory window did not complete"));
            }
        }
        region.set_window(window);
        Ok(region)
    }

    fn has_windows(&self) -> bool {
        // SAFETY: zeros are valid, and the call fills it in.
        unsafe {
            let mut attr: DeviceAttr = std::mem::zeroed();
            (self.library.query_device)(self.id.verbs(), &mut attr) == 0
                && attr.device_cap_flags & DEVICE_MEM_WINDOW_TYPE_2B != 0
        }
    }
}
