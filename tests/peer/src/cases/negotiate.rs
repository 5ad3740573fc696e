// SPDX-License-Identifier: GPL-2.0
//! N: negotiation that succeeds (MS-SMBD 3.1.5.6).

use super::{case, Case, Context};
use crate::ensure_eq;
use crate::smb2::Dialects;
use crate::smbd::Offer;
use crate::stop::Try;

pub const CASES: &[Case] = &[
    case("N-01", "BVT_SmbdNegotiate_Basic", basic),
    case(
        "N-02",
        "SmbdNegotiate_PreferredSendSizeWithZero",
        send_size_zero,
    ),
    case(
        "N-03",
        "SmbdNegotiate_PreferredSendSizeLessThan128",
        send_size_below_128,
    ),
    case(
        "N-04",
        "SmbdNegotiate_PreferredSendSizeMaxValue",
        send_size_max,
    ),
    case("N-05", "SmbdNegotiate_Redundancy", padded),
    case("N-06", "SmbdNegotiate_DisconnectAfterNegotiate", disconnect),
    case(
        "N-07",
        "SmbdNegotiate_VersionRangeCover0x0100_EqualMinVersion",
        |c| versions(c, 0x0100, 0xFFFF),
    ),
    case(
        "N-08",
        "SmbdNegotiate_VersionRangeCover0x0100_EqualMaxVersion",
        |c| versions(c, 0x0000, 0x0100),
    ),
    case(
        "N-09",
        "SmbdNegotiate_VersionRangeCover0x0100_InMiddle",
        |c| versions(c, 0x00FF, 0x0101),
    ),
    case(
        "N-10",
        "SmbdNegotiate_VersionRangeCover0x0100_EqualMinVersionAndMaxVersion",
        |c| versions(c, 0x0100, 0x0100),
    ),
];

fn basic(c: &mut Context) -> Try<()> {
    let link = c.judged(Offer::basic())?;
    let r = link.server;
    c.note(format!(
        "credits {}, receive {}, send {}, fragmented {}, read/write {}",
        r.credits_granted,
        r.max_receive_size,
        r.preferred_send_size,
        r.max_fragmented_size,
        r.max_read_write_size
    ));
    Ok(())
}

/// The receive size that results from a proposal below the floor is 128.
fn small(c: &Context, preferred: u32) -> Try<()> {
    let link = c.judged(Offer::new(10, preferred, 1024, 131_072))?;
    ensure_eq!(
        format!("MaxReceiveSize after PreferredSendSize {preferred}"),
        link.server.max_receive_size,
        128
    );
    Ok(())
}

fn send_size_zero(c: &mut Context) -> Try<()> {
    small(c, 0)
}

fn send_size_below_128(c: &mut Context) -> Try<()> {
    small(c, 127)?;
    small(c, 128)
}

fn send_size_max(c: &mut Context) -> Try<()> {
    c.judged(Offer::new(10, u32::MAX, 1024, 131_072)).map(drop)
}

/// Bytes after the 20 are ignored; the first receive is of 512 bytes or more
/// (MS-SMBD 3.1.7.2).
fn padded(c: &mut Context) -> Try<()> {
    let mut link = c.connect(Offer::basic())?;
    let mut request = link.offer.request.bytes();
    request.resize(512, 0);
    let got = link.negotiate_with(&request)?;
    link.judge_negotiation(&got)
}

fn disconnect(c: &mut Context) -> Try<()> {
    let mut link = c.judged(Offer::basic())?;
    link.disconnect();
    drop(link);
    c.judged(Offer::basic()).map(drop)
}

/// A range that has 1.0 in it: everything works.
fn versions(c: &mut Context, min: u16, max: u16) -> Try<()> {
    let offer = Offer::basic().versions(min, max);
    let (mut session, file) = c.with_file(offer, Dialects::All)?;
    session.write_inline(file, 0, b"one")?;
    session.close(file)
}
