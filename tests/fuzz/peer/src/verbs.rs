// SPDX-License-Identifier: GPL-2.0

//! What the layer asks of verbs, without any. Time does not pass: who waits gets what the other side
//! has to say now, or the deadline.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[path = "../../../peer/src/verbs/plain.rs"]
mod plain;

pub use plain::{Event, Port, Queues, Rights, SendKind};

/// The other side of the connection.
pub trait Other {
    /// A message arrives; false if that ends the connection.
    fn take(&mut self, message: &[u8]) -> bool;
    /// The next message that it sends, if there is one. It is not asked while no receive is posted.
    fn give(&mut self) -> Option<Vec<u8>>;
}

thread_local! {
    static NEXT: RefCell<Option<Box<dyn Other>>> = const { RefCell::new(None) };
}

/// The next connection is to this one.
pub fn connect_to(other: Box<dyn Other>) {
    NEXT.with(|next| *next.borrow_mut() = Some(other));
}

/// There is no memory for the other side.
pub struct Region;

/// A connection.
pub struct Endpoint {
    other: Box<dyn Other>,
    queues: Queues,
    posted: u32,
    events: VecDeque<Event>,
    gone: bool,
}

impl Endpoint {
    /// To whom [`connect_to`] has named.
    pub fn connect(
        _to: SocketAddr,
        _port: Port,
        queues: Queues,
        post: u32,
        _timeout: Duration,
    ) -> io::Result<Self> {
        let other = NEXT.with(|next| next.borrow_mut().take());
        let mut this = Self {
            other: other.ok_or(io::ErrorKind::NotConnected)?,
            queues,
            posted: 0,
            events: VecDeque::new(),
            gone: false,
        };
        this.post_receives(post)?;
        Ok(this)
    }

    pub fn is_iwarp(&self) -> bool {
        false
    }

    pub fn posted(&self) -> u32 {
        self.posted
    }

    pub fn post_receives(&mut self, n: u32) -> io::Result<u32> {
        let n = n.min(self.queues.receives - self.posted);
        self.posted += n;
        Ok(n)
    }

    fn end(&mut self, how: &str) {
        if !self.gone {
            self.gone = true;
            self.events.push_back(Event::Gone(how.into()));
        }
    }

    pub fn send(&mut self, bytes: &[u8], kind: SendKind, _deadline: Instant) -> io::Result<()> {
        assert!(bytes.len() <= self.queues.send_size && kind == SendKind::Send);
        if self.gone {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if !self.other.take(bytes) {
            self.end("the other side has ended it");
        }
        Ok(())
    }

    pub fn register(&self, _len: usize, _rights: Rights) -> io::Result<Region> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn register_invalidatable(&mut self, _len: usize, _rights: Rights) -> io::Result<Region> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn next(&mut self, _deadline: Instant) -> io::Result<Option<Event>> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        if self.gone {
            return Ok(None);
        }
        let Some(bytes) = self.other.give() else {
            return Ok(None);
        };
        // A queue pair would let the sender try again; a sender with credits never has to.
        assert!(self.posted > 0, "a message came and no receive is posted");
        assert!(
            bytes.len() <= self.queues.receive_size,
            "longer than the receive"
        );
        self.posted -= 1;
        Ok(Some(Event::Received {
            bytes,
            invalidated: None,
            immediate: None,
        }))
    }

    pub fn is_gone(&mut self) -> bool {
        self.gone
    }

    pub fn disconnect(&mut self) {
        self.gone = true;
    }
}
