// SPDX-License-Identifier: GPL-2.0

//! Cutting an upper-layer message into fragments (3.1.5.1, 3.1.5.4).
//!
//! A message may come as several pieces of memory, and one after the other. Bytes are gathered
//! into the open fragment until it is full, so a message needs no more fragments than its length
//! asks for, however many pieces it has. A caller that cannot put more pieces into one work
//! request closes the fragment early.
//!
//! ```
//! use smbdirect_core::fragment::{Cutter, Fragment};
//!
//! // 150 bytes in pieces of 60 and 90, at most 104 in a fragment.
//! let mut cutter = Cutter::new(150, 104);
//! assert_eq!(cutter.gather(60), 60);
//! assert!(!cutter.full());
//! assert_eq!(cutter.gather(90), 44);
//! assert_eq!(cutter.close(), Some(Fragment { len: 104, remaining: 46 }));
//! assert_eq!(cutter.gather(46), 46);
//! assert_eq!(cutter.close(), Some(Fragment { len: 46, remaining: 0 }));
//! assert!(cutter.done());
//! ```

/// One fragment: the numbers that [`crate::Link::emit`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Bytes of payload.
    pub len: u32,
    /// Bytes of the message that come after it.
    pub remaining: u32,
}

/// A message being cut.
#[derive(Debug, PartialEq, Eq)]
pub struct Cutter {
    /// Bytes not yet in any fragment.
    left: u32,
    /// Bytes in the open fragment.
    filled: u32,
    capacity: u32,
}

impl Cutter {
    /// A message of `total` bytes, in fragments of at most `capacity` (which is
    /// [`crate::Negotiated::payload_capacity`]). With a capacity of zero nothing can be gathered.
    #[must_use]
    pub const fn new(total: u32, capacity: u32) -> Self {
        Self {
            left: total,
            filled: 0,
            capacity,
        }
    }

    /// Bytes that still fit the open fragment.
    #[inline]
    #[must_use]
    pub fn room(&self) -> u32 {
        self.capacity.saturating_sub(self.filled).min(self.left)
    }

    /// Takes as many of `available` bytes of the current piece as fit the open fragment, and says
    /// how many that were.
    #[inline]
    pub fn gather(&mut self, available: u32) -> u32 {
        let n = available.min(self.room());
        self.filled = self.filled.saturating_add(n);
        self.left = self.left.saturating_sub(n);
        n
    }

    /// True if nothing more fits the open fragment, or the message ends with it: close it now.
    #[inline]
    #[must_use]
    pub fn full(&self) -> bool {
        self.filled != 0 && self.room() == 0
    }

    /// Ends the open fragment, full or not; `None` if it has no byte.
    #[inline]
    pub fn close(&mut self) -> Option<Fragment> {
        if self.filled == 0 {
            return None;
        }
        let len = self.filled;
        self.filled = 0;
        Some(Fragment {
            len,
            remaining: self.left,
        })
    }

    /// True if every byte of the message is in a closed fragment.
    #[inline]
    #[must_use]
    pub const fn done(&self) -> bool {
        self.left == 0 && self.filled == 0
    }

    /// Bytes that are not in a closed fragment.
    #[inline]
    #[must_use]
    pub const fn unsent(&self) -> u32 {
        self.left.saturating_add(self.filled)
    }
}

/// The fragments of a message that is one piece of memory.
#[derive(Debug)]
pub struct Fragments(Cutter);

impl Fragments {
    /// See [`Cutter::new`].
    #[must_use]
    pub const fn new(total: u32, capacity: u32) -> Self {
        Self(Cutter::new(total, capacity))
    }
}

impl Iterator for Fragments {
    type Item = Fragment;

    #[inline]
    fn next(&mut self) -> Option<Fragment> {
        self.0.gather(u32::MAX);
        self.0.close()
    }
}
