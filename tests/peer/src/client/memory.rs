// SPDX-License-Identifier: GPL-2.0
//! The client's memory: what the server reads, writes and invalidates (MS-SMBD 3.1.4.3 to 3.1.4.6).

use std::cell::{Cell, RefCell};
use std::time::Instant;

use super::bench::{same, Bench, FILE, FILE_LEN, SOON};
use super::case;
use super::system::counter;
use crate::cases::Case;
use crate::server::{command, Connection, Data, Manner, Next, Request, Share};
use crate::stop::{Stop, Try};
use crate::verbs::{Rights, SendKind, Transfer};
use crate::{ensure, ensure_eq, fail};

pub const CASES: &[Case] = &[
    case(
        "L-15",
        "Client_Invalidates_What_Server_Did_Not",
        not_invalidated,
    ),
    case("HL-11", "Client_Foreign_Key_Invalidated", foreign_key),
    case("HL-12", "Client_Key_Invalidated_Twice", twice),
    case("HL-15", "Client_Write_After_Answer", after_answer),
    case(
        "HL-16",
        "Client_Write_After_Invalidation",
        after_invalidation,
    ),
];

/// The first request of a message, if it moves data by RDMA.
pub(super) fn by_rdma(message: &[u8]) -> Option<(u16, Data)> {
    let request = *Request::all(message).first()?;
    let known = matches!(request.command(), command::READ | command::WRITE);
    let data = known.then(|| Data::of(&request))?;
    (data.channel != 0).then_some((request.command(), data))
}

/// A mount; then the first READ by RDMA is handed to `deed`. What the read gave.
fn at_first_read(
    bench: &mut Bench,
    mut deed: impl FnMut(&mut Connection, &mut Share, &[u8], &Data) -> Try<Next>,
) -> Try<(std::io::Result<Vec<u8>>, Instant)> {
    bench.mount(&mut Manner::good())?;
    let at = Cell::new(None);
    let mut manner = Manner::good();
    manner.message = Box::new(|c, share, message| match by_rdma(message) {
        Some((command::READ, data)) if at.get().is_none() => {
            at.set(Some(Instant::now()));
            deed(c, share, message, &data)
        }
        _ => Ok(Next::Answer),
    });
    let got = bench.read(&mut manner, FILE, SOON)?;
    match at.get() {
        Some(since) => Ok((got, since)),
        None => fail!("no READ by RDMA came"),
    }
}

/// Without an invalidation from the server the client does it itself.
fn not_invalidated(bench: &mut Bench) -> Try<()> {
    bench.mount(&mut Manner::good())?;
    let before = counter("remote_invalidations");
    let seen = Cell::new(0);
    let mut manner = Manner::good();
    manner.message = Box::new(|c, share, message| {
        let Some(mut reply) = c.answer(share, message)? else {
            return Ok(Next::Done);
        };
        seen.set(seen.get() + u32::from(reply.token.take().is_some()));
        c.send(&reply)?;
        Ok(Next::Done)
    });
    bench.whole_round(&mut manner)?;
    drop(manner);
    ensure!(
        seen.get() >= 2,
        "the client wanted {} keys invalidated",
        seen.get()
    );
    ensure_eq!("the number of connections", bench.server.count, 1);
    ensure_eq!(
        "remote_invalidations",
        counter("remote_invalidations"),
        before
    );
    bench.note(format!("{} answers without invalidation", seen.get()));
    // and with it again, on the same connection
    bench.whole_round(&mut Manner::good())?;
    ensure_eq!("the number of connections", bench.server.count, 1);
    if let (Some(before), Some(now)) = (before, counter("remote_invalidations")) {
        ensure!(now > before, "no key was counted as invalidated");
    }
    Ok(())
}

/// The answer is right, but invalidates a key that the client never gave.
fn foreign_key(bench: &mut Bench) -> Try<()> {
    let (got, since) = at_first_read(bench, |c, share, message, data| {
        let Some(mut reply) = c.answer(share, message)? else {
            return Ok(Next::Done);
        };
        reply.token = data.token().map(|key| key ^ 0x0055_5500);
        c.send(&reply)?;
        Ok(Next::Done)
    })?;
    bench.must_end(&mut Manner::good(), 1, since, "a foreign key invalidated")?;
    bench.read_right_or_error(got)
}

/// The answer invalidates the key, and an empty message does it again.
fn twice(bench: &mut Bench) -> Try<()> {
    let (got, since) = at_first_read(bench, |c, share, message, data| {
        let Some(reply) = c.answer(share, message)? else {
            return Ok(Next::Done);
        };
        c.send(&reply)?;
        let Some(key) = data.token() else {
            return Err(Stop::Skipped("the client asks for no invalidation".into()));
        };
        let header = crate::smbd::wire::DataHeader::empty(255, 0);
        c.link.wait_for_any_credit()?;
        c.link
            .send_data_as(header, &header.message(&[]), SendKind::Invalidate(key))?;
        Ok(Next::Done)
    })?;
    bench.must_end(&mut Manner::good(), 1, since, "a key invalidated twice")?;
    bench.read_right_or_error(got)
}

/// The answer without invalidation, and when the client has taken the data, a
/// write with the old key: the memory is the client's again and must not change.
fn after_answer(bench: &mut Bench) -> Try<()> {
    stale(bench, false)
}

/// The same, when the server has invalidated the key itself.
fn after_invalidation(bench: &mut Bench) -> Try<()> {
    stale(bench, true)
}

fn stale(bench: &mut Bench, invalidate: bool) -> Try<()> {
    let old: RefCell<Option<Data>> = RefCell::new(None);
    let outcome = RefCell::new(None);
    let (got, _) = {
        bench.mount(&mut Manner::good())?;
        let mut manner = Manner::good();
        manner.message = Box::new(|c, share, message| {
            if outcome.borrow().is_some() {
                return Ok(Next::Answer);
            }
            let before = old.borrow().clone();
            if let Some(data) = before {
                // any message after the answer: the client has its data, and it
                // has waited for the key's end
                let Some(d) = data.descriptors.first() else {
                    fail!("a READ by RDMA came without a descriptor");
                };
                let region = c.link.register(4096, Rights::Write)?;
                region.buffer.fill(0xee);
                let done = c.link.transfer_part(
                    Transfer::Write,
                    &region,
                    (0, 4096),
                    (d.offset, d.token),
                )?;
                let ended = c.link.client_must_end("a write with an old key");
                *outcome.borrow_mut() = Some((done, ended));
                return Err(Stop::Gone("by the client, after a write".into()));
            }
            if let Some((command::READ, data)) = by_rdma(message) {
                let Some(mut reply) = c.answer(share, message)? else {
                    return Ok(Next::Done);
                };
                if !invalidate {
                    reply.token = None;
                }
                c.send(&reply)?;
                *old.borrow_mut() = Some(data);
                return Ok(Next::Done);
            }
            Ok(Next::Answer)
        });
        // one READ: another one at the end of the file would be without an answer
        let got = bench.read_part(&mut manner, FILE, FILE_LEN)?;
        // the next message is at the latest this one's: nobody can know that file
        let again = bench.stat(&mut manner, "never-asked-for", SOON)?;
        (got, again)
    };
    let Some((done, ended)) = outcome.into_inner() else {
        fail!("no message came after the answer");
    };
    let told = done.err().unwrap_or("no error was reported".into());
    bench.note(format!("the write with the old key: {told}"));
    match got {
        Ok(data) => {
            let want = bench.server.share.data(FILE).unwrap_or_default().to_vec();
            same(&data, &want)?;
        }
        Err(e) => fail!("reading: {e}, although the answer was right"),
    }
    ended.map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::bench::pattern;
    use super::*;

    #[test]
    fn patterns_differ_between_pages() {
        let data = pattern(1, 8192);
        assert_ne!(data[..4096], data[4096..]);
        assert_ne!(pattern(1, 64), pattern(7, 64));
        assert!(same(&data, &data).is_ok() && same(&data, &data[1..]).is_err());
    }
}
