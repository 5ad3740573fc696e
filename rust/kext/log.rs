// SPDX-License-Identifier: GPL-2.0

//! Logging through the callbacks that an SMB stack gives us.

use crate::bindings;
use core::{fmt, fmt::Write};
use kernel::{ffi::c_void, prelude::*};

/// Severity, as in `SMBDIRECT_LOG_ERR` / `SMBDIRECT_LOG_INFO`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something the administrator should know of.
    Err = 0,
    /// Detail; the consumer decides.
    Info = 1,
}

/// Message classes, as in `SMBDIRECT_LOG_*`.
pub mod class {
    /// Outgoing connections.
    pub const OUTGOING: u32 = 0x1;
    /// Incoming connections.
    pub const INCOMING: u32 = 0x2;
    /// Receive path.
    pub const READ: u32 = 0x4;
    /// Send path.
    pub const WRITE: u32 = 0x8;
    /// RDMA sends.
    pub const RDMA_SEND: u32 = 0x10;
    /// RDMA receives.
    pub const RDMA_RECV: u32 = 0x20;
    /// Keepalive.
    pub const KEEP_ALIVE: u32 = 0x40;
    /// Connection-manager and device events.
    pub const RDMA_EVENT: u32 = 0x80;
    /// Memory registrations.
    pub const RDMA_MR: u32 = 0x100;
    /// RDMA read and write.
    pub const RDMA_RW: u32 = 0x200;
    /// Negotiation.
    pub const NEGOTIATE: u32 = 0x400;
}

/// The callbacks of one SMB stack.
///
/// # Invariants
///
/// If present, the functions may be called from any context with any socket handle that C made the callbacks known for, until
/// that handle is released; `private` is what they expect.
#[derive(Clone, Copy)]
pub struct Sink {
    needed: bindings::smbd_log_needed_fn,
    vaprintf: bindings::smbd_log_vaprintf_fn,
    private: *mut c_void,
}

// SAFETY: The private pointer is only passed back; the callbacks may be called from any context (type invariant).
unsafe impl Send for Sink {}
// SAFETY: As above.
unsafe impl Sync for Sink {}

/// Longest line in bytes; what is longer is cut.
const LINE: usize = 240;

/// One formatted line.
struct Line {
    text: [u8; LINE],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.text.len() - self.len;
        let part = s.len().min(room);
        let end = self.len + part;
        if let (Some(to), Some(from)) = (self.text.get_mut(self.len..end), s.as_bytes().get(..part))
        {
            to.copy_from_slice(from);
        }
        self.len = end;
        Ok(())
    }
}

impl Sink {
    /// No callbacks: lines go to the kernel log under our own name.
    pub const NONE: Self = Self {
        needed: None,
        vaprintf: None,
        private: core::ptr::null_mut(),
    };

    /// Wraps the callbacks of `smbdirect_socket_set_logging`.
    ///
    /// # Safety
    ///
    /// The type invariant: callable from any context for the sockets they are set on, until those are released.
    pub unsafe fn new(
        needed: bindings::smbd_log_needed_fn,
        vaprintf: bindings::smbd_log_vaprintf_fn,
        private: *mut c_void,
    ) -> Self {
        Self {
            needed,
            vaprintf,
            private,
        }
    }

    /// Whether there is an opinion on this level and class (no rate limit). Any context.
    fn wanted(&self, handle: *const c_void, level: Level, class: u32) -> bool {
        match self.needed {
            // SAFETY: By the type invariant.
            Some(_) => unsafe {
                bindings::smbd_log_needed(
                    self.needed,
                    handle.cast_mut().cast(),
                    self.private,
                    level as u32,
                    class,
                )
            },
            None => level == Level::Err,
        }
    }

    /// Writes one line, if wanted. Errors are rate-limited, because most have a remote cause: those of each of 16 groups of `source`s on their own, so that one
    /// peer cannot silence what is to be said of others. Any context.
    ///
    /// `handle` is the address C knows the socket by; it is only passed on.
    pub fn write(
        &self,
        handle: *const c_void,
        source: u32,
        level: Level,
        class: u32,
        args: fmt::Arguments<'_>,
    ) {
        if !self.wanted(handle, level, class) {
            return;
        }
        // SAFETY: No preconditions.
        if level == Level::Err && !unsafe { bindings::smbd_log_ratelimit(source) } {
            return;
        }
        let mut line = Line {
            text: [0; LINE],
            len: 0,
        };
        let _ = line.write_fmt(args);
        match self.vaprintf {
            // SAFETY: By the type invariant for the callback; the text is `len` bytes long and is copied during the call.
            Some(_) => unsafe {
                bindings::smbd_log_text(
                    self.vaprintf,
                    handle.cast_mut().cast(),
                    c"smbdirect".as_char_ptr(),
                    0,
                    self.private,
                    level as u32,
                    class,
                    line.text.as_ptr().cast(),
                    line.len as kernel::ffi::c_int,
                )
            },
            None => {
                if let Some(Ok(text)) = line.text.get(..line.len).map(core::str::from_utf8) {
                    pr_err!("{text}\n");
                }
            }
        }
    }
}
