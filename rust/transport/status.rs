// SPDX-License-Identifier: GPL-2.0

//! Status and first error of a socket, in one atomic word.
#![forbid(unsafe_code)]

use super::cause::Cause;
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Full},
};
use smbdirect_core::lifecycle::{Event, Status};

/// Status in the low byte, the positive errno of the first failure in the two above it, its cause in the top one.
///
/// One word, so that "progress" and "failure" cannot cross: whoever comes second sees the first.
pub(crate) struct StatusWord(Atomic<u32>);

/// Bits of the word that hold the errno.
const ERRNO: u32 = 0xffff;

/// Error and cause of a word, as they are kept together.
fn unpack(word: u32) -> (Status, u32) {
    let status = Status::ALL
        .get((word & 0xff) as usize)
        .copied()
        .unwrap_or(Status::Destroyed);
    (status, word >> 8)
}

fn pack(status: Status, failure: u32) -> u32 {
    u32::from(status.number()) | failure << 8
}

impl StatusWord {
    /// A fresh socket's.
    pub(crate) fn new() -> Self {
        Self(Atomic::new(pack(Status::Created, 0)))
    }

    /// The status.
    pub(crate) fn status(&self) -> Status {
        unpack(self.0.load(Acquire)).0
    }

    /// The first error, if there was a failure.
    pub(crate) fn first_error(&self) -> Option<Error> {
        match unpack(self.0.load(Acquire)).1 & ERRNO {
            0 => None,
            errno => Some(Error::from_errno(-(errno as i32))),
        }
    }

    /// What caused the first error.
    pub(crate) fn cause(&self) -> Cause {
        Cause::from_number(unpack(self.0.load(Acquire)).1 >> 16)
    }

    /// Connected and not failed. Any context.
    #[inline]
    pub(crate) fn is_connected(&self) -> bool {
        self.0.load(Acquire) == pack(Status::Connected, 0)
    }

    fn update(&self, mut step: impl FnMut(Status, u32) -> Option<(Status, u32)>) -> Option<Status> {
        let mut old = self.0.load(Acquire);
        loop {
            let (status, errno) = unpack(old);
            let (status_new, errno_new) = step(status, errno)?;
            match self.0.cmpxchg(old, pack(status_new, errno_new), Full) {
                Ok(_) => return Some(status),
                Err(current) => old = current,
            }
        }
    }

    /// Moves on by an event of normal progress. Fails with `-ENOTCONN` if the socket has failed, with `-EINVAL` if the event does not belong to the status.
    pub(crate) fn advance(&self, event: Event) -> Result {
        let mut error = EINVAL;
        self.update(|status, errno| {
            if errno != 0 {
                error = ENOTCONN;
                return None;
            }
            status.next(event).ok().map(|next| (next, 0))
        })
        .map(|_| ())
        .ok_or(error)
    }

    /// Records a failure. Returns the status before, if this was the first.
    pub(crate) fn fail(&self, error: Error, cause: Cause) -> Option<Status> {
        let code = error.to_errno().unsigned_abs() & ERRNO | (cause as u32) << 16;
        self.update(|status, errno| {
            if errno != 0 {
                return None;
            }
            Some((status.next(Event::Fail).unwrap_or(status), code))
        })
    }

    /// Moves a failed socket on through teardown; events that do not belong to the status are ignored.
    pub(crate) fn wind_down(&self, event: Event) {
        self.update(|status, errno| status.next(event).ok().map(|next| (next, errno)));
    }
}
