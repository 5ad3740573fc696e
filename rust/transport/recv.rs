// SPDX-License-Identifier: GPL-2.0

//! Reading the stream of messages (contract §3.1).
#![forbid(unsafe_code)]

use super::{
    socket::{Role, Socket},
    state::Want,
    stats::own,
};
use kernel::{iov::IovIterDest, prelude::*, sync::ArcBorrow};
use smbdirect_core::recv_queue::Piece;
use smbdirect_kext::{
    ctx::ProcessCtx,
    time::jiffies,
    wait::{Mode, Outcome},
};
use smbdirect_rdma::Endpoint;

/// Pieces copied between two looks at the queue.
const PIECES: usize = 16;
/// Length of the header made up for a message: its length in 4 bytes, as on TCP.
const HEADER: usize = 4;
/// How long a client's reader sleeps before it returns `-EAGAIN`, so that cifs can check whether the server answers at all.
const CLIENT_NAP_MS: u64 = 7_000;

/// The next thing for a reader to do.
enum Plan {
    Header(u32),
    Copy(usize),
    Sleep,
    Gone,
}

impl Socket {
    /// Fills the iterator (contract §3.1): at the very start of a message and for exactly 4 bytes, with the message's length in big-endian order; else with
    /// payload, which goes on across messages. Returns the iterator's length; a socket that we connected may also return fewer bytes if a signal
    /// came, or `-EAGAIN` if nothing arrived for a while. One reader at a time. Sleeps, interruptibly.
    pub(crate) fn recv(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        dest: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        let endpoint = this.enter_connected()?;
        let size = dest.len();
        let mut copied = 0;
        let mut pieces = [Piece::default(); PIECES];
        while copied < size {
            let want = Want {
                bytes: (size - copied) as u64,
                header: copied == 0 && size == HEADER,
            };
            match this.plan(want, &mut pieces) {
                Plan::Gone => return Err(ENOTCONN),
                Plan::Header(len) => {
                    return if dest.copy_to_iter(&len.to_be_bytes()) == HEADER {
                        Ok(HEADER)
                    } else {
                        Err(EFAULT)
                    };
                }
                Plan::Copy(count) => {
                    let taken = pieces.get(..count).unwrap_or(&[]);
                    copied += Self::copy(this, &endpoint, taken, dest)?;
                }
                Plan::Sleep => match Self::nap(this, ctx, want, copied)? {
                    Some(short) => return Ok(short),
                    None => continue,
                },
            }
        }
        Ok(copied)
    }

    fn plan(&self, want: Want, pieces: &mut [Piece]) -> Plan {
        if !self.status.is_connected() {
            return Plan::Gone;
        }
        self.with_link(|est| {
            if want.header {
                if let Some(len) = est.queue.take_header() {
                    return Plan::Header(len);
                }
            }
            if !est.readable(Want {
                header: false,
                ..want
            }) {
                return Plan::Sleep;
            }
            match est
                .queue
                .take(u32::try_from(want.bytes).unwrap_or(u32::MAX), pieces)
            {
                0 => Plan::Sleep,
                count => Plan::Copy(count),
            }
        })
        .unwrap_or(Plan::Gone)
    }

    /// Copies pieces out and posts the slots that are exhausted.
    fn copy(
        this: ArcBorrow<'_, Self>,
        endpoint: &Endpoint<Socket>,
        pieces: &[Piece],
        dest: &mut IovIterDest<'_>,
    ) -> Result<usize> {
        let pool = endpoint.recv().ok_or(ENOTCONN)?;
        let mut copied = 0;
        let mut fault = false;
        let mut empty = pieces.iter().filter_map(|piece| {
            let slot = pool.unpark(piece.slot)?;
            let from = piece.offset as usize;
            let bytes = slot
                .bytes()
                .get(from..from + piece.len as usize)
                .unwrap_or(&[]);
            let got = if fault { 0 } else { dest.copy_to_iter(bytes) };
            copied += got;
            fault |= got != piece.len as usize;
            if !piece.done {
                // The rest of it is at the head of the queue.
                slot.park();
                return None;
            }
            own(&this.stats.reader.recv_buffers_returned, 1);
            Some(slot)
        });
        // Nothing to post, grant or answer while the reader is in the middle of a message's only fragment.
        let exhausted = pieces.iter().any(|piece| piece.done);
        if exhausted {
            Self::post_receives(&this, endpoint, &mut empty);
        }
        empty.for_each(drop);
        if fault {
            return Err(EFAULT);
        }
        if !exhausted {
            return Ok(copied);
        }
        if this.with_link(|est| !est.token && est.link.empty_due()) == Some(true) {
            Self::send_empties(this);
        }
        Ok(copied)
    }

    /// Sleeps until the reader can go on. `Some` ends the call with that many bytes.
    fn nap(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        want: Want,
        copied: usize,
    ) -> Result<Option<usize>> {
        let client = this.role() == Role::Client;
        let timeout = client.then(|| jiffies(CLIENT_NAP_MS));
        let outcome = this.readers.wait(ctx, Mode::Interruptible, timeout, || {
            if !this.status.is_connected() {
                return Some(());
            }
            this.with_link(|est| {
                if est.readable(want) {
                    est.want = None;
                    return Some(());
                }
                est.want = Some(want);
                None
            })
            .unwrap_or(Some(()))
        });
        match outcome {
            Outcome::Ready(()) => Ok(None),
            Outcome::TimedOut if copied == 0 => Err(EAGAIN),
            Outcome::TimedOut => Ok(Some(copied)),
            Outcome::Interrupted if copied == 0 => Err(ERESTARTSYS),
            Outcome::Interrupted if client => Ok(Some(copied)),
            Outcome::Interrupted => {
                // A server's consumer would lose its place in the stream.
                Self::fail(this, ERESTARTSYS);
                Err(ERESTARTSYS)
            }
        }
    }
}
