// SPDX-License-Identifier: GPL-2.0

//! Whether a server takes SMB Direct connections: one is made as cifs makes it, and ended at once.
//!
//! It is a socket like any other, so what is tried is the path that a mount would take, and it is counted and traced as others are.
#![forbid(unsafe_code)]

use super::{
    cause::{named, Cause},
    params::{Params, FLAG_ONLY_IB, FLAG_ONLY_IW},
    socket::{Answer, Socket},
};
use core::ffi::CStr;
use kernel::{prelude::*, sync::Arc};
use smbdirect_core::lifecycle::Status;
use smbdirect_kext::{ctx::ProcessCtx, name::Name, time::now_ms};
use smbdirect_rdma::{addr::SockAddr, net::Net};

/// Ports of SMB Direct and what devices each is for, in the order in which cifs tries them.
const PORTS: [(u16, u64); 2] = [(5445, FLAG_ONLY_IW), (445, FLAG_ONLY_IB)];
/// What cifs gives the connection manager for each of its steps, in milliseconds.
const STEP_MS: u32 = 5000;
/// How long the end of an attempt is waited for, in milliseconds: as a rule less than the farewell of teardown.
const END_MS: u64 = 2000;

named! {
    /// What an attempt was doing when it failed.
    Stage {
        /// Looking for the peer's address and a device on the way to it.
        Address = c"address",
        /// Looking for the route, and making a queue pair.
        Route = c"route",
        /// The connection manager's handshake.
        Connect = c"connect",
        /// SMB Direct's negotiate messages.
        Negotiate = c"negotiate",
    }
}

impl Stage {
    fn of(status: Status) -> Self {
        match status.number() {
            n if n < Status::ResolveRouteNeeded.number() => Self::Address,
            n if n < Status::RdmaConnectNeeded.number() => Self::Route,
            n if n < Status::NegotiateNeeded.number() => Self::Connect,
            _ => Self::Negotiate,
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// It was established, with these parameters and send credits.
    Connected(Params, u32),
    /// It was not.
    Failed {
        stage: Stage,
        cause: Cause,
        error: Error,
        answer: Option<Answer>,
    },
}

/// One attempt to connect.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) port: u16,
    /// The device, once it was known; empty otherwise.
    pub(crate) device: Name,
    pub(crate) end: End,
}

impl Attempt {
    /// How far it came.
    fn reached(&self) -> usize {
        match self.end {
            End::Connected(..) => Stage::COUNT,
            End::Failed { stage, .. } => stage as usize,
        }
    }

    fn interrupted(&self) -> bool {
        matches!(
            self.end,
            End::Failed {
                cause: Cause::Interrupted,
                ..
            }
        )
    }
}

/// What was found.
#[derive(Clone, Copy)]
pub(crate) struct Report {
    /// The attempt that came further, of two that came equally far the later one.
    pub(crate) attempt: Attempt,
    /// The one on the other port, if there was one.
    pub(crate) other: Option<Attempt>,
    /// How long all took, in milliseconds.
    pub(crate) msec: u64,
}

impl Report {
    /// Whether a signal ended it.
    pub(crate) fn interrupted(&self) -> bool {
        self.attempt.interrupted() || self.other.as_ref().is_some_and(Attempt::interrupted)
    }
}

/// Most sockets of probes that are still ending, those that running probes may leave counted.
const MAX_LEFT: usize = 32;

/// Sockets that were still ending when their probe returned: over siw the handler of one that connects can be in a blocking call for minutes.
pub(crate) struct Left {
    sockets: [Option<Arc<Socket>>; MAX_LEFT],
    /// Probes that run. Each has a place for every socket it may leave.
    running: usize,
}

impl Left {
    pub(crate) const fn new() -> Self {
        Self {
            sockets: [const { None }; MAX_LEFT],
            running: 0,
        }
    }

    fn take(&mut self, which: impl Fn(&Socket) -> bool) -> Option<Arc<Socket>> {
        self.sockets
            .iter_mut()
            .find_map(|place| place.take_if(|socket| which(socket)))
    }
}

/// The places of a probe that runs.
struct Places;

impl Places {
    /// `-EBUSY` if there are none.
    fn take(ctx: &ProcessCtx) -> Result<Self> {
        // Those that have ended meanwhile; releasing them does not wait.
        loop {
            let Some(socket) = crate::LEFT.lock().take(Socket::is_torn_down) else {
                break;
            };
            Socket::release(ctx, socket);
        }
        let mut left = crate::LEFT.lock();
        let taken = left.sockets.iter().flatten().count();
        if taken + (left.running + 1) * PORTS.len() > MAX_LEFT {
            return Err(EBUSY);
        }
        left.running += 1;
        Ok(Self)
    }

    /// Keeps a socket that has not ended yet. At most one for each port.
    fn keep(&self, socket: Arc<Socket>) {
        let mut left = crate::LEFT.lock();
        if let Some(place) = left.sockets.iter_mut().find(|place| place.is_none()) {
            *place = Some(socket);
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        crate::LEFT.lock().running -= 1;
    }
}

/// Waits, when it is dropped, for what probes have left. At module exit, when there are no probes any more and before the queues go.
pub(crate) struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        let ctx = ProcessCtx::enter();
        loop {
            let Some(socket) = crate::LEFT.lock().take(|_| true) else {
                return;
            };
            Socket::release(&ctx, socket);
        }
    }
}

/// The parameters that cifs asks for by itself.
fn params(flags: u64, left_ms: u32) -> Params {
    let step = STEP_MS.min(left_ms);
    Params {
        flags,
        resolve_addr_timeout_msec: step,
        resolve_route_timeout_msec: step,
        rdma_connect_timeout_msec: step,
        negotiate_timeout_msec: left_ms,
        initiator_depth: 1,
        responder_resources: 32,
        recv_credit_max: 255,
        send_credit_target: 255,
        max_send_size: 1364,
        max_recv_size: 1364,
        max_fragmented_recv_size: 1364 * 255 / 2,
        max_frmr_depth: 2048,
        keepalive_interval_msec: 120_000,
        keepalive_timeout_msec: 5000,
        ..Params::default()
    }
}

/// Connects to `to`, for `left_ms` milliseconds at most. Sleeps, interruptibly.
fn connect(ctx: &ProcessCtx, socket: &Arc<Socket>, to: &SockAddr, params: &Params) -> Attempt {
    let this = socket.as_arc_borrow();
    let result = socket
        .set_params(params)
        .and_then(|()| Socket::connect(this, to))
        // At most the negotiate timeout, for everything.
        .and_then(|()| Socket::wait_connected(this, ctx));
    let end = match result {
        Ok(()) => End::Connected(
            socket.params.get(),
            socket
                .with_link_for_admin()
                .map_or(0, |(credits, ..)| credits),
        ),
        Err(error) => {
            // A first step that fails at once is not recorded.
            let (stage, cause) = match socket.status.failed_in() {
                Some(status) => (Stage::of(status), socket.status.cause()),
                None => (Stage::Address, Cause::of(error)),
            };
            End::Failed {
                stage,
                cause,
                error: if cause == Cause::Interrupted {
                    EINTR
                } else {
                    error
                },
                answer: socket.answer.copy(),
            }
        }
    };
    let device = socket.device.as_ref();
    Attempt {
        port: to.port(),
        device: device.map_or(Name::EMPTY, |device| Name::new(device.name.to_bytes())),
        end,
    }
}

/// Connects to the host of `to` as a client in `net`, within `timeout_ms` milliseconds, and ends the connection: on `port`, or else as cifs does, on 5445 with iWARP
/// and then on 445 with other devices. `-EBUSY` if too much of earlier probes has not ended yet, `-ENOMEM` without memory for an attempt. Sleeps, interruptibly.
pub(crate) fn probe(
    ctx: &ProcessCtx,
    net: Net<'_>,
    to: &SockAddr,
    port: Option<u16>,
    timeout_ms: u32,
) -> Result<Report> {
    let places = Places::take(ctx)?;
    let start = now_ms();
    let mut report: Option<Report> = None;
    let passed = || u32::try_from(now_ms().saturating_sub(start)).unwrap_or(u32::MAX);
    for (number, flags) in PORTS {
        let (number, flags) = match port {
            // A port that has a meaning keeps it.
            Some(port) if PORTS.iter().any(|(of, _)| *of == port) => {
                if number != port {
                    continue;
                }
                (number, flags)
            }
            Some(port) => (port, 0),
            None => (number, flags),
        };
        let left = timeout_ms.saturating_sub(passed());
        if left == 0 {
            break;
        }
        let socket = Socket::create(ctx, net)?;
        let attempt = connect(ctx, &socket, &to.with_port(number), &params(flags, left));
        if let Some(socket) = Socket::release_within(ctx, socket, END_MS) {
            places.keep(socket);
        }
        report = Some(match report {
            Some(before) if before.attempt.reached() > attempt.reached() => Report {
                other: Some(attempt),
                ..before
            },
            before => Report {
                attempt,
                other: before.map(|before| before.attempt),
                msec: 0,
            },
        });
        if attempt.reached() == Stage::COUNT
            || attempt.interrupted()
            || (port.is_some() && flags == 0)
        {
            break;
        }
    }
    let mut report = report.ok_or(ETIMEDOUT)?;
    report.msec = passed().into();
    Ok(report)
}
