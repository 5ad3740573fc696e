// SPDX-License-Identifier: GPL-2.0

//! The list of sockets as it is at one moment, to be looked at without its lock.
#![forbid(unsafe_code)]

use crate::transport::{stats::Stats, Socket};
use core::fmt;
use kernel::{prelude::*, sync::Arc};

/// All sockets that have not ended; `past` gets what `ended` counts of others at that moment. Whoever arrives or ends needs the lock of the list, so
/// it is held for no longer than to copy it. Sleeps; an error if there is no memory, for files that are being written.
pub(crate) fn snapshot(past: &Stats, ended: &Stats) -> Result<KVVec<Arc<Socket>>, fmt::Error> {
    let mut copy = KVVec::new();
    loop {
        let wanted = crate::SOCKETS.lock().len();
        copy.reserve(wanted, GFP_KERNEL).map_err(|_| fmt::Error)?;
        let sockets = crate::SOCKETS.lock();
        if sockets.len() > copy.capacity() {
            continue;
        }
        for socket in sockets.iter() {
            let _ = copy.push_within_capacity(socket.clone());
        }
        past.absorb(ended);
        return Ok(copy);
    }
}
