// SPDX-License-Identifier: GPL-2.0

//! Registered memory as an SMB stack holds it.
#![forbid(unsafe_code)]

use super::{
    accept::region_pages,
    cause::Cause,
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
        match done {
            Ok(false) => {}
            Ok(true) => count(&self.socket.stats.request.local_invalidations),
            Err(_) => {
                // The key could not be invalidated, so it dies with the queue pair. No permit is held here.
                Socket::fail_for(self.socket.as_arc_borrow(), ECONNABORTED, Cause::Adapter);
                self.mr.wait_gone(ctx);
            }
        }
    }
}

impl Socket {
    /// Books a registration that the ABI layer has made.
    pub(crate) fn registered(&self, bytes: u64, copied: bool) {
        let counters = &self.stats.request;
        count(&counters.fast_registrations);
        if copied {
            count(&counters.copied_registrations);
        }
        count_n(&counters.registered_bytes, bytes);
    }

    /// Books a registration that waits for a region.
    pub(crate) fn waits_for_region(&self) {
        count(&self.stats.request.registration_stalls);
    }

    /// Explains why there is no registration; a failure of the hardware ends the connection. Sleeps if the adapter may have the registration all the same, until
    /// it has not; no permit may be held.
    pub(crate) fn register_failed(this: ArcBorrow<'_, Self>, ctx: &ProcessCtx, why: RegisterError) {
        count(&this.stats.request.registration_failures);
        match why {
            RegisterError::TooManyPages(pages) => this.log(
                Level::Err,
                class::RDMA_MR,
                format_args!(
                    "{pages} pages do not fit a registration of {}",
                    region_pages(&this.params.get())
                ),
            ),
            RegisterError::Interrupted => {}
            RegisterError::Failed(error) if error == ENOTCONN => {}
            // Nothing was posted, and the caller tries again.
            RegisterError::Failed(error) if error == ENOMEM => {}
            RegisterError::Failed(error) => Self::adapter_refused(this, error),
            RegisterError::Live(error, mr) => {
                Self::adapter_refused(this, error);
                mr.wait_gone(ctx);
            }
        }
    }

    fn adapter_refused(this: ArcBorrow<'_, Self>, error: Error) {
        this.log(
            Level::Err,
            class::RDMA_MR,
            format_args!("registering memory failed (errno {})", error.to_errno()),
        );
        Self::fail_for(this, ECONNABORTED, Cause::Adapter);
    }
}
