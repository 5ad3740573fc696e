// SPDX-License-Identifier: GPL-2.0

//! Status and first error of a socket, in one atomic word.
#![forbid(unsafe_code)]

use super::cause::Cause;
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Full},
};
use smbdirect_core::lifecycle::{Event, Status};

/// Status in the low byte; above it, of the first failure, the positive errno (12 bits), the status that it came in (5) and its cause (7).
///
/// One word, so that "progress" and "failure" cannot cross: whoever comes second sees the first.
pub(crate) struct StatusWord(Atomic<u32>);

/// Bits of a failure that hold the errno.
const ERRNO: u32 = 0xfff;
/// Where in it the status is that it came in, and how many values there is room for.
const STAGE_SHIFT: u32 = 12;
const STAGES: u32 = 32;
/// Where the cause is.
const CAUSE_SHIFT: u32 = 17;

const _: () = assert!(Status::ALL.len() <= STAGES as usize && Cause::COUNT <= 128);

fn status_of(number: u32) -> Status {
    Status::ALL
        .get(number as usize)
        .copied()
        .unwrap_or(Status::Destroyed)
}

/// The status of a word, and its failure.
fn unpack(word: u32) -> (Status, u32) {
    (status_of(word & 0xff), word >> 8)
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
        Cause::from_number(unpack(self.0.load(Acquire)).1 >> CAUSE_SHIFT)
    }

    /// The status that the first failure came in, if there was one.
    pub(crate) fn failed_in(&self) -> Option<Status> {
        match unpack(self.0.load(Acquire)).1 {
            0 => None,
            failure => Some(status_of(failure >> STAGE_SHIFT & (STAGES - 1))),
        }
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
        let code = error.to_errno().unsigned_abs() & ERRNO | (cause as u32) << CAUSE_SHIFT;
        self.update(|status, errno| {
            if errno != 0 {
                return None;
            }
            let code = code | u32::from(status.number()) << STAGE_SHIFT;
            Some((status.next(Event::Fail).unwrap_or(status), code))
        })
    }

    /// Moves a failed socket on through teardown; events that do not belong to the status are ignored.
    pub(crate) fn wind_down(&self, event: Event) {
        self.update(|status, errno| status.next(event).ok().map(|next| (next, errno)));
    }
}
