// SPDX-License-Identifier: GPL-2.0
//! HC: peers that misuse credits. Others are served meanwhile, and each is got
//! over in the time that `Documentation/architecture.md`, 7 gives it.

use std::time::{Duration, Instant};

use super::beside::Beside;
use super::data::set_up;
use super::pattern;
use super::{case, long, Case, Context};
use crate::patience::patience;
use crate::smb2::{Dialects, Session};
use crate::smbd::wire::DataHeader;
use crate::smbd::{Link, Offer, DISCONNECT};
use crate::stop::{Stop, Try};
use crate::{ensure, fail};

pub const CASES: &[Case] = &[
    case("HC-01", "Credits_Never_Granted", never_grants),
    case(
        "HC-02",
        "Credits_65535_Granted_40000_Times",
        grants_without_end,
    ),
    case("HC-03", "Credits_Overrun", overruns),
    long("HC-08", "Credits_One_Every_3_Seconds", trickles),
];

/// The server's time for one credit, and for its end and ours to be seen.
const ONE_WAIT: Duration = Duration::from_secs(5);
const ONE_WAIT_SEEN: Duration = Duration::from_secs(10);

/// A request whose answer the server is given no credit for.
fn never_grants(c: &mut Context) -> Try<()> {
    let beside = Beside::start(c)?;
    let link = c.negotiated(Offer::basic())?;
    let mut session = Session::new(link);
    let message = session.request(13, &[4, 0, 0, 0], 0);
    let link = &mut session.pipe;
    link.post_receives(4)?;
    let since = Instant::now();
    let header = DataHeader::with(10, 0, message.len(), 0);
    link.send_data(header, &header.message(&message))?;
    let limit = ONE_WAIT_SEEN * patience();
    let took = match link.poll_data(limit) {
        Err(Stop::Gone(_)) => since.elapsed(),
        Ok(None) => fail!("the server kept the connection for {limit:?}"),
        Ok(Some(m)) => fail!("a message came without a credit: {:?}", m.header),
        Err(other) => return Err(other),
    };
    c.note(format!("ended after {:.1} s", took.as_secs_f64()));
    ensure!(
        took >= ONE_WAIT,
        "the server waited {took:?} for a credit, should be {ONE_WAIT:?}"
    );
    beside.end(c)?;
    c.still_there()
}

/// More credits than any counter of 16 or of 31 bits holds. What is too many is
/// forgotten, and the connection works on.
fn grants_without_end(c: &mut Context) -> Try<()> {
    let beside = Beside::start(c)?;
    let (mut session, file) = set_up(c)?;
    session.pipe.repost = true;
    for i in 0..40_000 {
        session
            .pipe
            .wait_for_credit()
            .and_then(|()| session.pipe.send_empty(255, 65535, 0))
            .map_err(|e| Stop::Failed(format!("after {i} messages: {e}")))?;
    }
    let data = pattern::bytes(89, 1000);
    session
        .write_inline(file, 0, &data)
        .and_then(|()| session.read_back(file, data.len()))
        .and_then(|got| pattern::same("the file", &got, &data))
        .map_err(|e| Stop::Failed(format!("a WRITE and a READ after all grants: {e}")))?;
    session.close(file)?;
    beside.end(c)?;
    c.still_there()
}

/// More messages than there are credits. A server that was granted nothing can
/// grant nothing, so there is no doubt how many the client has.
fn overruns(c: &mut Context) -> Try<()> {
    let beside = Beside::start(c)?;
    for extra in [1, 300] {
        let took = overrun_by(c, extra)?;
        c.note(format!(
            "{extra} messages more than credits: ended after {:.2} s",
            took.as_secs_f64()
        ));
    }
    flood(c)?;
    beside.end(c)?;
    c.still_there()
}

/// All credits are spent, which is no fault; then so many messages more.
fn overrun_by(c: &mut Context, extra: u32) -> Try<Duration> {
    let mut link = c.negotiated(Offer::basic())?;
    link.fill_receives()?;
    let granted = link.credits;
    for _ in 0..granted {
        link.send_empty(10, 0, 0)?;
    }
    link.silence(
        Duration::from_secs(1),
        "the client has spent its credits, and the server has none to say anything",
    )?;
    for _ in 0..extra {
        match link.send_empty(10, 0, 0) {
            Ok(()) => {}
            Err(Stop::Gone(_)) => break,
            Err(other) => return Err(other),
        }
    }
    link.must_end(
        DISCONNECT * patience(),
        &format!("{extra} messages more than the {granted} credits"),
    )
}

/// Three times as many messages as there are credits, all at once, and the server
/// may grant: it ends the connection, or it has granted a credit for each of them.
fn flood(c: &mut Context) -> Try<()> {
    let mut link = c.negotiated(Offer::basic())?;
    link.fill_receives()?;
    link.repost = true;
    let mut granted = link.credits;
    let mut count = 0u64;
    let mut ended = false;
    for _ in 0..3 * granted + 300 {
        match link.send_empty(10, 1, 0) {
            Ok(()) => count += 1,
            Err(Stop::Gone(_)) => {
                ended = true;
                break;
            }
            Err(other) => return Err(other),
        }
    }
    while !ended {
        match link.poll_data(Duration::from_secs(2) * patience()) {
            Ok(Some(m)) => granted += u64::from(m.header.credits_granted),
            Ok(None) => break,
            Err(Stop::Gone(_)) => ended = true,
            Err(other) => return Err(other),
        }
    }
    let how = if ended { "ended" } else { "works on" };
    c.note(format!(
        "{count} messages at once, {granted} granted: the connection {how}"
    ));
    ensure!(
        ended || granted >= count,
        "the server took {count} messages for {granted} credits"
    );
    Ok(())
}

/// Answers that wait for credits.
const WAITING: u64 = 64;
/// One credit is granted as often: soon enough for each wait (5 s), with room for a
/// slow machine.
const EVERY: Duration = Duration::from_secs(3);
/// What senders may wait over all messages, but for what their fragments earn.
const ALL_WAITS: Duration = Duration::from_secs(30);
/// That, the wait in which it is over, and what the answers earn (16 ms each).
const ALL_WAITS_SEEN: Duration = Duration::from_secs(45);

/// One credit now and then: no single wait is too long, but all together are.
fn trickles(c: &mut Context) -> Try<()> {
    let beside = Beside::start(c)?;
    // few receives, so that the server has few credits when it begins
    let offer = Offer::new(255, 1364, 8192, 131_072).receives(2);
    let (mut session, file) = c.with_file(offer, Dialects::All)?;
    let data = pattern::bytes(88, 1000);
    session.write_inline(file, 0, &data)?;
    let had = session.pipe.promised;
    let began = Instant::now();
    let (mut next, mut granted, mut answers) = (began + EVERY, 0, 0);
    for _ in 0..had + WAITING {
        let message = session.read_message(file, 0, data.len() as u32);
        let link: &mut Link = &mut session.pipe;
        link.repost = true;
        link.wait_for_any_credit()?;
        // a slow machine takes seconds for so many requests, while the first answers wait
        let due = Instant::now() >= next;
        if due {
            (next, granted) = (next + EVERY, granted + 1);
        }
        let header = DataHeader::with(255, due.into(), message.len(), 0);
        link.send_data(header, &header.message(&message))?;
    }
    let limit = ALL_WAITS_SEEN * patience();
    loop {
        let left = next.saturating_duration_since(Instant::now());
        let step = match session.pipe.poll_data(left) {
            Ok(Some(m)) => {
                answers += u64::from(m.header.length > 0 && m.header.remaining == 0);
                Ok(())
            }
            Ok(None) => {
                (next, granted) = (next + EVERY, granted + 1);
                session.pipe.send_empty(255, 1, 0)
            }
            Err(stop) => Err(stop),
        };
        match step {
            Ok(()) => {}
            Err(Stop::Gone(_)) => break,
            Err(other) => return Err(other),
        }
        ensure!(
            began.elapsed() < limit,
            "{granted} credits in {limit:?} for {WAITING} answers, and the connection is there"
        );
    }
    let took = began.elapsed();
    c.note(format!(
        "ended after {:.1} s, {granted} credits and {answers} answers; the server had {had} credits before",
        took.as_secs_f64()
    ));
    ensure!(
        took >= ALL_WAITS,
        "the server gave up after {took:?}, should be {ALL_WAITS:?}: each wait was shorter than {ONE_WAIT:?}"
    );
    // the credit with which it ended has none
    ensure!(
        answers + 1 >= had + granted && answers < had + WAITING,
        "{answers} answers came for {} credits",
        had + granted
    );
    drop(session);
    beside.end(c)?;
    c.still_there()
}
