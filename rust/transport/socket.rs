// SPDX-License-Identifier: GPL-2.0

//! The socket object, its configuration, and how its end begins.
#![forbid(unsafe_code)]

use super::{
    cause::Cause,
    devices::DeviceStats,
    listen::Listener,
    params::{Params, ParamsCell, FLAG_ONLY_IB, FLAG_ONLY_IW},
    state::State,
    stats::SocketStats,
    status::StatusWord,
    ADMIN, CLEANUP,
};
use core::fmt;
use kernel::{
    new_spinlock, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{Atomic, AtomicFlag, Full, Relaxed, Release},
        Arc, ArcBorrow, SetOnce, SpinLock, SpinLockIrq,
    },
    workqueue::{
        impl_has_delayed_work, impl_has_work, new_delayed_work, new_work, DelayedWork, Work,
    },
};
use smbdirect_core::{lifecycle::Status, pace::TransferClock};
use smbdirect_kext::{
    ctx::{NoioScope, ProcessCtx},
    gate::{Gated, Permit},
    log::{Level, Sink},
    new_wait_queue,
    time::now_ms,
    trace,
    wait::WaitQueue,
};
use smbdirect_rdma::{
    addr::{Host, SockAddr},
    cm::CmId,
    device::{node_type, Device},
    net::Net,
    Endpoint,
};

/// What a socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Not decided.
    Fresh = 0,
    /// Listens.
    Listener = 1,
    /// Was accepted, or waits to be.
    Server = 2,
    /// Connects.
    Client = 3,
}

/// Work items of a socket.
pub(crate) mod work_id {
    /// Negotiation and growth.
    pub(crate) const MAIN: u64 = 1;
    /// Teardown.
    pub(crate) const CLEANUP: u64 = 2;
    /// The last reference, after a grace period.
    pub(crate) const REAP: u64 = 3;
    /// Timers.
    pub(crate) const TICK: u64 = 4;
    /// Shows the connection to administrators, or takes it away from them.
    pub(crate) const SHOW: u64 = 5;
}

/// How a server said no.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// It, or the connection manager of its machine, rejected the connection, with this reason: a number of the connection manager, or a negative errno on iWARP.
    Rejected(i32),
    /// It answered the negotiate request with this NTSTATUS.
    Status(u32),
}

/// Configuration, written before use.
#[derive(Clone, Copy)]
pub(crate) struct Config {
    pub(crate) sink: Sink,
}

/// An SMB Direct socket. See the [module documentation](super) and `Documentation/architecture.md`.
#[pin_data]
pub(crate) struct Socket {
    pub(crate) status: StatusWord,
    /// Its number in files and traces; none is used twice.
    pub(crate) id: u64,
    pub(crate) params: ParamsCell,
    role: Atomic<i32>,
    /// Final depth of outstanding RDMA reads that we issue; 0 until known.
    pub(crate) read_depth: Atomic<u32>,
    /// When its RDMA transfers have taken too long. Process context only; no other lock is taken with it held.
    #[pin]
    pub(super) transfers: SpinLock<TransferClock>,
    /// Of a server's connection: the MaxFragmentedSize that an administrator wants.
    pub(super) fragmented_size: SetOnce<u32>,
    #[pin]
    pub(crate) config: SpinLockIrq<Config>,
    #[pin]
    pub(crate) state: SpinLockIrq<State>,
    #[pin]
    pub(crate) endpoint: Gated<Endpoint<Socket>>,
    /// The reader.
    #[pin]
    pub(crate) readers: WaitQueue,
    /// Everybody else: senders, connect, teardown.
    #[pin]
    pub(crate) events: WaitQueue,
    /// A listening socket's own, or the one a child belongs to.
    pub(crate) listener: SetOnce<Arc<Listener>>,
    /// The peer, once known: the address that a client connects to, or that a request names.
    pub(crate) peer: SetOnce<SockAddr>,
    /// Of a server's connection: whom to charge for it.
    pub(super) source: SetOnce<Host>,
    /// Of a client: what the server answered instead of taking the connection.
    pub(crate) answer: SetOnce<Answer>,
    pub(crate) torn_down: AtomicFlag,
    /// The CM says that the connection has ended, on both sides.
    pub(super) cm_ended: AtomicFlag,
    pub(crate) born: u64,
    /// The device that it is on, once known.
    pub(crate) device: SetOnce<Arc<DeviceStats>>,
    /// Its end was counted.
    pub(super) counted: AtomicFlag,
    /// Administrators were, or are about to be, shown it.
    pub(super) shown: AtomicFlag,
    pub(crate) stats: SocketStats,
    #[pin]
    main: Work<Socket, { work_id::MAIN }>,
    #[pin]
    cleanup: Work<Socket, { work_id::CLEANUP }>,
    #[pin]
    reap: Work<Socket, { work_id::REAP }>,
    #[pin]
    tick: DelayedWork<Socket, { work_id::TICK }>,
    #[pin]
    show: Work<Socket, { work_id::SHOW }>,
}

/// The number of the next socket.
static NEXT_ID: Atomic<u64> = Atomic::new(1);

impl_has_work! {
    impl HasWork<Self, { work_id::MAIN }> for Socket { self.main }
    impl HasWork<Self, { work_id::CLEANUP }> for Socket { self.cleanup }
    impl HasWork<Self, { work_id::REAP }> for Socket { self.reap }
    impl HasWork<Self, { work_id::SHOW }> for Socket { self.show }
}

impl_has_delayed_work! {
    impl HasDelayedWork<Self, { work_id::TICK }> for Socket { self.tick }
}

impl Socket {
    /// A fresh socket in no list, without an endpoint. Sleeps.
    pub(super) fn allocate(_ctx: &ProcessCtx, role: Role, config: Config) -> Result<Arc<Self>> {
        let this = Arc::pin_init(
            pin_init!(Self {
                status: StatusWord::new(),
                id: NEXT_ID.fetch_add(1, Relaxed),
                params: ParamsCell::new(),
                role: Atomic::new(role as i32),
                read_depth: Atomic::new(0),
                transfers <- new_spinlock!(TransferClock::new(), "smbdirect::Socket::transfers"),
                fragmented_size: SetOnce::new(),
                config <- new_spinlock_irq!(config, "smbdirect::Socket::config"),
                state <- new_spinlock_irq!(State::new(), "smbdirect::Socket::state"),
                endpoint <- Gated::new(),
                readers <- new_wait_queue!("smbdirect::Socket::readers"),
                events <- new_wait_queue!("smbdirect::Socket::events"),
                listener: SetOnce::new(),
                peer: SetOnce::new(),
                source: SetOnce::new(),
                answer: SetOnce::new(),
                torn_down: AtomicFlag::new(false),
                cm_ended: AtomicFlag::new(false),
                born: now_ms(),
                device: SetOnce::new(),
                counted: AtomicFlag::new(false),
                shown: AtomicFlag::new(false),
                stats: SocketStats::new(),
                main <- new_work!("smbdirect::Socket::main"),
                cleanup <- new_work!("smbdirect::Socket::cleanup"),
                reap <- new_work!("smbdirect::Socket::reap"),
                tick <- new_delayed_work!("smbdirect::Socket::tick"),
                show <- new_work!("smbdirect::Socket::show"),
            }),
            GFP_KERNEL,
        )?;
        // Teardown takes this lock and may be what memory reclaim waits for.
        let _noio = NoioScope::enter();
        crate::SOCKETS.lock().push(this.clone(), GFP_KERNEL)?;
        Ok(this)
    }

    /// Creates a socket for reliable connections in a network namespace. Sleeps.
    pub(crate) fn create(ctx: &ProcessCtx, net: Net<'_>) -> Result<Arc<Self>> {
        let this = Self::allocate(ctx, Role::Fresh, Config { sink: Sink::NONE })?;
        match CmId::new(ctx, net, this.clone()) {
            Ok(cm) => {
                let _ = this.endpoint.open(Endpoint::new(cm));
                Ok(this)
            }
            Err(err) => {
                // Takes it out of the list of sockets; nobody else knows it.
                Self::release(ctx, this);
                Err(err)
            }
        }
    }

    /// Makes a socket for an id that came with a connect request; `take` gives the id that has the socket as its handler. Sleeps.
    pub(crate) fn adopt(
        ctx: &ProcessCtx,
        take: impl FnOnce(Arc<Self>) -> CmId<Self>,
    ) -> Result<Arc<Self>> {
        let this = Self::allocate(ctx, Role::Server, Config { sink: Sink::NONE })?;
        let _ = this.endpoint.open(Endpoint::new(take(this.clone())));
        Ok(this)
    }

    /// What the socket is for.
    pub(crate) fn role(&self) -> Role {
        match self.role.load(Relaxed) {
            1 => Role::Listener,
            2 => Role::Server,
            3 => Role::Client,
            _ => Role::Fresh,
        }
    }

    pub(super) fn set_role(&self, role: Role) {
        self.role.store(role as i32, Relaxed);
    }

    /// Uses the endpoint, if it is (still) there. Any context.
    #[inline]
    pub(crate) fn enter(&self) -> Result<Permit<'_, Endpoint<Socket>>> {
        self.endpoint.enter().ok_or(ENOTCONN)
    }

    /// Like [`enter`](Self::enter), for calls that need a connected socket.
    #[inline]
    pub(crate) fn enter_connected(&self) -> Result<Permit<'_, Endpoint<Socket>>> {
        if !self.status.is_connected() {
            return Err(ENOTCONN);
        }
        self.enter()
    }

    fn fresh(&self) -> Result {
        if self.status.status() == Status::Created && self.status.first_error().is_none() {
            Ok(())
        } else {
            Err(EINVAL)
        }
    }

    /// Sets the parameters of a fresh socket (contract §2.3). `-EINVAL` on a socket in use and for values that [`Params::validate`] refuses.
    pub(crate) fn set_params(&self, params: &Params) -> Result {
        self.fresh()?;
        params.validate()?;
        if let Ok(endpoint) = self.enter() {
            // Works only before bind and resolve; an accepted id is bound, and its device was checked.
            let _ = match params.flags {
                FLAG_ONLY_IB => endpoint.cm().restrict_node_type(node_type::IB_CA),
                FLAG_ONLY_IW => endpoint.cm().restrict_node_type(node_type::RNIC),
                _ => Ok(()),
            };
        }
        self.params.set(params);
        Ok(())
    }

    /// Whether settings may still be changed.
    pub(crate) fn check_configurable(&self) -> Result {
        self.fresh()
    }

    /// Sets where log lines go.
    pub(crate) fn set_sink(&self, sink: Sink) {
        self.config.lock().sink = sink;
    }

    /// Binds a fresh socket to a local address.
    pub(crate) fn bind(&self, addr: &SockAddr) -> Result {
        self.fresh()?;
        self.enter()?.cm().bind(addr)
    }

    /// Whether a device and port are of the kind the flags ask for (contract §4.3) and can register memory.
    pub(super) fn check_device(params: &Params, device: Device<'_>, port: u32) -> Result {
        let kind = match params.flags {
            FLAG_ONLY_IB => device.is_ib_or_roce(port),
            FLAG_ONLY_IW => device.is_iwarp(port),
            _ => true,
        };
        if kind && device.frwr_supported() {
            Ok(())
        } else {
            Err(EPROTONOSUPPORT)
        }
    }

    /// The peer's host, for limits per source.
    pub(super) fn peer_host(&self) -> Option<Host> {
        let address = || self.peer.as_ref().map(SockAddr::source);
        self.source.as_ref().copied().or_else(address)
    }

    /// Writes a line to the SMB stack's log, with the peer's address in front. Any context.
    pub(crate) fn log(&self, level: Level, class: u32, args: fmt::Arguments<'_>) {
        self.log_about(self.peer.as_ref(), self.peer_host(), level, class, args);
    }

    /// Writes a line about a peer, limited with others of its `source`. Any context.
    pub(super) fn log_about(
        &self,
        peer: Option<&SockAddr>,
        source: Option<Host>,
        level: Level,
        class: u32,
        args: fmt::Arguments<'_>,
    ) {
        let sink = self.config.lock().sink;
        let handle = core::ptr::from_ref(self).cast();
        let group = source.map_or(0, |source| source.group());
        match peer {
            Some(peer) => sink.write(handle, group, level, class, format_args!("{peer}: {args}")),
            None => sink.write(handle, group, level, class, args),
        }
    }

    /// Records a failure of which nothing more is known than the error. See [`fail_for`](Self::fail_for).
    pub(crate) fn fail(this: ArcBorrow<'_, Self>, error: Error) {
        Self::fail_for(this, error, Cause::of(error));
    }

    /// Records a failure: the first one counts. Wakes everybody and starts teardown. Any context.
    pub(crate) fn fail_for(this: ArcBorrow<'_, Self>, error: Error, cause: Cause) {
        let Some(before) = this.status.fail(error, cause) else {
            return;
        };
        trace::Fail::emit(|| trace::Fail {
            conn: this.id,
            status: u32::from(before.number()),
            error: error.to_errno(),
            cause: cause.name(),
        });
        this.book_end(before, cause);
        this.readers.wake_all();
        this.events.wake_all();
        if let Some(endpoint) = this.endpoint.enter() {
            if let Some(mrs) = endpoint.mrs() {
                mrs.wake_all();
            }
            if let Some(rw) = endpoint.rw() {
                rw.wake_all();
            }
        }
        if before == Status::Listening {
            if let Some(listener) = this.listener.as_ref() {
                listener.wake();
            }
        }
        CLEANUP.enqueue::<_, { work_id::CLEANUP }>(this.into());
    }

    /// Counts the end of a connection, or of an attempt to make one.
    pub(super) fn book_end(&self, before: Status, cause: Cause) {
        let attempted = !matches!(before, Status::Created | Status::Listening)
            && matches!(self.role(), Role::Server | Role::Client);
        if attempted && !self.counted.xchg(true, Full) {
            self.count_end(before == Status::Connected, cause);
        }
    }

    /// Counts the connection as established, and has it shown to administrators. Process context.
    pub(super) fn book_established(this: ArcBorrow<'_, Self>) {
        let client = this.role() == Role::Client;
        this.count_established(client);
        trace::Negotiated::emit(|| {
            let p = this.params.get();
            trace::Negotiated {
                conn: this.id,
                client,
                max_send: p.max_send_size,
                max_recv: p.max_recv_size,
                max_fragmented_send: p.max_fragmented_send_size,
                max_fragmented_recv: p.max_fragmented_recv_size,
                max_read_write: p.max_read_write_size,
            }
        });
        this.shown.store(true, Release);
        ADMIN.enqueue::<_, { work_id::SHOW }>(this.into());
    }

    /// Ends the connection, or stops listening. Idempotent, never sleeps, any context.
    pub(crate) fn shutdown(this: ArcBorrow<'_, Self>) {
        Self::fail(this, ESHUTDOWN);
    }
}
