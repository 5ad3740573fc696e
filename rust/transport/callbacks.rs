// SPDX-License-Identifier: GPL-2.0

//! What the connection manager and the endpoint tell a socket, and what of it ends a connection. `Documentation/architecture.md`, section 4, has the contexts.
#![forbid(unsafe_code)]

use super::{
    cause::Cause,
    socket::{Answer, Socket},
    stats::Breach,
};
use kernel::{
    prelude::*,
    sync::{atomic::Release, ArcBorrow},
};
use smbdirect_kext::{
    ctx::NoioScope,
    log::{class, Level},
    trace,
};
use smbdirect_rdma::{
    cm::{CmHandler, ConnectRequest, Event, EventKind},
    recv_pool::Received,
    Fault, Owner,
};

/// The errno for an event that ends a connection attempt or a connection (contract §1.2).
fn event_error(event: &Event<'_>, established: bool) -> Error {
    let status = event.status();
    if (-4095..0).contains(&status) {
        return Error::from_errno(status);
    }
    match event.kind() {
        EventKind::Rejected => ECONNREFUSED,
        EventKind::DeviceRemoval => ENETDOWN,
        _ if established => ECONNRESET,
        _ => ECONNABORTED,
    }
}

/// What an event says of the cause of an end.
fn event_cause(kind: EventKind, established: bool, error: Error) -> Cause {
    match kind {
        EventKind::Rejected => Cause::Refused,
        EventKind::DeviceRemoval => Cause::Device,
        EventKind::Disconnected if established => Cause::Peer,
        _ => match Cause::of(error) {
            Cause::Other => Cause::Unreachable,
            cause => cause,
        },
    }
}

impl CmHandler for Socket {
    fn event(this: ArcBorrow<'_, Self>, event: &Event<'_>) {
        let _noio = NoioScope::enter();
        trace::CmEvent::emit(|| trace::CmEvent {
            conn: this.id,
            event: event.number(),
            status: event.status(),
            device: this.device_name(),
            local: (this.endpoint.enter())
                .and_then(|endpoint| endpoint.cm().local_addr())
                .map_or([0; 28], |addr| *addr.raw()),
        });
        let mut cause = None;
        let result = match event.kind() {
            EventKind::AddrResolved => Self::addr_resolved(this),
            EventKind::RouteResolved => Self::route_resolved(this),
            EventKind::Established => Self::cm_established(this, event),
            // Housekeeping of the CM.
            EventKind::TimewaitExit | EventKind::ConnectResponse => Ok(()),
            kind => {
                if kind == EventKind::Rejected {
                    this.answer.populate(Answer::Rejected(event.status()));
                }
                let established = this.state.lock().established;
                let error = event_error(event, established);
                let level = match (kind, established) {
                    (EventKind::Disconnected, true) | (EventKind::AddrError, _) => Level::Info,
                    _ => Level::Err,
                };
                if this.status.first_error().is_none() {
                    this.log(
                        level,
                        class::RDMA_EVENT,
                        format_args!("{kind:?} (status {})", event.status()),
                    );
                }
                cause = Some(event_cause(kind, established, error));
                Err(error)
            }
        };
        if let Err(error) = result {
            Self::fail_for(this, error, cause.unwrap_or(Cause::of(error)));
        }
        if matches!(
            event.kind(),
            EventKind::Disconnected | EventKind::DeviceRemoval
        ) {
            this.cm_ended.store(true, Release);
            this.events.wake_all();
            this.status
                .wind_down(smbdirect_core::lifecycle::Event::Disconnect);
        }
    }

    fn connect_request(this: ArcBorrow<'_, Self>, request: ConnectRequest<'_>) {
        let _noio = NoioScope::enter();
        Self::arrival(this, request);
    }
}

impl Owner for Socket {
    fn id(&self) -> u64 {
        self.id
    }

    fn received(this: ArcBorrow<'_, Self>, received: Received<'_, Self>) {
        Self::on_received(this, received);
    }

    fn send_space(this: ArcBorrow<'_, Self>) {
        this.events.wake_all();
        Self::send_empties(this);
    }

    fn fault(this: ArcBorrow<'_, Self>, fault: Fault) {
        if this.status.first_error().is_some() {
            return;
        }
        if fault.is_flush() && !this.state.lock().established {
            // The CM ended the attempt, and its event says why (refused, unreachable); it is on its way.
            return;
        }
        let level = if fault.is_flush() {
            Level::Info
        } else {
            Level::Err
        };
        this.log(level, class::RDMA_EVENT, format_args!("{fault}"));
        let (error, cause) = match fault {
            // A flush that nothing else explains: the peer or the CM ended the connection.
            _ if fault.is_flush() => (ECONNRESET, Cause::Peer),
            Fault::UnexpectedOpcode(_) => {
                this.count_breach(Breach::Opcode);
                (ECONNABORTED, Cause::Protocol)
            }
            Fault::Stuck => (ECONNABORTED, Cause::WorkTimeout),
            _ => (ECONNABORTED, Cause::Adapter),
        };
        Self::fail_for(this, error, cause);
    }

    fn data_before_established(this: ArcBorrow<'_, Self>) {
        this.state.lock().data_early = true;
        Self::kick(this);
    }
}
