// SPDX-License-Identifier: GPL-2.0

//! Which fragments belong together: the precise rule that follows from 3.1.5.8, as pseudo-code has
//! it, with a flag and a plain number.

use smbdirect_core::reassembly::Position;
use smbdirect_core::ProtocolError;

/// State between two messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Model {
    in_progress: bool,
    /// Announced and not yet here.
    remaining: i64,
    /// Bytes of the message that are here.
    arrived: i64,
    total: i64,
}

impl Model {
    /// Bytes that are still to come of a message in progress.
    #[must_use]
    pub fn outstanding(&self) -> Option<u32> {
        self.in_progress.then_some(self.remaining as u32)
    }

    /// A message that passed the checks of [`super::data`]. After an error the connection ends.
    pub fn accept(&mut self, len: u32, rem: u32) -> Result<Option<Position>, ProtocolError> {
        let (len64, rem64) = (i64::from(len), i64::from(rem));
        if len64 + rem64 == 0 {
            return Ok(None);
        }
        if !self.in_progress {
            *self = Self {
                in_progress: true,
                remaining: rem64,
                arrived: 0,
                total: len64 + rem64,
            };
        } else if len64 > self.remaining {
            return Err(ProtocolError::FragmentOverrun {
                data_length: len,
                announced: self.remaining as u32,
            });
        } else {
            self.remaining -= len64;
        }
        let first = self.arrived == 0;
        self.arrived += len64;
        assert_eq!(
            self.arrived + self.remaining,
            self.total,
            "the model itself"
        );
        if rem == 0 && self.remaining != 0 {
            return Err(ProtocolError::EndedEarly {
                missing: self.remaining as u32,
            });
        }
        if rem != 0 && self.remaining == 0 {
            return Err(ProtocolError::MoreThanAnnounced { remaining: rem });
        }
        self.in_progress = rem != 0;
        Ok((len != 0).then_some(Position {
            start: first.then_some(self.total as u32),
            end: !self.in_progress,
        }))
    }
}
