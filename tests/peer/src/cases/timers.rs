// SPDX-License-Identifier: GPL-2.0
//! T: the negotiation timer and the idle timer (MS-SMBD 3.1.2, 3.1.6).

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{case, long, Case, Context};
use crate::smb2::{Dialects, Session};
use crate::smbd::wire::RESPONSE_REQUESTED;
use crate::smbd::{Link, Offer};
use crate::stop::{Stop, Try};
use crate::{ensure, ensure_eq};

pub const CASES: &[Case] = &[
    case("T-01", "SmbdNegotiate_NegotiationTimer", negotiate_late),
    case(
        "T-02",
        "SmbdNegotiate_NegotiationTimer_Timeout",
        negotiate_never,
    ),
    long(
        "T-03",
        "SmbdDataTransfer_IdleConnection_Client",
        client_asks,
    ),
    long(
        "T-04",
        "SmbdDataTransfer_IdleConnection_Server",
        server_asks,
    ),
    long(
        "T-05",
        "SmbdDataTransfer_IdleConnection_Server_Timeout",
        no_answer,
    ),
];

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Four of the server's five seconds are over when the request comes. A machine that stood still
/// so long that it came too late is asked again.
fn negotiate_late(c: &mut Context) -> Try<()> {
    for _ in 0..3 {
        // the server does not count before it knows of the connection
        let began = Instant::now();
        let mut link = c.connect(Offer::basic())?;
        sleep(seconds(4).saturating_sub(began.elapsed()));
        let asked = began.elapsed();
        match link.negotiate() {
            Err(why) if asked > Duration::from_millis(4500) => {
                c.note(format!("asked after {:.1} s: {why}", asked.as_secs_f64()));
            }
            result => return result.map(drop),
        }
    }
    Err(Stop::Skipped(
        "three times the machine could not ask within 4.5 s of connecting".into(),
    ))
}

/// The server gives up after 5 s; that is to be seen 12 s later at the latest.
fn negotiate_never(c: &mut Context) -> Try<()> {
    let mut link = c.connect(Offer::basic())?;
    let took = link.must_end(seconds(17), "no negotiate request came for 5 s")?;
    ensure!(
        took >= seconds(4),
        "the server waited only {:.1} s",
        took.as_secs_f64()
    );
    c.note(format!("ended after {:.1} s", took.as_secs_f64()));
    c.judged(Offer::basic()).map(drop)
}

/// A session with a file that was opened and closed again: an idle connection.
fn idle(c: &Context) -> Try<Session<Link>> {
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    session.close(file)?;
    Ok(session)
}

fn since(t: Instant) -> f64 {
    t.elapsed().as_secs_f64()
}

/// Just before the server would ask, the client does.
fn client_asks(c: &mut Context) -> Try<()> {
    let mut session = idle(c)?;
    let link = &mut session.pipe;
    let left = seconds(119).saturating_sub(link.last_heard().elapsed());
    link.silence(left, "the connection is idle for less than 120 s")?;
    link.post_receives(1)?;
    link.send_empty(255, 0, RESPONSE_REQUESTED)?;
    let asked = Instant::now();
    let m = link.data(seconds(5), "the answer to a keepalive message")?;
    c.note(format!("answered after {:.2} s", since(asked)));
    m.must_be_empty("the answer")?;
    ensure_eq!("Flags of the answer", m.header.flags, 0);
    ensure!(m.header.credits_granted > 0, "the answer grants no credits");
    Ok(())
}

/// Wait for the server's question: between 119 and 125 s after the last message.
fn probe(c: &mut Context, link: &mut Link, quiet_since: Instant) -> Try<()> {
    let left = seconds(125).saturating_sub(quiet_since.elapsed());
    let m = link.data(left, "the server's keepalive message")?;
    let after = quiet_since.elapsed();
    c.note(format!("asked after {:.1} s", after.as_secs_f64()));
    ensure_eq!(
        "Flags of the first message after the idle time",
        m.header.flags,
        RESPONSE_REQUESTED
    );
    m.must_be_empty("the keepalive message")?;
    ensure!(
        after >= seconds(119),
        "the server asked after {:.1} s already",
        after.as_secs_f64()
    );
    Ok(())
}

fn server_asks(c: &mut Context) -> Try<()> {
    let mut session = idle(c)?;
    let link = &mut session.pipe;
    let quiet_since = link.last_heard();
    probe(c, link, quiet_since)?;
    link.silence(seconds(4), "the server waits for an answer")?;
    // answer with a question
    link.post_receives(1)?;
    link.send_empty(255, 1, RESPONSE_REQUESTED)?;
    let quiet_since = Instant::now();
    let m = link.data(seconds(6), "the answer to a keepalive message")?;
    m.must_be_empty("the answer")?;
    ensure_eq!("Flags of the answer", m.header.flags, 0);
    probe(c, link, quiet_since)
}

fn no_answer(c: &mut Context) -> Try<()> {
    let mut session = idle(c)?;
    let link = &mut session.pipe;
    let quiet_since = link.last_heard();
    probe(c, link, quiet_since)?;
    let took = link.must_end(
        seconds(17),
        "its keepalive message was not answered for 5 s",
    )?;
    ensure!(
        took >= seconds(4),
        "the server waited only {:.1} s",
        took.as_secs_f64()
    );
    c.note(format!("ended after {:.1} s", took.as_secs_f64()));
    Ok(())
}
