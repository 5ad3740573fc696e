// SPDX-License-Identifier: GPL-2.0
//! Fragments, credits and answers that do not come, or come too often (MS-SMBD 3.1.5.8, 3.1.5.9).

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::bench::{Bench, FILE, SOON};
use super::case;
use super::errors::{must_end_after, raw};
use super::system::AllInline;
use crate::cases::Case;
use crate::server::{command, Connection, Manner, Next, Request};
use crate::smbd::wire::DataHeader;
use crate::stop::{Stop, Try};
use crate::verbs::SendKind;
use crate::{ensure, ensure_eq};

pub const CASES: &[Case] = &[
    case("L-14", "Client_Message_Over_MaxFragmentedSize", too_long),
    case("HL-03", "Client_Fragments_Never_End", never_end),
    case("HL-04", "Client_Fragments_Stop", fragments_stop),
    case("HL-05", "Client_Credits_65535_Granted", generous),
    case("HL-06", "Client_Receives_Overrun", flood),
    case("HL-07", "Client_Answered_Twice", answered_twice),
    case("HL-08", "Client_Never_Answered", never_answered),
    case("HL-09", "Client_Send_With_Immediate", immediate),
];

/// When the first connection got what it must not.
type Moment = Cell<Option<Instant>>;

/// Every fragment announces that 500 bytes follow.
fn never_end(bench: &mut Bench) -> Try<()> {
    must_end_after(bench, "fragments that never end", |c, reply| {
        let header = DataHeader::with(255, 0, 100, 500);
        for _ in 0..20 {
            raw(c, header, &header.message(&reply[..100]))?;
        }
        Ok(())
    })
}

/// A message of 1000 bytes begins and is not gone on with. cifs has begun to
/// read it: no echo helps, so what bounds it is cifs's own look at when it heard
/// the server last (three echo intervals), or the transport's deadline.
fn fragments_stop(bench: &mut Bench) -> Try<()> {
    unanswered(bench, "a message that is not gone on with", |c| {
        let head = vec![0xfe, b'S', b'M', b'B', 64, 0, 0, 0];
        let header = DataHeader::with(255, 0, head.len(), 1000 - head.len());
        raw(c, header, &header.message(&head))
    })
}

/// No request gets an answer any more, echoes neither: cifs gives up after three
/// echo intervals and connects again.
fn never_answered(bench: &mut Bench) -> Try<()> {
    unanswered(bench, "no answer to anything", |_| Ok(()))
}

fn unanswered(bench: &mut Bench, why: &str, last: impl Fn(&mut Connection) -> Try<()>) -> Try<()> {
    const ECHO: u64 = 5;
    let options = format!(",echo_interval={ECHO}");
    if let Err(e) = bench.mount_with(&mut Manner::good(), &options, SOON)? {
        return Err(Stop::Failed(format!("the mount failed: {e}")));
    }
    let at: Moment = Cell::new(None);
    let mut manner = Manner::good();
    manner.message = Box::new(|c, _, _| {
        if c.number != 1 {
            return Ok(Next::Answer);
        }
        if at.get().is_none() {
            at.set(Some(Instant::now()));
            c.link.note(&format!("from now on: {why}"));
            last(c)?;
        }
        Ok(Next::Done)
    });
    let limit = Duration::from_secs(120);
    let got = bench.read(&mut manner, FILE, limit)?;
    let is_over = |s: &crate::server::Server| s.end_of(1).is_some();
    bench.until(
        &mut manner,
        "cifs to give the connection up",
        limit,
        is_over,
    )?;
    let since = at.get().unwrap_or_else(Instant::now);
    let took = bench.server.end_of(1).unwrap_or(since) - since;
    bench.note(format!(
        "given up after {:.1} s, by cifs: its echo interval is {ECHO} s",
        took.as_secs_f64()
    ));
    ensure!(
        took >= Duration::from_secs(ECHO),
        "the connection ended after {took:?}"
    );
    bench.read_right_or_error(got)
}

/// Grants add up without an end.
fn generous(bench: &mut Bench) -> Try<()> {
    bench.mount(&mut Manner::good())?;
    let sent = Cell::new(0);
    let mut manner = Manner::good();
    manner.message = Box::new(|c, _, _| {
        // as many as there are credits for, on each request
        while c.link.credits > 8 && sent.get() < 2000 {
            let header = DataHeader::empty(255, u16::MAX);
            c.link.send_data(header, &header.message(&[]))?;
            c.link.promised = 63;
            sent.set(sent.get() + 1);
        }
        Ok(Next::Answer)
    });
    while sent.get() < 600 {
        bench.read_right(&mut manner)?;
    }
    drop(manner);
    ensure_eq!("the number of connections", bench.server.count, 1);
    bench.note(format!("{} messages granted 65535 each", sent.get()));
    Ok(())
}

/// More messages than the client has receives: what comes too early is refused
/// by its adapter or waits there; the connection may end, the client must live.
fn flood(bench: &mut Bench) -> Try<()> {
    bench.mount(&mut Manner::good())?;
    let done = Cell::new(false);
    let mut manner = Manner::good();
    manner.message = Box::new(|c, _, _| {
        if !done.replace(true) {
            c.link.note("1000 messages, whatever the credits");
            for _ in 0..1000 {
                let header = DataHeader::empty(255, 0);
                c.link.send_raw(&header.message(&[]), "an empty message")?;
            }
        }
        Ok(Next::Answer)
    });
    let got = bench.read(&mut manner, FILE, SOON)?;
    bench.read_right_or_error(got)?;
    let count = bench.server.count;
    bench.note(format!("{count} connections"));
    Ok(())
}

/// cifs knows no request for the second answer and leaves it.
fn answered_twice(bench: &mut Bench) -> Try<()> {
    bench.mount(&mut Manner::good())?;
    let times = Cell::new(0);
    let mut manner = Manner::good();
    manner.message = Box::new(|c, share, message| {
        let Some(mut reply) = c.answer(share, message)? else {
            return Ok(Next::Done);
        };
        c.send(&reply)?;
        reply.token = None;
        c.send(&reply)?;
        times.set(times.get() + 1);
        Ok(Next::Done)
    });
    let got = bench.read(&mut manner, FILE, SOON)?;
    drop(manner);
    ensure!(times.get() > 0, "the client asked nothing");
    bench.read_right_or_error(got)?;
    let count = bench.server.count;
    bench.note(format!(
        "{} answers twice, {count} connections",
        times.get()
    ));
    Ok(())
}

/// SMB Direct has no immediate data. To read it as a message is no fault, to end
/// the connection neither.
fn immediate(bench: &mut Bench) -> Try<()> {
    if bench.server.is_iwarp() {
        return Err(Stop::Skipped("iWARP has no immediate data".into()));
    }
    bench.mount(&mut Manner::good())?;
    let done = Cell::new(false);
    let mut manner = Manner::good();
    manner.message = Box::new(|c, _, _| {
        if !done.replace(true) {
            let header = DataHeader::empty(255, 0);
            c.link.wait_for_any_credit()?;
            c.link
                .send_data_as(header, &header.message(&[]), SendKind::Immediate(7))?;
        }
        Ok(Next::Answer)
    });
    let got = bench.read(&mut manner, FILE, SOON)?;
    drop(manner);
    ensure!(done.get(), "the client asked nothing");
    bench.read_right_or_error(got)?;
    let count = bench.server.count;
    bench.note(format!("{count} connections"));
    Ok(())
}

/// A WRITE with the data inside that is longer than the server takes as a whole:
/// cifs is told to send such ones, and must get an error at home.
fn too_long(bench: &mut Bench) -> Try<()> {
    let inline = AllInline::set()?;
    let largest = Cell::new(0);
    let mut manner = Manner::good();
    manner.offer.request.max_fragmented_size = 131_072;
    bench.mount(&mut manner)?;
    manner.message = Box::new(|_, _, message| {
        let writes = Request::all(message)
            .iter()
            .any(|r| r.command() == command::WRITE);
        if writes {
            largest.set(message.len().max(largest.get()));
        }
        Ok(Next::Answer)
    });
    // below the threshold, which cifs lowers to the server's limit
    let got = bench.write(&mut manner, "long", vec![1; 131_060])?;
    drop(manner);
    drop(inline);
    let largest = largest.get();
    bench.note(format!("the write: {got:?}, longest message {largest}"));
    ensure!(largest <= 131_072, "a message of {largest} bytes came");
    ensure!(got.is_err(), "the write succeeded");
    bench.read_right(&mut Manner::good())?;
    let count = bench.server.count;
    // the transport refuses the message and stays; cifs takes any error of a send
    // for a broken connection
    bench.note(format!("{count} connections afterwards, by cifs"));
    Ok(())
}
