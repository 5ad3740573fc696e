// SPDX-License-Identifier: GPL-2.0
//! Keepalive, negotiation and credits over minutes, seen from the server.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::bench::{Bench, FILE, SOON};
use super::case;
use crate::cases::Case;
use crate::server::{Manner, Next, Server};
use crate::smbd::wire::RESPONSE_REQUESTED;
use crate::smbd::Link;
use crate::stop::{Stop, Try};
use crate::{ensure, ensure_eq, fail};

pub const CASES: &[Case] = &[
    case("L-11", "Client_No_Response", no_response),
    case("L-18", "Client_Answers_Question", answers_at_once),
    case("LT-03", "Client_Answers_Keepalive", answers),
    case("LT-04", "Client_Sends_Keepalive", sends),
    case("LT-05", "Client_Keepalive_Unanswered", unanswered),
    case("HL-10", "Client_Credits_Never_Granted", never_granted),
];

/// The first connection; it has to be there.
fn first(server: &mut Server) -> Try<&mut crate::server::Connection> {
    match server.connections.first_mut() {
        Some(c) => Ok(c),
        None => fail!("the client has no connection"),
    }
}

/// The negotiation timer of the active side is one of 120 s.
fn no_response(bench: &mut Bench) -> Try<()> {
    let at = Cell::new(None);
    let mut manner = Manner::good();
    manner.negotiate = Box::new(|_, _, _| {
        at.set(Some(Instant::now()));
        Ok(Next::Done)
    });
    let got = bench.mount_with(&mut manner, "", Duration::from_secs(180))?;
    ensure!(got.is_err(), "the mount succeeded without a response");
    let Some(since) = at.get() else {
        fail!("no negotiate request came");
    };
    let is_over = |s: &Server| s.end_of(1).is_some();
    bench.until(&mut manner, "the end of the connection", SOON, is_over)?;
    let took = bench.server.end_of(1).unwrap_or(since) - since;
    bench.note(format!("given up after {:.1} s", took.as_secs_f64()));
    ensure!(
        (119..=132).contains(&took.as_secs()),
        "the client gave up after {took:?}"
    );
    Ok(())
}

/// Ask, granting nothing. The answer is one message, without the flag, that grants a credit.
fn ask(link: &mut Link) -> Try<()> {
    link.wait_for_any_credit()?;
    link.send_empty(255, 0, RESPONSE_REQUESTED)?;
    answer(link, Duration::from_secs(5))
}

fn answer(link: &mut Link, wait: Duration) -> Try<()> {
    let m = link.data(wait, "the answer to a keepalive")?;
    m.must_be_empty("the answer to a keepalive")?;
    ensure_eq!("Flags of the answer", m.header.flags, 0);
    ensure!(m.header.credits_granted > 0, "the answer grants no credit");
    Ok(())
}

/// It does not matter when the server asks.
fn answers_at_once(bench: &mut Bench) -> Try<()> {
    bench.mount(&mut Manner::good())?;
    bench.pass(&mut Manner::good(), Duration::from_secs(1))?;
    let c = first(&mut bench.server)?;
    ask(&mut c.link)?;
    c.link.silence(Duration::from_secs(2), "after the answer")?;
    bench.read_right(&mut Manner::good())?;
    ensure_eq!("the number of connections", bench.server.count, 1);
    Ok(())
}

/// Mounted, and nothing to say for ten minutes by cifs's own doing: when the
/// client was heard and answered last.
fn idle(bench: &mut Bench) -> Try<Instant> {
    let last = Cell::new(Instant::now());
    let mut manner = Manner::good();
    manner.message = Box::new(|_, _, _| {
        last.set(Instant::now());
        Ok(Next::Answer)
    });
    if let Err(e) = bench.mount_with(&mut manner, ",echo_interval=600", SOON)? {
        fail!("the mount failed: {e}");
    }
    // whatever belongs to the mount
    bench.pass(&mut manner, Duration::from_secs(3))?;
    drop(manner);
    Ok(last.get())
}

/// Wait for the client's question: between 119 and 125 s after the last message
/// that it got, and nothing before.
fn probe(link: &mut Link, quiet_since: Instant) -> Try<f64> {
    let m = match link.data(Duration::from_secs(140), "a keepalive of the idle client") {
        Err(Stop::Gone(how)) => fail!("the idle connection ended: {how}"),
        other => other?,
    };
    let took = quiet_since.elapsed();
    m.must_be_empty("a keepalive")?;
    ensure_eq!("Flags of a keepalive", m.header.flags, RESPONSE_REQUESTED);
    ensure!(
        (119..=125).contains(&took.as_secs()),
        "the keepalive came after {took:?}"
    );
    Ok(took.as_secs_f64())
}

/// T-03 mirrored: just before the client would ask, the server does.
fn answers(bench: &mut Bench) -> Try<()> {
    let quiet_since = idle(bench)?;
    let c = first(&mut bench.server)?;
    let left = Duration::from_secs(119).saturating_sub(quiet_since.elapsed());
    c.link
        .silence(left, "the connection is idle for less than 120 s")?;
    ask(&mut c.link)?;
    c.link.silence(Duration::from_secs(2), "after the answer")?;
    bench.read_right(&mut Manner::good())?;
    ensure_eq!("the number of connections", bench.server.count, 1);
    Ok(())
}

/// T-04 mirrored: the question comes in time, is answered by a question, and comes again; the second
/// time it is answered by a plain message.
fn sends(bench: &mut Bench) -> Try<()> {
    let quiet_since = idle(bench)?;
    let c = first(&mut bench.server)?;
    let once = probe(&mut c.link, quiet_since)?;
    c.link
        .silence(Duration::from_secs(4), "the client waits for an answer")?;
    let granted = c.link.refill()?;
    c.link.wait_for_any_credit()?;
    c.link.send_empty(255, granted, RESPONSE_REQUESTED)?;
    let quiet_since = Instant::now();
    answer(&mut c.link, Duration::from_secs(6))?;
    let again = probe(&mut c.link, quiet_since)?;
    c.link.send_grant()?;
    // longer than the client waits for an answer
    c.link
        .silence(Duration::from_secs(8), "the question was answered")?;
    bench.note(format!("asked after {once:.1} s and {again:.1} s"));
    bench.read_right(&mut Manner::good())?;
    ensure_eq!("the number of connections", bench.server.count, 1);
    Ok(())
}

/// T-05 mirrored: no answer to the probe, the client ends the connection after
/// 5 s, and connects again.
fn unanswered(bench: &mut Bench) -> Try<()> {
    let quiet_since = idle(bench)?;
    let c = first(&mut bench.server)?;
    probe(&mut c.link, quiet_since)?;
    let probed = Instant::now();
    c.link
        .must_end(Duration::from_secs(17), "its keepalive has no answer")?;
    let took = probed.elapsed();
    bench.note(format!("ended after {:.1} s", took.as_secs_f64()));
    ensure!(
        took >= Duration::from_millis(4500),
        "the connection ended after {took:?}"
    );
    let got = bench.read(&mut Manner::good(), FILE, SOON)?;
    bench.read_right_or_error(got)
}

/// The client gets one credit and never another: it must not wait for ever.
fn never_granted(bench: &mut Bench) -> Try<()> {
    let mut manner = Manner::good();
    manner.negotiate = Box::new(|link, request, _| {
        let mut response = link.agreement(request)?;
        response.credits_granted = 1;
        link.respond(&response)?;
        // nothing that is granted later can be less than this
        link.promised = 1 << 32;
        link.note("no credit will be granted any more");
        Ok(Next::Done)
    });
    let since = Instant::now();
    let got = bench.mount_with(&mut manner, "", Duration::from_secs(400))?;
    let took = since.elapsed();
    bench.note(format!(
        "the mount: {got:?} after {:.0} s",
        took.as_secs_f64()
    ));
    ensure!(got.is_err(), "the mount succeeded with one credit");
    Ok(())
}
