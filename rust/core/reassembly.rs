// SPDX-License-Identifier: GPL-2.0

//! Which fragments belong together (3.1.5.8).
//!
//! Only numbers are kept here: the payload is handed on as it arrives, so a message may have any
//! number of fragments. The rule, which the text leaves open in places:
//!
//! * DataLength and RemainingDataLength both zero: a message about credits. It is ignored even
//!   between two fragments (but never sent there).
//! * Otherwise the first message of a sequence announces how many bytes will follow it. A later
//!   one must not have more than are outstanding; the last one (RemainingDataLength zero) has to
//!   bring the rest; and one that is not the last must leave something outstanding.
//! * Messages of a sequence may be empty, the first included.
//! * RemainingDataLength of a later fragment counts only as zero or not zero. A wrong value in
//!   between is let pass, as other implementations do.

use crate::error::ProtocolError;

/// What the payload of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Length of the whole upper-layer message if this payload is its first.
    pub start: Option<u32>,
    /// True if this payload is the last of its message.
    pub end: bool,
}

/// State between two messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reassembly {
    /// Bytes announced and not yet here; `None` between two sequences.
    outstanding: Option<u32>,
    /// Length of the message as announced, until its first payload comes.
    announced: Option<u32>,
}

impl Reassembly {
    /// Nothing in progress.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            outstanding: None,
            announced: None,
        }
    }

    /// Bytes that are still to come of a message in progress.
    #[must_use]
    pub const fn outstanding(&self) -> Option<u32> {
        self.outstanding
    }

    /// Takes a message with `len` bytes of payload and RemainingDataLength `remaining`, whose sum
    /// is known to be within bounds. `None` if it has no payload.
    #[inline]
    pub fn accept(&mut self, len: u32, remaining: u32) -> Result<Option<Position>, ProtocolError> {
        if len == 0 && remaining == 0 {
            return Ok(None);
        }
        let left = match self.outstanding {
            None => {
                self.announced = Some(len.saturating_add(remaining));
                remaining
            }
            Some(announced) => {
                announced
                    .checked_sub(len)
                    .ok_or(ProtocolError::FragmentOverrun {
                        data_length: len,
                        announced,
                    })?
            }
        };
        match (remaining, left) {
            (0, 0) => self.outstanding = None,
            (0, missing) => return Err(ProtocolError::EndedEarly { missing }),
            (remaining, 0) => return Err(ProtocolError::MoreThanAnnounced { remaining }),
            (_, left) => self.outstanding = Some(left),
        }
        if len == 0 {
            return Ok(None);
        }
        Ok(Some(Position {
            start: self.announced.take(),
            end: self.outstanding.is_none(),
        }))
    }
}
