// SPDX-License-Identifier: GPL-2.0
//! One client's connection, from its negotiation on.

use std::time::Duration;

use super::answer::Reply;
use super::session::LARGEST;
use crate::smbd::Link;
use crate::stop::Try;
use crate::verbs::{Region, Rights, SendKind};

/// A connection that has negotiated.
pub struct Connection {
    pub link: Link,
    /// The how manieth connection it is.
    pub number: u32,
    pub session_id: u64,
    /// Messages of SMB2 that came.
    pub messages: u32,
    /// Our side of RDMA transfers; the sink of a read needs the right with iWARP.
    pub(super) staging: Region,
    whole: Vec<u8>,
    expected: Option<usize>,
}

impl Connection {
    pub(super) fn new(link: Link, number: u32) -> Try<Self> {
        let staging = link.register(LARGEST as usize, Rights::Write)?;
        Ok(Connection {
            link,
            number,
            session_id: 0x5e55_0000 + u64::from(number),
            messages: 0,
            staging,
            whole: Vec::new(),
            expected: None,
        })
    }

    /// The next message of SMB2, if one is complete within the time. Answers
    /// keepalives and keeps the client in credits.
    pub(super) fn message(&mut self, wait: Duration) -> Try<Option<Vec<u8>>> {
        let Some(m) = self.link.poll_data(wait)? else {
            return Ok(None);
        };
        let low = u64::from(self.link.offer.receives / 2);
        if m.header.flags & 1 != 0 || self.link.promised < low {
            self.link.send_grant()?;
        }
        if m.header.is_empty() {
            return Ok(None);
        }
        let rest = self
            .link
            .take_fragment(&m, &mut self.whole, &mut self.expected)?;
        if rest > 0 {
            return Ok(None);
        }
        self.expected = None;
        self.messages += 1;
        Ok(Some(std::mem::take(&mut self.whole)))
    }

    /// Send a response; a key that the client wants invalidated goes with it.
    pub fn send(&mut self, reply: &Reply) -> Try<()> {
        let kind = reply.token.map_or(SendKind::Send, SendKind::Invalidate);
        self.link.send_message_as(&reply.bytes, kind)
    }
}
