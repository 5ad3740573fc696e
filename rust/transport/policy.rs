// SPDX-License-Identifier: GPL-2.0

//! What an administrator has put into force (`Documentation/steering.md`): one immutable value behind an `Arc`. A change makes a new one and swaps the pointer;
//! whoever looks clones the `Arc`, so nobody waits for a change.
//!
//! All of it is for the server's connections.
#![forbid(unsafe_code)]

use super::{
    params::Params,
    settings::{Reason, Record, Settings, IPC},
};
use kernel::{prelude::*, sync::Arc};
use smbdirect_core::{
    interfaces::{capability, verdict, Place, Verdict},
    settings::{Mode, Number},
};
use smbdirect_kext::{ctx::ProcessCtx, name::Name, shares::set_policy_key, trace};
use smbdirect_rdma::{
    addr::SockAddr,
    client::NetDevice,
    cm::ConnectRequest,
    device::{node_type, Device},
};

/// A configuration that is, or was, in force.
pub(crate) struct Policy {
    pub(crate) settings: Settings,
    /// Some share allows RDMA.
    advertised: bool,
    /// Some share's policy is not `auto`.
    steered: bool,
}

/// What was refused on shares that were not applied by name.
pub(crate) static OTHERS: Record = Record::others();

/// What is in force; `None`: nothing is set. Any context.
pub(crate) fn current() -> Option<Arc<Policy>> {
    crate::IN_FORCE.lock().clone()
}

/// A number that is set. Any context.
pub(super) fn number(number: Number) -> Option<u32> {
    current()?.settings.numbers.get(number)
}

/// Puts settings into force, with the mutex of changes held. While the key is on, what is in force needs a look: it goes on after, and off before.
fn swap(ctx: &ProcessCtx, new: Option<Arc<Policy>>) {
    let steered = new.as_ref().is_some_and(|policy| policy.steered);
    if !steered {
        set_policy_key(ctx, false);
    }
    let old = core::mem::replace(&mut *crate::IN_FORCE.lock(), new);
    if steered {
        set_policy_key(ctx, true);
    }
    drop(old);
}

fn put(ctx: &ProcessCtx, settings: Settings) -> Result {
    if settings.numbers.contradiction().is_some() {
        return Err(EINVAL);
    }
    swap(ctx, Some(Arc::new(Policy::new(settings), GFP_KERNEL)?));
    Ok(())
}

/// Changes what is in force. If `edit` fails, or what it made contradicts itself, nothing changes. Sleeps.
pub(crate) fn change(ctx: &ProcessCtx, edit: impl FnOnce(&mut Settings) -> Result) -> Result {
    let _changes = crate::CHANGES.lock();
    let mut settings = match current() {
        Some(policy) => policy.settings.try_clone()?,
        None => Settings::new(),
    };
    edit(&mut settings)?;
    put(ctx, settings)
}

/// Puts a copy of a draft in the place of what is in force, or changes nothing. Sleeps.
pub(crate) fn replace(ctx: &ProcessCtx, draft: &Settings) -> Result {
    let _changes = crate::CHANGES.lock();
    let mut settings = draft.try_clone()?;
    if let Some(old) = current() {
        settings.keep_counts(&old.settings);
    }
    put(ctx, settings)
}

/// Unsets everything. Sleeps.
pub(crate) fn reset(ctx: &ProcessCtx) {
    let _changes = crate::CHANGES.lock();
    swap(ctx, None);
}

/// Dropping it, at module exit, frees what is in force.
pub(crate) struct InForce;

impl Drop for InForce {
    fn drop(&mut self) {
        reset(&ProcessCtx::enter());
    }
}

impl Policy {
    fn new(settings: Settings) -> Self {
        let default = settings.effective(None);
        let mut modes = settings
            .shares()
            .iter()
            .map(|s| settings.effective(Some(s)));
        // Who demands RDMA for what has no name here must offer it.
        let advertised = default == Mode::Required
            || match settings.shares() {
                [] => default != Mode::Off,
                _ => modes.clone().any(|mode| mode != Mode::Off),
            };
        let steered = default != Mode::Auto || modes.any(|mode| mode != Mode::Auto);
        Self {
            settings,
            advertised,
            steered,
        }
    }

    /// Changes what a consumer asked for to what is set.
    pub(super) fn adjust(&self, params: &mut Params) {
        let number = |number| self.settings.numbers.get(number);
        let small = |to: &mut u16, from| {
            if let Some(value) = number(from) {
                *to = u16::try_from(value).unwrap_or(*to);
            }
        };
        small(&mut params.recv_credit_max, Number::ReceiveCredits);
        small(&mut params.send_credit_target, Number::SendCredits);
        let large = |to: &mut u32, from, unit: u32| {
            if let Some(value) = number(from) {
                *to = value.saturating_mul(unit);
            }
        };
        large(&mut params.max_send_size, Number::MaxSendSize, 1);
        large(&mut params.max_recv_size, Number::MaxReceiveSize, 1);
        large(
            &mut params.max_fragmented_recv_size,
            Number::MaxFragmentedSize,
            1,
        );
        large(&mut params.max_read_write_size, Number::MaxReadWriteSize, 1);
        large(
            &mut params.keepalive_interval_msec,
            Number::KeepaliveInterval,
            1000,
        );
        large(
            &mut params.negotiate_timeout_msec,
            Number::NegotiateTimeout,
            1000,
        );
    }

    /// Whether connections are taken where a request came in.
    pub(super) fn takes(&self, request: &ConnectRequest<'_>, device: Device<'_>) -> bool {
        let list = self.settings.interfaces.text();
        if list.is_empty() {
            return true;
        }
        let (netdev, rdma) = (request.netdev_name(), device.short_name());
        let place = Place {
            names: [netdev.text(), rdma.text()],
            addr: request.local_addr().map(|addr| addr.host().octets()),
        };
        verdict(list, &place) == Verdict::Taken
    }

    /// Whether an interface may be advertised, and what is said of it whatever detection says.
    fn judge(&self, netdev: NetDevice) -> (bool, Option<bool>) {
        let (list, overrides) = (
            self.settings.interfaces.text(),
            self.settings.capabilities.text(),
        );
        let (name, rdma) = (netdev.name(), netdev.rdma_name());
        let place = |addr| Place {
            names: [name.text(), rdma.text()],
            addr,
        };
        let mut best = verdict(list, &place(None));
        if !list.is_empty() {
            netdev.each_addr(|addr| best = best.max(verdict(list, &place(Some(addr)))));
        }
        (best == Verdict::Taken, capability(overrides, &place(None)))
    }
}

/// The node type that a network device is advertised with: that of the RDMA device behind it, unless an administrator says otherwise. Process context; the
/// caller holds rtnl, and nothing here waits for it.
pub(crate) fn advertised_node_type(netdev: NetDevice) -> u8 {
    let Some(policy) = current() else {
        return netdev.rdma_node_type();
    };
    if !policy.advertised {
        return node_type::UNSPECIFIED;
    }
    match policy.judge(netdev) {
        (false, _) | (true, Some(false)) => node_type::UNSPECIFIED,
        (true, None) => netdev.rdma_node_type(),
        (true, Some(true)) => match netdev.rdma_node_type() {
            node_type::UNSPECIFIED => node_type::IB_CA,
            detected => detected,
        },
    }
}

/// Whether any share allows RDMA. Any context.
pub(crate) fn advertised() -> bool {
    current().is_none_or(|policy| policy.advertised)
}

/// What the requests of a share meet; its name is folded. Any context.
pub(crate) fn mode(share: &CStr) -> Mode {
    if share.to_bytes() == IPC {
        return Mode::Auto;
    }
    current().map_or(Mode::Auto, |policy| {
        let settings = &policy.settings;
        settings.effective(settings.share(&Name::new(share.to_bytes())))
    })
}

/// Counts, traces and logs that a request was refused. Sleeps.
pub(crate) fn refused(
    _ctx: &ProcessCtx,
    share: &CStr,
    reason: Reason,
    command: &CStr,
    peer: Option<&SockAddr>,
) {
    let (key, command) = (Name::new(share.to_bytes()), Name::new(command.to_bytes()));
    let policy = current();
    let record = policy
        .as_ref()
        .and_then(|policy| policy.settings.share(&key))
        .map_or(&OTHERS, |share| &share.record);
    // Of a share that was not applied there is only the name that the server has, which may be the client's: the log has it in escapes.
    let name = match record.name.text() {
        Some(_) => record.name,
        None => key,
    };
    trace::PolicyRefused::emit(|| trace::PolicyRefused {
        share: record.name,
        reason: reason.name(),
        command,
    });
    let Some(count) = record.count(reason) else {
        return;
    };
    let (over, moves, mode) = match reason {
        Reason::OverRdma => ("RDMA", "", Mode::Off),
        Reason::OverTcp => ("TCP", "", Mode::Required),
        Reason::CannotMove => ("TCP", ", the session cannot move to RDMA", Mode::Required),
    };
    let mode = mode.name();
    let others = if record.name.text().is_none() {
        " of shares that have no policy of their own"
    } else {
        ""
    };
    match peer.map(SockAddr::host) {
        Some(peer) => pr_notice!(
            "{}\n",
            format_args!("share {name}: {command} over {over} refused for {peer}{moves} (smb direct = {mode}), {count} refused in all{others}")
        ),
        None => pr_notice!(
            "{}\n",
            format_args!("share {name}: {command} over {over} refused{moves} (smb direct = {mode}), {count} refused in all{others}")
        ),
    }
}
