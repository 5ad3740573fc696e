// SPDX-License-Identifier: GPL-2.0

//! How many connections a server holds at once, over all listening sockets.
//!
//! Those that are not accepted yet have narrower limits of their own: `listen`.
#![forbid(unsafe_code)]

use super::{
    cause::Refusal,
    socket::{Role, Socket},
};
use smbdirect_core::settings::Number;
use smbdirect_rdma::addr::Host;

/// The limits that are set, or else those that were given when the module was loaded; 0 = none.
fn limits(set: impl Fn(Number) -> Option<u32>) -> (usize, usize) {
    use crate::module_parameters as given;
    let all = set(Number::MaxConnections).unwrap_or_else(|| given::max_connections.value());
    let each = set(Number::MaxConnectionsPerAddress)
        .unwrap_or_else(|| given::max_connections_per_address.value());
    (all as usize, each as usize)
}

fn reached(count: usize, limit: usize) -> bool {
    limit != 0 && count >= limit
}

/// Why one more connection from `source` may not come, if it may not. Requests that are looked at at the same time, of several devices or listening
/// sockets, do not see each other's newcomer, so there may be as many more as there are of these. A connection counts until everything it had is freed. `set` is what an administrator has set. Sleeps.
pub(super) fn exceeded(
    source: Option<Host>,
    set: impl Fn(Number) -> Option<u32>,
) -> Option<(Refusal, &'static str)> {
    let (max, max_from_host) = limits(set);
    let (mut all, mut from_host) = (0, 0);
    let server = |socket: &&Socket| socket.role() == Role::Server;
    for socket in crate::SOCKETS.lock().iter().map(|s| &**s).filter(server) {
        all += 1;
        from_host += usize::from(source.is_some() && socket.peer_host() == source);
    }
    if reached(from_host, max_from_host) {
        Some((
            Refusal::PerAddress,
            "too many connections from this address (max_connections_per_address)",
        ))
    } else if reached(all, max) {
        Some((
            Refusal::Connections,
            "too many connections (max_connections)",
        ))
    } else {
        None
    }
}
