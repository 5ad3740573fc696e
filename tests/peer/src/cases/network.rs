// SPDX-License-Identifier: GPL-2.0
//! F: what of the file server suite concerns RDMA, over TCP (MS-SMB2 3.3.5.15.11).

use super::{case, Case, Context};
use crate::smb2::{status, Credentials, Dialects, Interface, Session, Tcp};
use crate::stop::{Stop, Try};
use crate::{ensure, ensure_eq};
use smb_msg::RdmaTransformId;

pub const CASES: &[Case] = &[
    case(
        "F-01",
        "BVT_Negotiate_SMB311_RdmaTransformCapabilities_IsSupported",
        transforms,
    ),
    case(
        "F-02",
        "Negotiate_SMB311_RdmaTransformCapabilities_EmptyTransformIds",
        no_transforms,
    ),
    case(
        "F-03",
        "Negotiate_SMB311_RdmaTransformCapabilities_InvalidDataLength",
        short_context,
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

/// These are for servers with RDMA transforms: a connection to one.
fn with_transforms(c: &Context) -> Try<Session<Tcp>> {
    let mut session = Session::new(c.tcp(c.config.server)?);
    session.negotiate(Dialects::All)?;
    if session.transforms.is_none() {
        return Err(Stop::Skipped(
            "the server answers no RDMA transform capabilities (SMB2 negotiate context 7)".into(),
        ));
    }
    Ok(session)
}

/// Those that were offered and that it does, at least one (MS-SMB2 3.3.5.4).
fn transforms(c: &mut Context) -> Try<()> {
    let session = with_transforms(c)?;
    let got = session.transforms.unwrap_or_default();
    ensure!(
        (1..=2).contains(&got.len()),
        "the server answers {} transforms",
        got.len()
    );
    c.note(format!("{got:?}"));
    Ok(())
}

fn refuses(c: &Context, message: &[u8]) -> Try<()> {
    let mut session = Session::new(c.tcp(c.config.server)?);
    session.send(message)?;
    let response = session.response("the response to NEGOTIATE")?;
    ensure!(
        response.status == status::INVALID_PARAMETER,
        "the server answers {:#010x}, should be {:#010x}",
        response.status,
        status::INVALID_PARAMETER
    );
    Ok(())
}

/// TransformCount is 0.
fn no_transforms(c: &mut Context) -> Try<()> {
    drop(with_transforms(c)?);
    let mut writer = Session::new(c.tcp(c.config.server)?);
    let message = writer.negotiate_message(Dialects::All, Some(Vec::new()))?;
    refuses(c, &message)
}

/// DataLength of the context is 2, too little for what it must have.
fn short_context(c: &mut Context) -> Try<()> {
    drop(with_transforms(c)?);
    let mut writer = Session::new(c.tcp(c.config.server)?);
    let both = vec![RdmaTransformId::Encryption, RdmaTransformId::Signing];
    let mut message = writer.negotiate_message(Dialects::All, Some(both))?;
    // the context is the last: 8 bytes of its own, then 8 and two identifiers
    let at = message.len() - 20;
    ensure_eq!(
        "the type of the last context",
        message[at..at + 2].to_vec(),
        vec![7, 0]
    );
    message[at + 2..at + 4].copy_from_slice(&[2, 0]);
    refuses(c, &message)
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
