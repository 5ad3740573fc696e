// SPDX-License-Identifier: GPL-2.0

//! Which way a mount goes, and why.

use super::{
    bytes,
    options::{Options, Wish},
    Stop, FAILED, USAGE,
};
use crate::{
    probe::{probe, Verdict},
    root::Root,
    state::module::{Modules, Owner},
};
use std::{ffi::OsStr, net::IpAddr, time::Duration};

/// How long one address is tried.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most addresses of a server that are tried.
const MOST: usize = 4;
/// Versions of SMB that have no SMB Direct, as mount.cifs(8) spells them.
const TOO_OLD: [&str; 5] = ["1.0", "1", "2.0", "2.1", "2"];

/// The way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// With the option `rdma`.
    Rdma,
    /// Without it.
    Tcp,
}

/// The way, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The way.
    pub way: Way,
    /// Why.
    pub why: String,
    /// The server's address, if it is known.
    pub address: Option<String>,
    /// Whether it has others that would be tried before.
    pub other_than_first: bool,
}

impl Decision {
    fn new(way: Way, why: impl Into<String>) -> Self {
        Self {
            way,
            why: why.into(),
            address: None,
            other_than_first: false,
        }
    }

    /// Where nothing may be tried.
    pub fn untried(wish: Wish) -> Self {
        let way = match wish {
            Wish::Required => Way::Rdma,
            Wish::Auto | Wish::Off => Way::Tcp,
        };
        Self::new(way, "not tried")
    }

    /// For the log.
    pub fn text(&self) -> String {
        match self.way {
            Way::Rdma => format!("over RDMA: {}", self.why),
            Way::Tcp => format!("over TCP: {}", self.why),
        }
    }
}

/// The server of `//server/share`, also with backslashes.
pub fn server(spec: &OsStr) -> Option<String> {
    let text = std::str::from_utf8(bytes(spec)).ok()?;
    let slash = |c: char| matches!(c, '/' | '\\');
    let rest = text.strip_prefix(slash)?.strip_prefix(slash)?;
    let (server, share) = rest.split_once(slash)?;
    (!server.is_empty() && !share.is_empty()).then(|| server.into())
}

/// An address, perhaps with a scope.
fn is_address(text: &str) -> bool {
    let (address, scope) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<IpAddr>().is_ok() && !scope.is_empty()
}

/// The server's addresses, in the order of the resolver.
fn addresses(root: &Root, server: &str, options: &Options) -> Result<Vec<String>, String> {
    if let Some(address) = options.value(&["ip", "addr"]) {
        return Ok(vec![address.into()]);
    }
    if is_address(server) {
        return Ok(vec![server.into()]);
    }
    // a name of a host is what resolvers take: no options, no blanks
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if server.starts_with('-') || !server.chars().all(word) {
        return Err("that is no name of a host".into());
    }
    let text = root.output(&["getent", "ahosts", server])?;
    let mut found: Vec<String> = Vec::new();
    for address in text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        if is_address(address) && !found.iter().any(|a| a == address) {
            found.push(address.into());
        }
    }
    found.truncate(MOST);
    if found.is_empty() {
        return Err("no address".into());
    }
    Ok(found)
}

/// Why RDMA cannot be had, whatever the server says.
fn impossible(root: &Root, options: &Options) -> Option<Stop> {
    if let Some(version) = options.value(&["vers"]).filter(|v| TOO_OLD.contains(v)) {
        return Some((
            format!("vers={version} has no SMB Direct, which needs 3.0"),
            USAGE,
        ));
    }
    let mut modules = Modules::read(root);
    if !modules.cifs {
        // it brings smbdirect, if it was built with SMB Direct; mount would load it anyway
        let _ = root.output(&["modprobe", "-q", "cifs"]);
        modules = Modules::read(root);
    }
    if modules.cifs && !modules.holds("cifs") {
        return Some((
            "the loaded cifs was built without SMB Direct".into(),
            FAILED,
        ));
    }
    (modules.smbdirect == Owner::Nobody).then(|| ("smbdirect is not loaded".into(), FAILED))
}

/// Tries the server's addresses.
fn try_all(root: &Root, wish: Wish, addresses: Vec<String>) -> Result<Decision, Stop> {
    let mut last = String::new();
    let first = addresses.first().cloned();
    for (n, address) in addresses.into_iter().enumerate() {
        match probe(root, &address, PATIENCE) {
            Ok(facts) if facts.verdict() == Some(Verdict::Connected) => {
                let mut decision = Decision::new(Way::Rdma, facts.text());
                decision.address = Some(address);
                decision.other_than_first = n != 0;
                return Ok(decision);
            }
            Ok(facts) => last = format!("{address} {}", facts.text()),
            // what cannot be tried is left to cifs, which does RDMA or fails
            Err(why) if wish == Wish::Required => {
                let mut decision = Decision::new(Way::Rdma, format!("required, not probed: {why}"));
                decision.address = first;
                return Ok(decision);
            }
            Err(why) => {
                last = format!("RDMA was not probed: {why}");
                break;
            }
        }
    }
    if wish == Wish::Required {
        return Err((format!("RDMA is required: {last}"), FAILED));
    }
    let mut decision = Decision::new(Way::Tcp, last);
    decision.address = first;
    Ok(decision)
}

/// Decides. Fails only if RDMA is required, and cannot be had.
pub fn decide(root: &Root, wish: Wish, server: &str, options: &Options) -> Result<Decision, Stop> {
    let address = |decision: Decision| Decision {
        address: addresses(root, server, options)
            .ok()
            .and_then(|all| all.into_iter().next()),
        ..decision
    };
    if wish == Wish::Off {
        return Ok(address(Decision::new(Way::Tcp, "rdma=off")));
    }
    let given_up = match impossible(root, options) {
        None => match addresses(root, server, options) {
            Ok(all) => return try_all(root, wish, all),
            Err(why) => (format!("the server's address: {why}"), FAILED),
        },
        Some(why) => why,
    };
    if wish == Wish::Required {
        let (why, exit) = given_up;
        return Err((format!("RDMA is required: {why}"), exit));
    }
    Ok(address(Decision::new(Way::Tcp, given_up.0)))
}
