// SPDX-License-Identifier: GPL-2.0
//! HS: streams that are not what they announce; HC where credits are used in odd
//! but allowed ways. The server gets over each in bounded time and serves the next.

use std::time::{Duration, Instant};

use super::data::{set_up, write_of, written_and_there, MODERATE};
use super::{alone, case, long, Case, Context};
use crate::patience::patience;
use crate::smb2::{Dialects, Session};
use crate::smbd::wire::{DataHeader, RESPONSE_REQUESTED};
use crate::smbd::{Link, Offer, DISCONNECT, PATIENCE};
use crate::stop::{Stop, Try};
use crate::verbs::SendKind;
use crate::{ensure, fail};

pub const CASES: &[Case] = &[
    case("HC-04", "Credits_Target_Up_And_Down", target_up_and_down),
    alone(
        "HC-05",
        "Credits_Long_Messages_Again_And_Again",
        long_messages,
    ),
    case(
        "HS-01",
        "Stream_Empty_Messages_Between_Fragments",
        interleaved,
    ),
    long("HS-02", "Stream_Never_Ends", never_ends),
    case("HS-03", "Stream_Write_With_Immediate", |c| {
        odd(c, SendKind::WriteImmediate(7))
    }),
    case("HS-04", "Stream_Send_With_Immediate", |c| {
        odd(c, SendKind::Immediate(7))
    }),
    case("HS-05", "Stream_Send_With_Invalidate_Of_Unknown_Key", |c| {
        odd(c, SendKind::Invalidate(0xdead_be00))
    }),
    case("HS-06", "Stream_Disconnect_In_Every_State", disconnects),
];

/// The client wants one credit, then all it can have, then one again.
fn target_up_and_down(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    session.pipe.repost = true;
    for i in 0..200u32 {
        session.pipe.wait_for_credit()?;
        session
            .pipe
            .send_empty(if i % 2 == 0 { 1 } else { 65535 }, 1, 0)?;
    }
    session.write_inline(file, 0, &[1; 500])?;
    session.close(file)
}

/// Messages that take more credits than the server gives at a time, on several
/// connections at once: they must flow, whenever a client runs dry.
fn long_messages(c: &mut Context) -> Try<()> {
    const CREDITS: [u16; 8] = [255, 255, 100, 40, 20, 10, 3, 1];
    let config = &c.config;
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads = CREDITS.map(|credits| {
            scope.spawn(move || {
                // connections and their transcript belong to one thread
                let own = Context::new(config.clone(), "HC-05");
                let result = long_messages_on(&own, credits);
                (result, own.log.all())
            })
        });
        threads.into_iter().map(|t| t.join()).collect()
    });
    let mut slowest = Duration::ZERO;
    for result in results {
        match result {
            Ok((Ok(took), _)) => slowest = slowest.max(took),
            Ok((Err(stop), lines)) => {
                lines.iter().for_each(|line| c.log.line(0, line));
                return Err(stop);
            }
            Err(_) => fail!("a thread of the peer panicked"),
        }
    }
    c.note(format!(
        "{} x 40 messages of {} bytes, the slowest took {:.1} s",
        CREDITS.len(),
        longest_message(),
        slowest.as_secs_f64()
    ));
    Ok(())
}

/// A message has 30 s, and with one credit a round trip for each 1,340 bytes.
fn longest_message() -> usize {
    100_000 / patience() as usize
}

/// On one connection; how long the slowest took.
fn long_messages_on(c: &Context, credits: u16) -> Try<Duration> {
    let offer = Offer::new(credits, 1364, 1364, 131_072);
    let (mut session, file) = c.with_file(offer, Dialects::All)?;
    let mut slowest = Duration::ZERO;
    for round in 0..40usize {
        let data = super::pattern::bytes(round as u64, longest_message() - round);
        let since = Instant::now();
        session.write_inline(file, 0, &data).map_err(|e| {
            Stop::Failed(format!(
                "message {round} of {} bytes with {credits} credits, after {:.1} s: {e}",
                data.len() + 112,
                since.elapsed().as_secs_f64()
            ))
        })?;
        slowest = slowest.max(since.elapsed());
    }
    session.close(file)?;
    Ok(slowest)
}

/// Messages without data between the fragments of one that has data: odd, but
/// they say nothing about it (3.1.5.8).
fn interleaved(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (message, data) = write_of(&mut session, file, MODERATE);
    let size = session.pipe.fragment_size();
    let mut sent = 0;
    for piece in message.chunks(size) {
        session.pipe.wait_for_credit()?;
        sent += piece.len();
        let header = DataHeader::with(255, 1, piece.len(), message.len() - sent);
        session.pipe.send_data(header, &header.message(piece))?;
        session.pipe.wait_for_credit()?;
        session.pipe.send_empty(255, 1, 0)?;
    }
    written_and_there(&mut session, file, &data)
}

/// A message that begins and does not go on, from a client that answers every
/// keepalive.
fn never_ends(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let (message, _) = write_of(&mut session, file, MODERATE);
    let link = &mut session.pipe;
    let header = DataHeader::with(255, 1, 1000, message.len() - 1000);
    link.send_data(header, &header.message(&message[..1000]))?;
    let since = Instant::now();
    let limit = Duration::from_secs(300);
    let mut asked = 0;
    loop {
        match link.poll_data(limit.saturating_sub(since.elapsed())) {
            Ok(Some(m)) if m.header.flags & RESPONSE_REQUESTED != 0 => {
                asked += 1;
                link.wait_for_credit()?;
                link.send_empty(255, 1, 0)?;
            }
            Ok(Some(_)) => {}
            Ok(None) => fail!("the server waits for the rest of a message for 300 s"),
            Err(Stop::Gone(_)) => break,
            Err(other) => return Err(other),
        }
    }
    c.note(format!(
        "ended after {:.1} s, {asked} keepalives",
        since.elapsed().as_secs_f64()
    ));
    c.still_there()
}

/// Work requests that SMB Direct does not use.
fn odd(c: &mut Context, kind: SendKind) -> Try<()> {
    for negotiated in [false, true] {
        let mut link = c.connect(Offer::basic())?;
        if link.is_iwarp() && !matches!(kind, SendKind::Invalidate(_)) {
            return Err(Stop::Skipped("iWARP has no immediate data".into()));
        }
        let bytes = if negotiated {
            link.negotiate()?;
            link.fill_receives()?;
            DataHeader::empty(10, 10).message(&[])
        } else {
            link.offer.request.bytes()
        };
        let payload = if matches!(kind, SendKind::WriteImmediate(_)) {
            &[][..]
        } else {
            &bytes
        };
        link.send_as(payload, "a message", kind)?;
        let how = match link.must_end(DISCONNECT, "that is no message of SMB Direct") {
            Ok(took) => format!("ended after {:.2} s", took.as_secs_f64()),
            // to read it as a message is no fault
            Err(_) if kind == SendKind::Immediate(7) => "the server took it".into(),
            Err(other) => return Err(other),
        };
        let when = if negotiated { "after" } else { "before" };
        c.note(format!("{when} negotiation: {how}"));
        drop(link);
        c.still_there()?;
    }
    Ok(())
}

/// Go away before, during and after everything.
fn disconnects(c: &mut Context) -> Try<()> {
    c.connect(Offer::basic())?.disconnect();
    let mut link = c.connect(Offer::basic())?;
    let bytes = link.offer.request.bytes();
    link.send_raw(&bytes, "negotiate request")?;
    link.disconnect();
    drop(link);
    c.negotiated(Offer::basic())?.disconnect();
    // in the middle of a message
    let (mut session, file) = set_up(c)?;
    let (message, _) = write_of(&mut session, file, MODERATE);
    let header = DataHeader::with(255, 1, 1000, message.len() - 1000);
    session
        .pipe
        .send_data(header, &header.message(&message[..1000]))?;
    session.pipe.disconnect();
    drop(session);
    // while data is on its way by RDMA
    for _ in 0..3 {
        mid_transfer(c)?;
    }
    // and a whole session still works
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    session.write_inline(file, 0, b"still here")?;
    session.close(file)
}

fn mid_transfer(c: &mut Context) -> Try<()> {
    use crate::smb2::{whole, Channel, WriteRequest};
    use crate::smbd::wire::descriptors;
    use crate::verbs::Rights;
    let (mut session, file): (Session<Link>, _) = c.with_file(Offer::usual(), Dialects::All)?;
    let len = session.limits.write;
    ensure!(len > 0, "the server writes nothing");
    let region = session.pipe.register(len as usize, Rights::Read)?;
    let body = WriteRequest::by(
        file.0,
        0,
        len,
        Channel::RdmaV1,
        descriptors(&[whole(&region)]),
    )
    .body();
    let message = session.request(9, &body, len);
    session.pipe.send_message(&message)?;
    // long enough for the server to begin
    match session
        .pipe
        .poll_data(Duration::from_millis(5).min(PATIENCE))
    {
        Ok(_) | Err(Stop::Gone(_)) => {}
        Err(other) => return Err(other),
    }
    session.pipe.disconnect();
    Ok(())
}
