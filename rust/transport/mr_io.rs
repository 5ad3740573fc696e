// SPDX-License-Identifier: GPL-2.0

//! Registered memory as an SMB stack holds it.
#![forbid(unsafe_code)]

use super::{
    socket::Socket,
    stats::{count, count_n},
};
use kernel::{
    prelude::*,
    sync::{Arc, ArcBorrow},
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    log::{class, Level},
};
use smbdirect_rdma::mr::{Mr, RegisterError, RemoteBuffer};

/// How long a registration waits for a region. Regions come back with the answers of the server; a caller that gets none tries again.
pub(crate) const REGISTER_MS: u64 = 30_000;

/// A registration. Outlives its socket's connection; then it is a shell.
pub(crate) struct MrIo {
    pub(crate) socket: Arc<Socket>,
    pub(crate) mr: Arc<Mr>,
}

impl MrIo {
    /// What the peer needs to reach the memory, or `None` if it is not registered any more. Sleeps.
    pub(crate) fn remote_buffer(&self, ctx: &ProcessCtx) -> Option<RemoteBuffer> {
        self.mr.remote_buffer(ctx)
    }

    /// Ends the registration (contract §3.11): afterwards the peer cannot reach the memory. Sleeps, uninterruptibly, but not for ever.
    pub(crate) fn deregister(self, ctx: &ProcessCtx) {
        let done = match self.socket.enter() {
            Ok(endpoint) => endpoint
                .mrs()
                .map(|mrs| mrs.deregister(ctx, &self.mr))
                .unwrap_or(Err(ENOTCONN)),
            Err(error) => Err(error),
        };
        if done.is_err() {
            // The key could not be invalidated, so it dies with the queue pair. No permit is held here.
            Socket::fail(self.socket.as_arc_borrow(), ECONNABORTED);
            self.mr.wait_gone(ctx);
        }
    }
}

impl Socket {
    /// Books a registration that the ABI layer has made.
    pub(crate) fn registered(&self, bytes: u64, copied: bool) {
        count(&self.stats.registrations);
        if copied {
            count(&self.stats.copied_registrations);
        }
        count_n(&self.stats.registered_bytes, bytes);
    }

    /// Explains why there is no registration; a failure of the hardware ends the connection.
    pub(crate) fn register_failed(this: ArcBorrow<'_, Self>, why: RegisterError) {
        match why {
            RegisterError::TooManyPages(pages) => this.log(
                Level::Err,
                class::RDMA_MR,
                format_args!(
                    "{pages} pages do not fit a registration of {}",
                    this.params.get().max_frmr_depth
                ),
            ),
            RegisterError::Interrupted => {}
            RegisterError::Failed(error) if error == ENOTCONN => {}
            // Nothing was posted, and the caller tries again.
            RegisterError::Failed(error) if error == ENOMEM => {}
            RegisterError::Failed(error) => {
                this.log(
                    Level::Err,
                    class::RDMA_MR,
                    format_args!("registering memory failed (errno {})", error.to_errno()),
                );
                Self::fail(this, ECONNABORTED);
            }
        }
    }
}
