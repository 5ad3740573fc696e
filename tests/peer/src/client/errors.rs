// SPDX-License-Identifier: GPL-2.0
//! Data messages that break the rules (MS-SMBD 3.1.5.8): the client's side of the test suites' X
//! cases, with their values.
//!
//! What is sent is the right answer to a request of the client but for one thing, so that a client
//! which does not see that takes the message, and the connection goes on.

use std::cell::Cell;
use std::io;
use std::time::Instant;

use super::bench::{pattern, same, Bench, FILE, FILE_LEN};
use super::case;
use super::system::AllInline;
use crate::cases::Case;
use crate::server::{command, Connection, Data, Manner, Next, Request};
use crate::smbd::wire::DataHeader;
use crate::stop::{Stop, Try};
use crate::{ensure, ensure_eq, fail};

pub const CASES: &[Case] = &[
    case("LX-07", "Client_Data_19_Bytes", uncompleted),
    case("LX-08", "Client_Data_DataOffset_Not_Aligned", not_aligned),
    case("LX-09", "Client_Data_DataOffset_Too_Large", far_offset),
    case("LX-10", "Client_Data_DataLength_Too_Large", long_length),
    case(
        "LX-11",
        "Client_Data_Longer_Than_MaxReceiveSize",
        long_message,
    ),
    case("LX-12", "Client_Data_More_Than_Announced", over_run),
    case(
        "LX-13",
        "Client_Data_Over_MaxFragmentedSize",
        over_fragmented,
    ),
    case("LX-14", "Client_Data_Less_Than_Announced", early_end),
    case(
        "LX-15",
        "Client_Data_RemainingDataLength_Differs",
        remaining_differs,
    ),
    case("LX-16", "Client_Data_CreditsRequested_0", no_request),
];

/// Another file, for answers of a certain length.
const OTHER: &str = "other";
/// A READ's answer before its data: the SMB2 header and the fixed part (MS-SMB2 2.2.20).
const BEFORE_DATA: usize = 80;

/// Which request of the client is answered by the case, the first one of its kind.
#[derive(Clone, Copy)]
enum Asked {
    /// Opening the file.
    Open,
    /// The READ, whose data is in its answer.
    Read,
}

/// What came of it.
struct Outcome {
    /// The connection's number, and when it got what the case gave it.
    number: u32,
    since: Instant,
    got: io::Result<Vec<u8>>,
    name: &'static str,
    len: usize,
}

/// On a mount: a file is read, and `deed` answers. It is given the right answer.
fn answered(
    bench: &mut Bench,
    why: &str,
    (asked, name, len): (Asked, &'static str, usize),
    deed: impl Fn(&mut Connection, &[u8]) -> Try<()>,
) -> Try<Outcome> {
    let number = bench.server.count;
    let at = Cell::new(None);
    let mut manner = Manner::good();
    manner.message = Box::new(|c, share, message| {
        let is_it = Request::all(message).first().is_some_and(|r| match asked {
            Asked::Open => r.command() == command::CREATE,
            Asked::Read => {
                let data = (r.command() == command::READ).then(|| Data::of(r));
                data.is_some_and(|d| d.channel == 0 && d.length as usize == len)
            }
        });
        if !is_it || at.get().is_some() || c.number != number {
            return Ok(Next::Answer);
        }
        let Some(reply) = c.answer(share, message)? else {
            return Ok(Next::Done);
        };
        at.set(Some(Instant::now()));
        c.link.note(&format!("now: {why}"));
        deed(c, &reply.bytes)?;
        Ok(Next::Done)
    });
    let got = bench.read_part(&mut manner, name, len)?;
    match at.get() {
        Some(since) => Ok(Outcome {
            number,
            since,
            got,
            name,
            len,
        }),
        None => fail!("the request to be answered did not come: {why}"),
    }
}

/// The client must end the connection in time. What it does is repeated on the next one, or ends
/// with an error.
fn must_end(bench: &mut Bench, why: &str, outcome: Outcome) -> Try<()> {
    let (number, since) = (outcome.number, outcome.since);
    bench.must_end(&mut Manner::good(), number, since, why)?;
    bench.right_or_error(outcome.name, outcome.len, outcome.got)?;
    bench.umount(&mut Manner::good())
}

/// The client must take it, and go on.
fn must_live(bench: &mut Bench, why: &str, outcome: Outcome) -> Try<()> {
    let (name, len) = (outcome.name, outcome.len);
    let again = bench.read_part(&mut Manner::good(), name, len)?;
    let want = bench.server.share.data(name).unwrap_or_default();
    for got in [outcome.got, again] {
        match got {
            Ok(data) => same(&data, &want[..len])?,
            Err(e) => fail!("{why} is right, but reading gave: {e}"),
        }
    }
    ensure_eq!(
        format!("the number of connections after {why}"),
        bench.server.count,
        outcome.number
    );
    bench.note(format!("{why}: taken"));
    bench.umount(&mut Manner::good())
}

/// A mount, whose first request of a read is answered with `misdeed`.
fn opened(
    bench: &mut Bench,
    why: &str,
    misdeed: impl Fn(&mut Connection, &[u8]) -> Try<()>,
) -> Try<Outcome> {
    bench.mount(&mut Manner::good())?;
    answered(bench, why, (Asked::Open, FILE, FILE_LEN), misdeed)
}

pub(super) fn must_end_after(
    bench: &mut Bench,
    why: &str,
    misdeed: impl Fn(&mut Connection, &[u8]) -> Try<()>,
) -> Try<()> {
    let outcome = opened(bench, why, misdeed)?;
    must_end(bench, why, outcome)
}

/// A mount of which data comes inline, and the answer to a READ which has `size(client's
/// MaxFragmentedSize)` bytes in all.
fn read_inline(
    bench: &mut Bench,
    why: &str,
    size: impl Fn(usize) -> usize,
    deed: impl Fn(&mut Connection, &[u8]) -> Try<()>,
) -> Try<Outcome> {
    let inline = AllInline::set()?;
    bench.mount(&mut Manner::good())?;
    drop(inline);
    let Some(c) = bench.server.connections.last() else {
        fail!("the client has no connection");
    };
    let len = size(c.link.server.max_fragmented_size as usize) - BEFORE_DATA;
    // cifs asks for no more than this in one READ
    ensure!(len <= 1 << 20, "the answer would have {len} bytes of data");
    bench.server.share.add(OTHER, Some(pattern(3, len)));
    answered(bench, why, (Asked::Read, OTHER, len), deed)
}

/// One data message as it is, with a credit that the server has.
pub(super) fn raw(c: &mut Connection, header: DataHeader, message: &[u8]) -> Try<()> {
    c.link.wait_for_any_credit()?;
    c.link.send_data(header, message)
}

fn whole(payload: &[u8]) -> DataHeader {
    DataHeader::with(255, 0, payload.len(), 0)
}

/// A header over the message that another one would make.
fn patched(c: &mut Connection, payload: &[u8], header: DataHeader, len: usize) -> Try<()> {
    let mut bytes = whole(payload).message(payload);
    bytes.resize(len, 0);
    bytes[..DataHeader::LEN].copy_from_slice(&header.message_padded(0, &[]));
    raw(c, header, &bytes)
}

/// In fragments of `size` bytes; `remaining` is told the number of the fragment, from 1, and how many
/// bytes follow, and says what its header has for that; None: it is not sent, and none after it.
fn fragments(
    c: &mut Connection,
    message: &[u8],
    size: usize,
    remaining: impl Fn(usize, usize) -> Option<usize>,
) -> Try<()> {
    let mut left = message.len();
    for (i, piece) in message.chunks(size).enumerate() {
        left -= piece.len();
        let Some(told) = remaining(i + 1, left) else {
            break;
        };
        let header = DataHeader::with(255, c.link.refill()?, piece.len(), told);
        raw(c, header, &header.message(piece))?;
    }
    Ok(())
}

fn uncompleted(bench: &mut Bench) -> Try<()> {
    must_end_after(bench, "a data message of 19 bytes", |c, _| {
        let header = DataHeader::empty(255, 0);
        raw(c, header, &header.message(&[])[..19])
    })
}

fn not_aligned(bench: &mut Bench) -> Try<()> {
    for offset in [23, 25] {
        let why = format!("DataOffset is {offset}");
        must_end_after(bench, &why, |c, reply| {
            let header = DataHeader {
                offset,
                ..whole(reply)
            };
            raw(c, header, &header.message(reply))
        })?;
    }
    Ok(())
}

fn far_offset(bench: &mut Bench) -> Try<()> {
    // the last one is that of the suite; it is not a multiple of 8 either
    for offset in [32, 0x8000_0000, u32::MAX - 7, u32::MAX] {
        let why = format!("DataOffset is {offset:#x}");
        must_end_after(bench, &why, |c, reply| {
            let header = DataHeader {
                offset,
                ..whole(reply)
            };
            patched(c, reply, header, 24 + reply.len())
        })?;
    }
    Ok(())
}

fn long_length(bench: &mut Bench) -> Try<()> {
    must_end_after(bench, "DataLength is one too large", |c, reply| {
        let header = DataHeader::with(255, 0, reply.len() + 1, 0);
        patched(c, reply, header, 24 + reply.len())
    })?;
    must_end_after(
        bench,
        "DataLength is one too large in a full message",
        |c, reply| {
            let size = c.link.client_receive_size();
            let header = DataHeader::with(255, 0, size - 24 + 1, 0);
            patched(c, reply, header, size)
        },
    )?;
    // with 24 it is 23 in 32 bits
    must_end_after(bench, "DataLength is 0xffffffff", |c, reply| {
        let header = DataHeader {
            length: u32::MAX,
            ..whole(reply)
        };
        patched(c, reply, header, 24 + reply.len())
    })
}

/// One byte too many, which is none of the answer's; and exactly as many as are allowed.
fn long_message(bench: &mut Bench) -> Try<()> {
    let sized = |c: &mut Connection, reply: &[u8], more: usize| {
        let size = c.link.client_receive_size() + more;
        ensure!(
            24 + reply.len() < size,
            "the answer has {} bytes already",
            reply.len()
        );
        patched(c, reply, whole(reply), size)
    };
    let why = "a message of MaxReceiveSize + 1 bytes";
    must_end_after(bench, why, |c, reply| sized(c, reply, 1))?;
    let why = "a message of MaxReceiveSize bytes";
    let outcome = opened(bench, why, |c, reply| sized(c, reply, 0))?;
    must_live(bench, why, outcome)
}

/// Each fragment alone is right.
fn over_run(bench: &mut Bench) -> Try<()> {
    let why = "50 bytes more than were announced";
    must_end_after(bench, why, |c, reply| {
        let half = reply.len().div_ceil(2);
        fragments(c, reply, half, |_, left| Some(left.saturating_sub(50)))
    })?;
    let why = "MaxFragmentedSize + 1 bytes of MaxFragmentedSize";
    let outcome = read_inline(
        bench,
        why,
        |most| most,
        |c, reply| {
            let longer = [reply, &[0]].concat();
            let mut size = c.link.fragment_size();
            if longer.len() % size == 1 {
                // the last byte would be a message by itself
                size -= 1;
            }
            fragments(c, &longer, size, |_, left| Some(left.saturating_sub(1)))
        },
    )?;
    must_end(bench, why, outcome)?;
    let why = "an answer of MaxFragmentedSize bytes";
    let outcome = read_inline(
        bench,
        why,
        |most| most,
        |c, reply| {
            let size = c.link.fragment_size();
            fragments(c, reply, size, |_, left| Some(left))
        },
    )?;
    must_live(bench, why, outcome)
}

fn over_fragmented(bench: &mut Bench) -> Try<()> {
    fn most(c: &Connection) -> u32 {
        c.link.server.max_fragmented_size
    }
    let why = "100 bytes, and MaxFragmentedSize - 99 are to follow";
    must_end_after(bench, why, |c, reply| {
        let header = DataHeader::with(255, 0, 100, most(c) as usize - 99);
        raw(c, header, &header.message(&reply[..100]))
    })?;
    // the sum is 0 in 32 bits
    let why = "100 bytes, and 4 GiB - 100 are to follow";
    must_end_after(bench, why, |c, reply| {
        let header = DataHeader {
            remaining: u32::MAX - 99,
            ..whole(&reply[..100])
        };
        raw(c, header, &header.message(&reply[..100]))
    })?;
    for (why, remaining) in [
        (
            "an empty message, and MaxFragmentedSize + 1 bytes are to follow",
            None,
        ),
        (
            "an empty message, and 0xffffffff bytes are to follow",
            Some(u32::MAX),
        ),
    ] {
        must_end_after(bench, why, |c, _| {
            let header = DataHeader {
                remaining: remaining.unwrap_or(most(c) + 1),
                ..DataHeader::empty(255, 0)
            };
            raw(c, header, &header.message(&[]))
        })?;
    }
    let why = "an empty message that announces the answer";
    let outcome = opened(bench, why, |c, reply| {
        let header = DataHeader {
            remaining: reply.len() as u32,
            ..DataHeader::empty(255, 0)
        };
        raw(c, header, &header.message(&[]))?;
        fragments(c, reply, 100, |_, left| Some(left))
    })?;
    must_live(bench, why, outcome)
}

/// 65,536 bytes in 66 fragments.
const FRAGMENTED: usize = 65_536;
const FRAGMENT: usize = 1000;

fn early_end(bench: &mut Bench) -> Try<()> {
    for wrong in [2, 65] {
        let why = format!("fragment {wrong} of 66 says that it is the last");
        let outcome = read_inline(
            bench,
            &why,
            |_| FRAGMENTED,
            |c, reply| {
                ensure_eq!("the length of the answer", reply.len(), FRAGMENTED);
                fragments(c, reply, FRAGMENT, |i, left| match i {
                    i if i < wrong => Some(left),
                    i => (i == wrong).then_some(0),
                })
            },
        )?;
        must_end(bench, &why, outcome)?;
    }
    Ok(())
}

/// A fragment announces one byte more than is left. The suite leaves this out by default, since Windows
/// does not look at it.
fn remaining_differs(bench: &mut Bench) -> Try<()> {
    let why = "fragment 2 of 66 announces one byte too many";
    let outcome = read_inline(
        bench,
        why,
        |_| FRAGMENTED,
        |c, reply| {
            fragments(c, reply, FRAGMENT, |i, left| {
                Some(left + usize::from(i == 2))
            })
        },
    )?;
    // Either the connection ends, or all of the answer is taken.
    if bench.server.end_of(outcome.number).is_some() {
        return must_end(bench, why, outcome);
    }
    must_live(bench, why, outcome)?;
    Err(Stop::Skipped(
        "the client does not compare RemainingDataLength with what was announced, and need not: the \
         suite's own switch for this is off. The answer arrived whole"
            .into(),
    ))
}

fn no_request(bench: &mut Bench) -> Try<()> {
    must_end_after(
        bench,
        "CreditsRequested is 0 in an empty message",
        |c, _| {
            let header = DataHeader::empty(0, 0);
            raw(c, header, &header.message(&[]))
        },
    )?;
    must_end_after(bench, "CreditsRequested is 0 in an answer", |c, reply| {
        let header = DataHeader::with(0, 0, reply.len(), 0);
        raw(c, header, &header.message(reply))
    })
}
