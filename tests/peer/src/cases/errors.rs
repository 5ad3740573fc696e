// SPDX-License-Identifier: GPL-2.0
//! what the server must not accept (MS-SMBD 3.1.5.6, 3.1.5.8).

use super::data::{set_up, write_of, written_and_there, MODERATE, SMALL};
use super::{case, Case, Context};
use crate::smb2::{Dialects, Session};
use crate::smbd::wire::{DataHeader, NegotiateResponse, NOT_SUPPORTED, VERSION};
use crate::smbd::{Link, Offer, DISCONNECT};
use crate::stop::{Stop, Try};
use crate::{ensure, ensure_eq, fail};

pub const CASES: &[Case] = &[
    case("X-01", "SmbdNegotiate_UncompletedMessage", short_negotiate),
    case(
        "X-02",
        "SmbdNegotiate_VersionRangeNotCover0x0100_LessThanMinVersion",
        |c| versions(c, 0x0101, 0xFFFF),
    ),
    case(
        "X-03",
        "SmbdNegotiate_VersionRangeNotCover0x0100_LargerThanMaxVersion",
        |c| versions(c, 0x0000, 0x00FF),
    ),
    case(
        "X-04",
        "SmbdNegotiate_NegativeParameter_CreditsRequested",
        negotiate_credits,
    ),
    case(
        "X-05",
        "SmbdNegotiate_NegativeParameter_MaxReceiveSize",
        negotiate_receive_size,
    ),
    case(
        "X-06",
        "SmbdNegotiate_NegativeParameter_MaxFragmentedSize",
        negotiate_fragmented_size,
    ),
    case("X-07", "SmbdDataTransfer_UncompletedMessage", short_data),
    case(
        "X-08",
        "SmbdDataTransfer_NegativeParameter_DataOffset_Against8ByteAligned",
        unaligned,
    ),
    case(
        "X-09",
        "SmbdDataTransfer_NegativeParameter_DataOffset_AgainstMessageLength",
        offset_outside,
    ),
    case(
        "X-10",
        "SmbdDataTransfer_NegativeParameter_DataLength_AgainstMessageLength",
        length_outside,
    ),
    case(
        "X-11",
        "SmbdDataTransfer_NegativeParameter_DataLength_AgainstMaxReceiveSize",
        too_long,
    ),
    case(
        "X-12",
        "SmbdDataTransfer_NegativeParameter_AgainstMaxFragmentedSize",
        overrun,
    ),
    case(
        "X-13",
        "SmbdDataTransfer_NegativeParameter_RemainingDataLength_AgainstMaxFragmentedSize",
        remaining_too_big,
    ),
    case(
        "X-14",
        "SmbdDataTransfer_NegativeParameter_RemainingDataLength_Zero",
        early_end,
    ),
    case(
        "X-15",
        "SmbdDataTransfer_NegativeParameter_RemainingDataLength_AgainstFragmentReassemblyRemaining",
        remaining_differs,
    ),
    case(
        "X-16",
        "SmbdCreditMgmt_NegativeParameter_CreditRequested",
        no_credits_requested,
    ),
];

/// The server must end the connection, and take a new one.
fn ends(c: &mut Context, link: &mut Link, why: &str) -> Try<()> {
    let took = link.must_end(DISCONNECT, why)?;
    c.note(format!("{why}: ended after {:.2} s", took.as_secs_f64()));
    c.still_there()
}

/// Sending to a connection that has just been ended is no fault.
fn sent(result: Try<()>) -> Try<()> {
    match result {
        Err(Stop::Gone(_)) => Ok(()),
        other => other,
    }
}

fn short_negotiate(c: &mut Context) -> Try<()> {
    let mut link = c.connect(Offer::basic())?;
    let bytes = link.offer.request.bytes();
    link.send_raw(&bytes[..19], "the first 19 bytes of a negotiate request")?;
    ends(c, &mut link, "a negotiate request of 19 bytes")?;
    c.judged(Offer::basic()).map(drop)
}

/// Refused in words: everything but versions and status is 0 (MS-SMBD 3.1.5.3).
fn versions(c: &mut Context, min: u16, max: u16) -> Try<()> {
    let mut link = c.connect(Offer::basic().versions(min, max))?;
    let got = link.negotiate_any()?;
    let want = NegotiateResponse {
        min_version: VERSION,
        max_version: VERSION,
        status: NOT_SUPPORTED,
        ..NegotiateResponse::default()
    };
    ensure_eq!("the negotiate response", got, want);
    // The upper layer must not work on this connection.
    link.offer.receives = 10;
    sent(link.fill_receives().map(drop))?;
    let mut session = Session::new(link);
    let smb2 = session.request(0, &[0; 36], 0);
    let header = DataHeader::with(10, 10, smb2.len(), 0);
    sent(session.pipe.send_data(header, &header.message(&smb2)))?;
    match session.pipe.poll_data(DISCONNECT) {
        Err(Stop::Gone(_)) => c.note("the server ended the connection"),
        Ok(None) => c.note("the server is silent"),
        Ok(Some(m)) => fail!("the server talks on: {:?}", m.header),
        Err(other) => return Err(other),
    }
    c.still_there()
}

/// Values of one field of the negotiate request: the first must be refused,
/// then two that are legal.
fn negotiate_credits(c: &mut Context) -> Try<()> {
    let with = |n| Offer::new(n, 1024, 1024, 131_072).receives(10);
    refused(c, with(0), "CreditsRequested 0")?;
    c.judged(with(1))?;
    let most = c.judged(with(65535))?;
    c.note(format!(
        "of 65535 credits {} were granted",
        most.server.credits_granted
    ));
    Ok(())
}

fn refused(c: &mut Context, offer: Offer, why: &str) -> Try<()> {
    let mut link = c.connect(offer)?;
    let bytes = link.offer.request.bytes();
    link.send_raw(&bytes, &format!("negotiate request with {why}"))?;
    ends(c, &mut link, why)
}

fn negotiate_receive_size(c: &mut Context) -> Try<()> {
    let with = |n| Offer::new(10, 1024, n, 131_072);
    refused(c, with(127), "MaxReceiveSize 127")?;
    let small = c.judged(with(128))?;
    ensure_eq!(
        "PreferredSendSize after MaxReceiveSize 128",
        small.server.preferred_send_size,
        128
    );
    let big = c.judged(with(u32::MAX))?;
    c.note(format!(
        "of any size the server sends {}",
        big.server.preferred_send_size
    ));
    Ok(())
}

fn negotiate_fragmented_size(c: &mut Context) -> Try<()> {
    let with = |n| Offer::new(10, 1024, 1024, n);
    refused(c, with(131_071), "MaxFragmentedSize 131071")?;
    c.judged(with(131_072))?;
    c.judged(with(u32::MAX)).map(drop)
}

fn short_data(c: &mut Context) -> Try<()> {
    let mut link = c.negotiated(Offer::basic())?;
    link.fill_receives()?;
    let bytes = DataHeader::empty(10, 1).message(&[]);
    link.send_raw(&bytes[..19], "the first 19 bytes of a data message")?;
    ends(c, &mut link, "a data message of 19 bytes")
}

/// A session, and a WRITE of 500 bytes whose header a case spoils.
fn spoiled(
    c: &mut Context,
    why: &str,
    change: impl FnOnce(&mut DataHeader, &mut Vec<u8>, &Link),
) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (message, _) = write_of(&mut session, file, SMALL);
    let mut header = DataHeader::with(255, 1, message.len(), 0);
    let mut bytes = header.message(&message);
    change(&mut header, &mut bytes, &session.pipe);
    session.pipe.wait_for_credit()?;
    session.pipe.send_data(header, &bytes)?;
    ends(c, &mut session.pipe, why)
}

/// Put the header over the first 20 bytes.
fn patch(header: &DataHeader, bytes: &mut [u8]) {
    bytes[..DataHeader::LEN].copy_from_slice(&header.message_padded(0, &[]));
}

fn unaligned(c: &mut Context) -> Try<()> {
    for offset in [23usize, 25] {
        spoiled(c, &format!("DataOffset {offset}"), |header, bytes, _| {
            let payload = bytes.split_off(24);
            header.offset = offset as u32;
            *bytes = header.message(&payload);
        })?;
    }
    Ok(())
}

fn offset_outside(c: &mut Context) -> Try<()> {
    for offset in [32, u32::MAX] {
        spoiled(
            c,
            &format!("DataOffset {offset} in 524 bytes"),
            |header, bytes, _| {
                header.offset = offset;
                patch(header, bytes);
            },
        )?;
    }
    Ok(())
}

fn length_outside(c: &mut Context) -> Try<()> {
    spoiled(c, "DataLength 501 in 524 bytes", |header, bytes, _| {
        header.length = 501;
        patch(header, bytes);
    })?;
    spoiled(
        c,
        "DataLength one too large in a full message",
        |header, bytes, link| {
            header.length = link.server.max_receive_size - 24 + 1;
            bytes.resize(link.server.max_receive_size as usize, 0);
            patch(header, bytes);
        },
    )?;
    spoiled(c, "DataLength 0xFFFFFFFF", |header, bytes, _| {
        header.length = u32::MAX;
        patch(header, bytes);
    })
}

/// One byte more than the server's receives take; then exactly as many.
fn too_long(c: &mut Context) -> Try<()> {
    let offer = Offer::new(255, u32::MAX, u32::MAX, u32::MAX);
    for extra in [1, 0] {
        let (mut session, file) = c.with_file(offer, Dialects::All)?;
        let size = session.pipe.server.max_receive_size as usize;
        ensure!(
            size <= 16000,
            "MaxReceiveSize {size}: more than this peer sends in a message"
        );
        let (message, data) = write_of(&mut session, file, size - 24 + extra);
        let header = DataHeader::with(255, 1, message.len(), 0);
        session.pipe.wait_for_credit()?;
        session.pipe.send_data(header, &header.message(&message))?;
        if extra == 1 {
            ends(
                c,
                &mut session.pipe,
                &format!("a message of {} bytes", size + 1),
            )?;
        } else {
            written_and_there(&mut session, file, &data)?;
        }
    }
    Ok(())
}

/// The last fragment has one byte more than was announced, and than a message
/// may have. Each alone is legal.
fn overrun(c: &mut Context) -> Try<()> {
    let offer = Offer::new(255, u32::MAX, u32::MAX, u32::MAX);
    let (mut session, file) = c.with_file(offer, Dialects::All)?;
    let whole = session.pipe.server.max_fragmented_size as usize;
    ensure!(
        whole <= 8 << 20,
        "MaxFragmentedSize is {whole}: more than this case sends"
    );
    let (message, _) = write_of(&mut session, file, whole + 1);
    let link = &mut session.pipe;
    let size = link.fragment_size();
    let mut sent_bytes = 0;
    for piece in message.chunks(size) {
        link.wait_for_credit()?;
        sent_bytes += piece.len();
        let left = message.len() - sent_bytes;
        let header = DataHeader::with(255, 1, piece.len(), left.saturating_sub(1));
        link.send_data(header, &header.message(piece))?;
    }
    ends(
        c,
        link,
        &format!("{} bytes of {whole} announced ones", whole + 1),
    )?;
    // and a message of another size on a new connection is fine
    let (mut session, file) = c.with_file(offer, Dialects::All)?;
    let size = session.pipe.server.max_receive_size as usize;
    let (message, data) = write_of(&mut session, file, size);
    session.pipe.send_message(&message)?;
    written_and_there(&mut session, file, &data)
}

fn remaining_too_big(c: &mut Context) -> Try<()> {
    for huge in [false, true] {
        let mut link = c.negotiated(Offer::new(255, 1024, 1024, 131_072))?;
        link.fill_receives()?;
        let remaining = if huge {
            u32::MAX
        } else {
            link.server.max_fragmented_size + 1
        };
        let header = DataHeader {
            remaining,
            ..DataHeader::empty(255, 1)
        };
        link.send_data(header, &header.message(&[]))?;
        ends(
            c,
            &mut link,
            &format!("RemainingDataLength {remaining} in an empty message"),
        )?;
    }
    Ok(())
}

/// A message in fragments of which one says it is the last: all of them are
/// sent at once.
fn early_end(c: &mut Context) -> Try<()> {
    for wrong in [2usize, 65] {
        let (mut session, file) = set_up(c)?;
        let (message, _) = write_of(&mut session, file, MODERATE);
        let link = &mut session.pipe;
        let size = link.fragment_size();
        ensure!(
            link.credits >= 65,
            "the server has granted {} credits only, the case needs 65",
            link.credits
        );
        let mut sent_bytes = 0;
        for (i, piece) in message.chunks(size).take(wrong).enumerate() {
            sent_bytes += piece.len();
            let left = if i + 1 == wrong {
                0
            } else {
                message.len() - sent_bytes
            };
            let header = DataHeader::with(255, 1, piece.len(), left);
            link.send_data(header, &header.message(piece))?;
        }
        ends(
            c,
            link,
            &format!("fragment {wrong} of 66 says it is the last"),
        )?;
    }
    Ok(())
}

/// A fragment announces one byte more than is left. The suite leaves this out
/// by default, since Windows does not look at it.
fn remaining_differs(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (message, data) = write_of(&mut session, file, MODERATE);
    let link = &mut session.pipe;
    let size = link.fragment_size();
    let mut sent_bytes = 0;
    for (i, piece) in message.chunks(size).enumerate() {
        match link.wait_for_credit() {
            Err(Stop::Gone(_)) => break,
            other => other?,
        }
        sent_bytes += piece.len();
        let left = message.len() - sent_bytes + usize::from(i == 1);
        let header = DataHeader::with(255, 1, piece.len(), left);
        sent(link.send_data(header, &header.message(piece)))?;
    }
    // Either the connection ends, or the WRITE is answered.
    match written_and_there(&mut session, file, &data) {
        Err(Stop::Gone(_)) => c.still_there(),
        Err(other) => Err(other),
        Ok(()) => Err(Stop::Skipped(
            "the server does not compare RemainingDataLength with what was announced, and need \
             not: the suite's own switch for this is off. The message arrived whole"
                .into(),
        )),
    }
}

fn no_credits_requested(c: &mut Context) -> Try<()> {
    let mut link = c.negotiated(Offer::basic())?;
    link.fill_receives()?;
    link.send_empty(0, 0, 0)?;
    ends(c, &mut link, "CreditsRequested 0 in a data message")
}
