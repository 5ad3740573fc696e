// SPDX-License-Identifier: GPL-2.0
//! HC and HS where a second connection has to go on untouched: a client that
//! starves the server, messages of two requests that are mixed, keys of others.

use std::time::{Duration, Instant};

use super::beside::Beside;
use super::data::{set_up, write_of, MODERATE};
use super::pattern;
use super::tasks;
use super::{alone, case, Case, Context};
use crate::patience::patience;
use crate::smb2::{check_written, whole, Channel, Dialects};
use crate::smbd::wire::DataHeader;
use crate::smbd::{Offer, DISCONNECT};
use crate::stop::{Stop, Try};
use crate::verbs::{Rights, SendKind};
use crate::{ensure, fail};

pub const CASES: &[Case] = &[
    alone(
        "HC-06",
        "Credits_Starved_With_Many_Requests_Pending",
        starved,
    ),
    case(
        "HC-07",
        "Credits_Lowered_Before_A_Message_In_Fragments",
        lowered,
    ),
    case("HS-07", "Stream_Two_Messages_Interleaved", mixed),
    case(
        "HS-08",
        "Stream_Send_With_Invalidate_Of_Foreign_Key",
        foreign_key,
    ),
];

/// Requests whose answers of 32 KiB have no credit to go with.
const PENDING: usize = 64;
/// The server has 5 s for a credit, after the answers that it has credits for.
const STARVED: Duration = Duration::from_secs(15);

fn starved(c: &mut Context) -> Try<()> {
    tasks::visible(c.config.server)?;
    let before = tasks::at_rest()?;
    let beside = Beside::start(c)?;
    let (mut session, file) = c.with_file(Offer::new(255, 1364, 8192, 131_072), Dialects::All)?;
    let data = pattern::bytes(92, 32 << 10);
    session.write_inline(file, 0, &data)?;
    for _ in 0..PENDING {
        let message = session.read_message(file, 0, data.len() as u32);
        let link = &mut session.pipe;
        if link.credits == 0 {
            link.wait_for_credit()?;
        }
        let header = DataHeader::with(255, 0, message.len(), 0);
        link.send_data(header, &header.message(&message))?;
    }
    let since = Instant::now();
    let limit = STARVED * patience();
    let mut busiest = 0;
    let took = loop {
        match session.pipe.poll_data(Duration::from_millis(100)) {
            Err(Stop::Gone(_)) => break since.elapsed(),
            Ok(Some(_)) => {}
            Ok(None) => busiest = busiest.max(tasks::workers(&tasks::inside()?)),
            Err(e) => return Err(e),
        }
        ensure!(
            since.elapsed() < limit,
            "{PENDING} answers wait for credits for {limit:?}, and the connection is there"
        );
    };
    drop(session);
    beside.end(c)?;
    c.note(format!(
        "ended after {:.1} s, up to {busiest} workers were in the server",
        took.as_secs_f64()
    ));
    // or the look at what is left would show nothing; a slow server is still busy with
    // answers that it has credits for when the first one gives up
    ensure!(
        busiest > PENDING / 2 / patience() as usize,
        "{busiest} workers were in the server while {PENDING} answers waited"
    );
    tasks::only(&before)?;
    // as many requests as were pending, all at once, on a new one
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    session.write_inline(file, 0, &data)?;
    for _ in 0..PENDING {
        let message = session.read_message(file, 0, 100);
        session.send(&message)?;
    }
    for _ in 0..PENDING {
        session.response("a response after the starved connection has ended")?;
    }
    session.close(file)
}

/// A client that had many credits wants one from now on, and sends a message in
/// many fragments with it: it gets one after the other.
fn lowered(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (message, data) = write_of(&mut session, file, 10_000);
    let link = &mut session.pipe;
    let since = Instant::now();
    while link.credits > 0 || since.elapsed() < Duration::from_secs(1) {
        match link.credits {
            0 => {
                link.poll_data(Duration::from_millis(100))?;
            }
            // the answers grant what the last message asked for
            n => {
                link.send_empty(1, 1, 0)?;
                if n == 1 {
                    break;
                }
            }
        }
    }
    let mut sent = 0;
    let mut slowest = Duration::ZERO;
    for piece in message.chunks(500) {
        let since = Instant::now();
        link.wait_for_credit()?;
        slowest = slowest.max(since.elapsed());
        sent += piece.len();
        let header = DataHeader::with(1, 1, piece.len(), message.len() - sent);
        link.send_data(header, &header.message(piece))?;
    }
    c.note(format!("the slowest credit took {slowest:?}"));
    super::data::written_and_there(&mut session, file, &data)
}

/// Fragments of two WRITEs in turn: on one connection there is one message at a
/// time, so the second is the first one's continuation, and what comes of it
/// does not fit what was announced.
fn mixed(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (first, _) = write_of(&mut session, file, MODERATE);
    let (second, _) = write_of(&mut session, file, MODERATE - 1000);
    let link = &mut session.pipe;
    let size = link.fragment_size();
    let since = Instant::now();
    let mut count = 0;
    let result = 'all: {
        for (a, b) in first.chunks(size).zip(second.chunks(size)) {
            count += 1;
            for (piece, all) in [(a, first.len()), (b, second.len())] {
                let left = all.saturating_sub(count * size);
                let header = DataHeader::with(255, 1, piece.len(), left);
                let step = link
                    .wait_for_credit()
                    .and_then(|()| link.send_data(header, &header.message(piece)));
                if step.is_err() {
                    break 'all step;
                }
            }
        }
        link.must_end(DISCONNECT, "two messages in one").map(drop)
    };
    match result {
        Ok(()) | Err(Stop::Gone(_)) => c.note(format!(
            "ended after {count} fragments of each, {:.2} s",
            since.elapsed().as_secs_f64()
        )),
        Err(other) => return Err(other),
    }
    c.still_there()
}

/// The key of memory that belongs to another connection, which has to stay
/// usable there.
fn foreign_key(c: &mut Context) -> Try<()> {
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    let data = pattern::bytes(90, 65536);
    let region = session.pipe.register(data.len(), Rights::Read)?;
    region.buffer.put(0, &data);
    let mut link = c.negotiated(Offer::basic())?;
    link.fill_receives()?;
    let message = DataHeader::empty(10, 10).message(&[]);
    link.send_as(
        &message,
        "a message that invalidates another connection's key",
        SendKind::Invalidate(region.key()),
    )?;
    match link.must_end(DISCONNECT, "the key is not this connection's") {
        Ok(took) => c.note(format!("ended after {:.2} s", took.as_secs_f64())),
        Err(other) => return Err(other),
    }
    let len = data.len() as u32;
    let list = [whole(&region)];
    let response = session.write_by(file, 0, len, Channel::RdmaV1, &list)?;
    check_written(&response, len)?;
    let got = session.read_back(file, data.len())?;
    if got != data {
        fail!("the file differs from the memory with that key");
    }
    session.close(file)
}
