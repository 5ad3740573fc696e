// SPDX-License-Identifier: GPL-2.0
//! F: what of the file server suite concerns RDMA, over TCP (MS-SMB2 3.3.5.15.11).

use super::{Case, Context, case};
use crate::smb2::{Credentials, Dialects, Interface, Session, Tcp, status};
use crate::stop::{Stop, Try};
use crate::{ensure, ensure_eq};

pub const CASES: &[Case] = &[
    case(
        "F-01",
        "BVT_Negotiate_SMB311_RdmaTransformCapabilities_IsSupported",
        transforms,
    ),
    case(
        "F-02",
        "Negotiate_SMB311_RdmaTransformCapabilities_EmptyTransformIds",
        transforms,
    ),
    case(
        "F-03",
        "Negotiate_SMB311_RdmaTransformCapabilities_InvalidDataLength",
        transforms,
    ),
    case("F-04", "BVT_NetworkInterfaceInfo_QuerySuccessful", query),
    case(
        "F-05",
        "NetworkInterfaceInfo_Query_ReturnsErrorStatus",
        wrong_tree,
    ),
    case(
        "F-06",
        "NetworkInterfaceInfo_Query_ReturnsIPv4IPv6",
        families,
    ),
    case(
        "F-07",
        "NetworkInterfaceInfo_ChangeConnection_BindCurrentSession",
        bind,
    ),
];

fn set_up(c: &Context, who: &Credentials) -> Try<Session<Tcp>> {
    Session::open(c.tcp(c.config.server)?, Dialects::All, who, "IPC$")
}

/// These are for servers with RDMA transforms.
fn transforms(c: &mut Context) -> Try<()> {
    let mut session = Session::new(c.tcp(c.config.server)?);
    session.negotiate(Dialects::All)?;
    Err(super::transform::reason(session.transforms))
}

fn query(c: &mut Context) -> Try<()> {
    let mut session = set_up(c, &c.credentials())?;
    let list = session.interfaces()?;
    ensure!(!list.is_empty(), "the server lists no interface");
    for i in &list {
        ensure!(i.index != 0, "an interface without index: {i:?}");
        let rdma = if i.rdma_capable { " (RDMA)" } else { "" };
        c.note(match i.address {
            Some(address) => format!("{}: {address}{rdma}", i.index),
            None => format!("{}: family {:#06x}{rdma}", i.index, i.family),
        });
    }
    Ok(())
}

fn wrong_tree(c: &mut Context) -> Try<()> {
    let mut session = set_up(c, &c.credentials())?;
    session.tree_id += 1;
    let response = session.query_interfaces()?;
    ensure!(
        response.status == status::NETWORK_NAME_DELETED,
        "the server answers {:#010x}, should be {:#010x}",
        response.status,
        status::NETWORK_NAME_DELETED
    );
    Ok(())
}

fn families(c: &mut Context) -> Try<()> {
    let mut session = set_up(c, &c.credentials())?;
    let list = session.interfaces()?;
    for (family, name) in [(Interface::V4, "IPv4"), (Interface::V6, "IPv6")] {
        ensure!(
            list.iter().any(|i| i.family == family),
            "no entry of family {family:#06x} ({name}) in {list:?}"
        );
    }
    Ok(())
}

/// A second connection, to another address of the list, joins the session.
fn bind(c: &mut Context) -> Try<()> {
    let (who, second) = (c.user()?, c.second()?);
    let mut main = set_up(c, &who)?;
    let list = main.interfaces()?;
    if !list.iter().any(|i| i.address == Some(second)) {
        return Err(Stop::Skipped(format!("the server does not list {second}")));
    }
    let mut other = Session::new(c.tcp(second)?);
    other.same_client(&main);
    other.negotiate(Dialects::All)?;
    other.bind(&who, &main)?;
    ensure_eq!(
        "the session of the second connection",
        other.session_id,
        main.session_id
    );
    // and it can be used there
    other.tree_id = main.tree_id;
    other.interfaces().map(drop)
}
