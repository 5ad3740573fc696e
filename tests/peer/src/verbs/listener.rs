// SPDX-License-Identifier: GPL-2.0
//! The passive side: where connections are asked for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::cm::Id;
use super::endpoint::Endpoint;
use super::ffi::*;
use super::library::Library;
use super::plain::{Port, Queues};

/// A listener; requests that are not taken wait.
pub struct Listener {
    id: Id,
}

/// A connection request. Dropping it refuses it.
pub struct Request {
    pub(super) id: Id,
    /// RDMA reads that the other side serves at a time.
    pub(super) reads: u8,
}

impl Listener {
    /// Listen at an address that belongs to an RDMA device.
    pub fn new(at: IpAddr, port: Port) -> io::Result<Self> {
        let library = Library::get().map_err(io::Error::other)?;
        let at = SocketAddr::new(at, 0);
        let first = match port {
            Port::Number(n) => n,
            Port::ByDevice => 445,
        };
        let id = Id::create(library)?;
        id.listen(at, first)?;
        if !id.has_device() {
            return Err(io::Error::other(format!("no RDMA device has {}", at.ip())));
        }
        if port != Port::ByDevice || !id.is_iwarp() {
            return Ok(Listener { id });
        }
        drop(id);
        let id = Id::create(library)?;
        id.listen(at, 5445)?;
        Ok(Listener { id })
    }

    pub fn is_iwarp(&self) -> bool {
        self.id.is_iwarp()
    }

    /// The next request, if there is one.
    pub fn request(&self) -> io::Result<Option<Request>> {
        let found = self.id.request()?;
        Ok(found.map(|(id, reads)| Request { id, reads }))
    }
}

impl Endpoint {
    /// Make the queues, post `post` receives, accept.
    pub fn accept(
        request: Request,
        queues: Queues,
        post: u32,
        timeout: Duration,
    ) -> io::Result<Self> {
        let library = Library::get().map_err(io::Error::other)?;
        let deadline = Instant::now() + timeout;
        let this = Self::prepare(library, request.id, queues, post)?;
        let mut param = ConnParam {
            responder_resources: 1,
            // RDMA reads of ours, as many as the client serves
            initiator_depth: request.reads.min(8),
            retry_count: 7,
            rnr_retry_count: 7,
            ..ConnParam::default()
        };
        // SAFETY: the id is that of a request and has a queue pair.
        if unsafe { (library.accept)(this.id.raw(), &mut param) } != 0 {
            return Err(io::Error::last_os_error());
        }
        this.id.expect(event::ESTABLISHED, deadline)?;
        Ok(this)
    }
}
