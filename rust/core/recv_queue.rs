// SPDX-License-Identifier: GPL-2.0

//! Received payload in order, as pieces of receive buffers ("slots").
//!
//! A reader takes any number of bytes from the front, a part of a slot if it likes, so it can copy
//! data as it comes and give buffers back long before a message is complete. No payload is
//! touched here; the caller copies.

/// The payload in one receive buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// The receive buffer.
    pub slot: u16,
    /// Where the payload begins in it.
    pub offset: u32,
    /// Bytes of payload.
    pub len: u32,
    /// Length of the whole message if this is its first payload; 0 if it continues one.
    pub start: u32,
}

/// Memory for segments. It is as long as the number of receive buffers, so the queue cannot
/// overflow. The length must not change while the queue has it; see [`RecvQueue::replace_store`].
pub trait Store {
    /// The memory.
    fn slots(&self) -> &[Segment];
    /// The memory, to write to.
    fn slots_mut(&mut self) -> &mut [Segment];
}

impl<const N: usize> Store for [Segment; N] {
    fn slots(&self) -> &[Segment] {
        self
    }
    fn slots_mut(&mut self) -> &mut [Segment] {
        self
    }
}

impl Store for &mut [Segment] {
    fn slots(&self) -> &[Segment] {
        self
    }
    fn slots_mut(&mut self) -> &mut [Segment] {
        self
    }
}

/// There is no room for another segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

/// Bytes that a reader takes out of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The receive buffer to copy from.
    pub slot: u16,
    /// Where to begin in it.
    pub offset: u32,
    /// Bytes to copy.
    pub len: u32,
    /// True if the slot has nothing more: post it again after copying.
    pub done: bool,
}

/// Received payload in order.
#[derive(Debug)]
pub struct RecvQueue<S: Store> {
    store: S,
    /// Index of the oldest segment.
    head: usize,
    /// Segments in the queue.
    count: usize,
    /// Payload bytes in the queue.
    available: u64,
    /// True if the header of the message that begins at the head was taken.
    header_taken: bool,
}

impl<S: Store> RecvQueue<S> {
    /// The memory of the queue.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// An empty queue.
    #[must_use]
    pub const fn new(store: S) -> Self {
        Self {
            store,
            head: 0,
            count: 0,
            available: 0,
            header_taken: false,
        }
    }

    /// Payload bytes in the queue.
    #[inline]
    #[must_use]
    pub const fn available(&self) -> u64 {
        self.available
    }

    /// Segments in the queue: receive buffers that wait for the reader.
    #[inline]
    #[must_use]
    pub const fn segments(&self) -> usize {
        self.count
    }

    /// The index `n` places behind the head.
    #[inline]
    fn index(&self, n: usize) -> usize {
        let at = self.head.saturating_add(n);
        at.checked_sub(self.store.slots().len()).unwrap_or(at)
    }

    #[inline]
    fn front(&self) -> Option<&Segment> {
        if self.count == 0 {
            return None;
        }
        self.store.slots().get(self.head)
    }

    /// Adds the payload of a received message at the end.
    #[inline]
    pub fn push(&mut self, seg: Segment) -> Result<(), QueueFull> {
        if self.count >= self.store.slots().len() {
            return Err(QueueFull);
        }
        let at = self.index(self.count);
        *self.store.slots_mut().get_mut(at).ok_or(QueueFull)? = seg;
        self.count = self.count.saturating_add(1);
        self.available = self.available.saturating_add(u64::from(seg.len));
        Ok(())
    }

    /// The length of the message that begins exactly here, if its header was not taken yet.
    #[inline]
    #[must_use]
    pub fn header(&self) -> Option<u32> {
        match self.front() {
            Some(seg) if seg.start != 0 && !self.header_taken => Some(seg.start),
            _ => None,
        }
    }

    /// Takes the header: the length of the message that begins here is told once. Taking payload
    /// passes over a header that was not taken.
    #[inline]
    pub fn take_header(&mut self) -> Option<u32> {
        let total = self.header()?;
        self.header_taken = true;
        Some(total)
    }

    /// Takes up to `want` bytes, in at most as many pieces as `out` has room for, and says how
    /// many pieces these are. It goes on into the next message if `want` does.
    pub fn take(&mut self, want: u32, out: &mut [Piece]) -> usize {
        let mut left = want;
        let mut taken: usize = 0;
        for piece in out {
            if left == 0 || self.count == 0 {
                break;
            }
            let head = self.head;
            let Some(seg) = self.store.slots_mut().get_mut(head) else {
                break;
            };
            let len = seg.len.min(left);
            *piece = Piece {
                slot: seg.slot,
                offset: seg.offset,
                len,
                done: len == seg.len,
            };
            // What is left of the segment is in the middle of a message.
            seg.offset = seg.offset.saturating_add(len);
            seg.len = seg.len.saturating_sub(len);
            seg.start = 0;
            self.available = self.available.saturating_sub(u64::from(len));
            left = left.saturating_sub(len);
            taken = taken.saturating_add(1);
            self.header_taken = false;
            if piece.done {
                self.pop();
            }
        }
        taken
    }

    /// For teardown: drops the oldest segment and names its slot. `None` when all are gone.
    pub fn drain(&mut self) -> Option<u16> {
        let seg = *self.front()?;
        self.available = self.available.saturating_sub(u64::from(seg.len));
        self.header_taken = false;
        self.pop();
        Some(seg.slot)
    }

    #[inline]
    fn pop(&mut self) {
        self.head = self.index(1);
        self.count = self.count.saturating_sub(1);
    }

    /// Moves the queue to other memory, for a pool of buffers that grows. Gives the memory back
    /// that is no longer used: the old one, or `store` itself as the error if it is too short.
    pub fn replace_store(&mut self, mut store: S) -> Result<S, S> {
        if store.slots().len() < self.count {
            return Err(store);
        }
        for n in 0..self.count {
            let from = self.index(n);
            if let (Some(to), Some(seg)) =
                (store.slots_mut().get_mut(n), self.store.slots().get(from))
            {
                *to = *seg;
            }
        }
        self.head = 0;
        Ok(core::mem::replace(&mut self.store, store))
    }
}
