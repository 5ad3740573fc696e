// SPDX-License-Identifier: GPL-2.0
//! D: fragments, and what they are put together to (MS-SMBD 3.1.5.8).

use super::pattern;
use super::{case, Case, Context};
use crate::smb2::{check_written, status, Dialects, File, Response, Session};
use crate::smbd::wire::DataHeader;
use crate::smbd::{Link, Offer, PATIENCE};
use crate::stop::Try;
use crate::{ensure, ensure_eq};

pub const CASES: &[Case] = &[
    case(
        "D-01",
        "BVT_SmbdDataTransfer_Basic_SendSmallBytesOfData",
        |c| one_message(c, 0),
    ),
    case(
        "D-02",
        "BVT_SmbdDataTransfer_Basic_SendModerateBytesData",
        moderate,
    ),
    case("D-03", "SmbdDataTransfer_VariableLengthSegment", variable),
    case("D-04", "SmbdDataTransfer_SmallLengthSegment", single_bytes),
    case("D-05", "SmbdDataTransfer_Redundancy", |c| {
        one_message(c, 1024)
    }),
    case(
        "D-06",
        "SmbdDataTransfer_ReceiveMaxReceiveSize",
        big_response,
    ),
];

pub const SMALL: usize = 500;
pub const MODERATE: usize = 65536;

/// The session that the group uses: small messages, many credits.
pub fn set_up(c: &Context) -> Try<(Session<Link>, File)> {
    c.with_file(Offer::new(255, 1024, 1024, 131_072), Dialects::All)
}

/// A WRITE request of `size` bytes in all, and its data. From here on receives
/// are kept posted whatever is granted, as the cases grant one with each message.
pub fn write_of(session: &mut Session<Link>, file: File, size: usize) -> (Vec<u8>, Vec<u8>) {
    let data = pattern::bytes(size as u64, size - 112);
    let message = session.write_message(file, 0, &data);
    session.pipe.repost = true;
    (message, data)
}

/// Wait for the response to a WRITE: messages without data before it are
/// grants, it is one message itself.
pub fn written(session: &mut Session<Link>, len: usize) -> Try<()> {
    let m = loop {
        let m = session.pipe.data(PATIENCE, "the response to WRITE")?;
        if m.header.length != 0 {
            break m;
        }
    };
    ensure!(
        m.header.credits_requested > 0,
        "the WRITE response requests no credits"
    );
    ensure_eq!(
        "RemainingDataLength of the WRITE response",
        m.header.remaining,
        0
    );
    ensure_eq!(
        "DataOffset of the WRITE response modulo 8",
        m.header.offset % 8,
        0
    );
    ensure_eq!("DataLength of the WRITE response", m.header.length, 80);
    let response = Response::read(m.payload()?.to_vec(), Vec::new())?;
    check_written(&response, len as u32)
}

/// The response, and that the file has the data.
pub fn written_and_there(session: &mut Session<Link>, file: File, data: &[u8]) -> Try<()> {
    written(session, data.len())?;
    session.pipe.repost = false;
    session.pipe.promised = u64::from(session.pipe.posted());
    pattern::same("the file", &session.read_back(file, data.len())?, data)
}

/// A WRITE of 500 bytes in one message, with zeros after it.
fn one_message(c: &mut Context, padded_to: usize) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (message, data) = write_of(&mut session, file, SMALL);
    let header = DataHeader::with(255, 1, message.len(), 0);
    let mut bytes = header.message(&message);
    ensure_eq!("the size of the message", bytes.len(), 524);
    if bytes.len() < padded_to {
        bytes.resize(padded_to, 0);
    }
    session.pipe.wait_for_credit()?;
    session.pipe.send_data(header, &bytes)?;
    written_and_there(&mut session, file, &data)
}

/// 66 fragments; the client wants one credit less each time.
fn moderate(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (message, data) = write_of(&mut session, file, MODERATE);
    let size = session.pipe.fragment_size();
    ensure_eq!("the payload of a message", size, 1000);
    let mut sent = 0;
    for (i, piece) in message.chunks(size).enumerate() {
        session.pipe.wait_for_credit()?;
        sent += piece.len();
        let header = DataHeader::with(66 - i as u16, 1, piece.len(), message.len() - sent);
        session.pipe.send_data(header, &header.message(piece))?;
    }
    written_and_there(&mut session, file, &data)
}

/// First a message without data that announces all of it, then 128, 127 ... 0,
/// 0, 1, 2 ... bytes.
fn variable(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (message, data) = write_of(&mut session, file, MODERATE);
    let link = &mut session.pipe;
    let first = DataHeader {
        remaining: MODERATE as u32,
        ..DataHeader::empty(255, 1)
    };
    link.wait_for_credit()?;
    link.send_data(first, &first.message(&[]))?;
    let mut at = 0;
    let mut count = 1;
    for want in (0..=128).rev().chain(0..) {
        let piece = &message[at..message.len().min(at + want)];
        at += piece.len();
        link.wait_for_credit()?;
        let header = DataHeader::with(255, 1, piece.len(), message.len() - at);
        link.send_data(header, &header.message(piece))?;
        count += 1;
        if at == message.len() {
            break;
        }
    }
    c.note(format!("{count} messages"));
    written_and_there(&mut session, file, &data)
}

/// 65536 fragments of one byte, each message as long as the server takes.
fn single_bytes(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (message, data) = write_of(&mut session, file, MODERATE);
    let link = &mut session.pipe;
    let full = link.server.max_receive_size as usize;
    for (i, byte) in message.iter().enumerate() {
        link.wait_for_credit()?;
        let header = DataHeader::with(255, 1, 1, message.len() - i - 1);
        let mut bytes = header.message(&[*byte]);
        bytes.resize(full, 0);
        link.send_data(header, &bytes)?;
    }
    written_and_there(&mut session, file, &data)
}

/// A response that is as big as a message may be does not fit one with its header.
fn big_response(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let data = pattern::bytes(6, 1024 - 80);
    session.write_inline(file, 0, &data)?;
    let message = session.read_message(file, 0, data.len() as u32);
    session.pipe.send_message(&message)?;
    let (mut whole, mut rest) = (Vec::new(), None);
    let mut count = 0;
    while rest != Some(0) {
        let m = session
            .pipe
            .data(PATIENCE, "a fragment of the READ response")?;
        if m.header.is_empty() && rest.is_none() {
            // a grant before the response is none between its fragments
            continue;
        }
        ensure!(
            m.header.length > 0,
            "an empty message came between fragments"
        );
        session.pipe.take_fragment(&m, &mut whole, &mut rest)?;
        count += 1;
    }
    ensure!(count > 1, "the response came in one message");
    let response = Response::read(whole, Vec::new())?;
    ensure_eq!("the status of the READ", response.status, status::SUCCESS);
    ensure_eq!(
        "the length of the READ response",
        response.bytes.len(),
        1024
    );
    pattern::same("the data of the READ", &response.bytes[80..], &data)
}
