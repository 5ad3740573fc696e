// SPDX-License-Identifier: GPL-2.0
//! C: managing credits (MS-SMBD 3.1.5.9).

use std::time::{Duration, Instant};

use super::pattern;
use super::{case, long, Case, Context};
use crate::smb2::{status, Dialects, Response, Session};
use crate::smbd::{Link, Offer, PATIENCE};
use crate::stop::{Stop, Try};
use crate::{ensure, ensure_eq, fail};

pub const CASES: &[Case] = &[
    case(
        "C-01",
        "BVT_SmbdCreditMgmt_OperationWithMinimumCredits",
        |c| limited(c, 1),
    ),
    case("C-02", "SmbdCreditMgmt_OperationWithLimitedCredits", |c| {
        limited(c, 10)
    }),
    case(
        "C-03",
        "SmbdCreditMgmt_ConsumeAllSendCredits",
        all_send_credits,
    ),
    case(
        "C-04",
        "SmbdCreditMgmt_ConsumeAllReceiveCredits",
        all_receive_credits,
    ),
    long(
        "C-05",
        "SmbdCreditMgmt_ConsumeAllCreditServer_Timeout",
        never_granted,
    ),
];

/// A WRITE of 65536 bytes in 49 fragments with that many credits.
fn limited(c: &mut Context, credits: u16) -> Try<()> {
    let offer = Offer::new(credits, 1364, 8192, 131_072).receives(u32::from(credits));
    let (mut session, file) = c.with_file(offer, Dialects::All)?;
    session.pipe.judge_negotiation(&session.pipe.server)?;
    let data = pattern::bytes(1, 65536);
    session.write_inline(file, 0, &data)?;
    pattern::same("the file", &session.read_back(file, data.len())?, &data)?;
    session.close(file)
}

/// Who has spent all credits is given new ones without asking.
fn all_send_credits(c: &mut Context) -> Try<()> {
    let mut link = c.negotiated(Offer::basic())?;
    link.fill_receives()?;
    let granted = link.credits;
    for _ in 0..granted {
        link.send_empty(10, 1, 0)?;
    }
    let m = link.data(PATIENCE, "a message that grants credits")?;
    m.must_be_empty("the first message of the server")?;
    ensure!(
        m.header.credits_granted > 0,
        "the first message of the server grants nothing"
    );
    c.note(format!(
        "after {granted} messages {} granted",
        m.header.credits_granted
    ));
    Ok(())
}

/// The size of the response whose parts are counted.
const RESPONSE: usize = 65536;

/// Ask for a READ response of `RESPONSE` bytes without granting anything with
/// the request: the server has the credits that earlier traffic left.
fn start_big_read(c: &Context) -> Try<(Session<Link>, Vec<u8>)> {
    let (mut session, file) = c.with_file(Offer::new(10, 1364, 8192, 131_072), Dialects::All)?;
    let data = pattern::bytes(2, RESPONSE - 80);
    session.write_inline(file, 0, &data)?;
    // one request and one response more, so that all but one credit are there
    let again = session.create(&c.file_name())?;
    session.close(again)?;
    let message = session.read_message(file, 0, data.len() as u32);
    let link = &mut session.pipe;
    ensure_eq!("the credits that the server has", link.promised, 9);
    let header = crate::smbd::wire::DataHeader::with(10, 0, message.len(), 0);
    link.send_data(header, &header.message(&message))?;
    Ok((session, data))
}

/// Read until the server has no credits: the bytes still missing after that.
fn until_dry(link: &mut Link, whole: &mut Vec<u8>, rest: &mut Option<usize>) -> Try<u16> {
    let mut granted = 0;
    while link.promised > 0 && *rest != Some(0) {
        let m = link.data(PATIENCE, "a fragment of the READ response")?;
        ensure!(
            m.header.length > 0,
            "an empty message came between fragments"
        );
        link.take_fragment(&m, whole, rest)?;
        granted = m.header.credits_granted;
    }
    Ok(granted)
}

/// With the last credit the server grants; with none it is silent.
fn all_receive_credits(c: &mut Context) -> Try<()> {
    let (mut session, data) = start_big_read(c)?;
    let link = &mut session.pipe;
    let (mut whole, mut rest) = (Vec::new(), None);
    let mut rounds = Vec::new();
    loop {
        let before = whole.len();
        let granted = until_dry(link, &mut whole, &mut rest)?;
        rounds.push(whole.len() - before);
        ensure!(
            granted > 0,
            "the message that spent the server's last credit grants nothing ({} of {RESPONSE} bytes)",
            whole.len()
        );
        if rest == Some(0) {
            break;
        }
        // one receive that it was not promised, to see what should not come
        link.post_receives(1)?;
        link.silence(Duration::from_millis(300), "the server has no credits left")?;
        link.post_receives(9)?;
        link.send_empty(10, 10, 0)?;
    }
    c.note(format!("bytes in each round: {rounds:?}"));
    let response = Response::read(whole, Vec::new())?;
    ensure_eq!("the status of the READ", response.status, status::SUCCESS);
    pattern::same("the data of the READ", &response.bytes[80..], &data)
}

/// Without a credit the server cannot even ask whether the client is alive: it
/// ends the connection by itself.
fn never_granted(c: &mut Context) -> Try<()> {
    let (mut session, _) = start_big_read(c)?;
    let link = &mut session.pipe;
    let since = Instant::now();
    let (mut whole, mut rest) = (Vec::new(), None);
    until_dry(link, &mut whole, &mut rest)?;
    ensure!(rest != Some(0), "the whole response came with 9 credits");
    // receives that it was not promised, to see what should not come
    link.post_receives(4)?;
    match link.poll_data(Duration::from_secs(132).saturating_sub(since.elapsed())) {
        Err(Stop::Gone(_)) => {
            c.note(format!(
                "ended after {:.1} s",
                since.elapsed().as_secs_f64()
            ));
            Ok(())
        }
        Ok(Some(m)) => fail!(
            "a message came without a credit after {:.1} s: {:?}",
            since.elapsed().as_secs_f64(),
            m.header
        ),
        Ok(None) => fail!("the server did not end the connection within 132 s"),
        Err(other) => Err(other),
    }
}
