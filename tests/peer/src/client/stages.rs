// SPDX-License-Identifier: GPL-2.0
//! The connection ends at each stage.

use std::cell::Cell;

use super::bench::{Bench, FILE, SOON};
use super::case;
use crate::cases::Case;
use crate::server::{command, Data, Manner, Next, Request};
use crate::smbd::wire::DataHeader;
use crate::stop::{Stop, Try};
use crate::{ensure, fail};

pub const CASES: &[Case] = &[
    case("HL-18", "Client_Request_Not_Accepted", not_accepted),
    case("HL-19", "Client_Disconnect_In_Negotiation", in_negotiation),
    case("HL-20", "Client_Disconnect_While_Mounting", while_mounting),
    case(
        "HL-21",
        "Client_Disconnect_During_Operations",
        during_operations,
    ),
    case(
        "HL-22",
        "Client_Disconnect_At_First_Create",
        at_first_create,
    ),
];

/// Nothing is said to the connection request: the client gives up after 5 s.
fn not_accepted(bench: &mut Bench) -> Try<()> {
    let mut manner = Manner::good();
    manner.accepts = Box::new(|_| false);
    bench
        .mount_refused(&mut manner, "the request is not answered")
        .map(drop)
}

/// The server goes away before or with its answer to the negotiate request.
fn in_negotiation(bench: &mut Bench) -> Try<()> {
    let mut before = Manner::good();
    before.negotiate = Box::new(|_, _, _| Err(Stop::Gone("by ourselves".into())));
    bench.mount_refused(&mut before, "the server disconnects instead of answering")?;
    // with the answer: the client may see the connection for a moment
    let mut with = Manner::good();
    with.negotiate = Box::new(|link, request, _| {
        let response = link.agreement(request)?;
        link.respond(&response)?;
        Err(Stop::Gone("by ourselves".into()))
    });
    let got = bench.mount_with(&mut with, "", SOON)?;
    bench.note(format!("disconnected with the answer: {got:?}"));
    ensure!(got.is_err(), "the mount succeeded without a server");
    Ok(())
}

fn while_mounting(bench: &mut Bench) -> Try<()> {
    at_commands(
        bench,
        &[
            ("NEGOTIATE", command::NEGOTIATE),
            ("SESSION_SETUP", command::SESSION_SETUP),
            ("TREE_CONNECT", command::TREE_CONNECT),
        ],
    )
}

/// In no case file of the lab: cifs of Linux 7.3.4 goes on with the mount while it
/// connects again, and dereferences its missing connection
/// (`smb3_negotiate_rsize`, `smbd_get_parameters`). No transport can prevent that.
fn at_first_create(bench: &mut Bench) -> Try<()> {
    at_commands(bench, &[("CREATE", command::CREATE)])
}

/// The first message with this command ends the connection, unanswered.
fn at_commands(bench: &mut Bench, commands: &[(&str, u16)]) -> Try<()> {
    for &(what, wanted) in commands {
        let done = Cell::new(false);
        let mut manner = Manner::good();
        manner.message = Box::new(|_, _, message| {
            let is_it = Request::all(message).iter().any(|r| r.command() == wanted);
            if is_it && !done.replace(true) {
                return Err(Stop::Gone("by ourselves".into()));
            }
            Ok(Next::Answer)
        });
        let got = bench.mount_with(&mut manner, "", SOON)?;
        ensure!(done.get(), "no {what} came");
        drop(manner);
        match got {
            Ok(()) => {
                bench.note(format!(
                    "{what}: the mount succeeded on the next connection"
                ));
                bench.read_right(&mut Manner::good())?;
                bench.umount(&mut Manner::good())?;
            }
            Err(why) => bench.note(format!("{what}: {why}")),
        }
    }
    Ok(())
}

/// While data moves: before, during and after the transfer, within the answer.
fn during_operations(bench: &mut Bench) -> Try<()> {
    let stages = [
        "a READ unanswered",
        "a READ whose data was written",
        "a READ in the middle of the answer",
        "a WRITE unanswered",
        "a WRITE whose data was read",
    ];
    bench.mount(&mut Manner::good())?;
    for (stage, what) in stages.into_iter().enumerate() {
        let done = Cell::new(false);
        let wanted = if stage < 3 {
            command::READ
        } else {
            command::WRITE
        };
        let mut manner = Manner::good();
        manner.message = Box::new(|c, share, message| {
            let all = Request::all(message);
            let Some(request) = all.first().filter(|r| r.command() == wanted) else {
                return Ok(Next::Answer);
            };
            if Data::of(request).channel == 0 || done.replace(true) {
                return Ok(Next::Answer);
            }
            c.link.note(&format!("disconnecting: {what}"));
            if matches!(stage, 1 | 2 | 4) {
                let Some(reply) = c.answer(share, message)? else {
                    fail!("there is nothing to answer");
                };
                if stage == 2 {
                    let (part, rest) = reply.bytes.split_at(40);
                    let header = DataHeader::with(255, 0, part.len(), rest.len());
                    c.link.wait_for_any_credit()?;
                    c.link.send_data(header, &header.message(part))?;
                }
            }
            Err(Stop::Gone("by ourselves".into()))
        });
        if wanted == command::READ {
            let got = bench.read(&mut manner, FILE, SOON)?;
            drop(manner);
            bench.note(what);
            bench.read_right_or_error(got)?;
        } else {
            let data = super::bench::pattern(stage as u32 * 2 + 11, 120_000);
            let got = bench.write(&mut manner, "w", data.clone())?;
            drop(manner);
            bench.note(format!("{what}: {got:?}"));
            if got.is_ok() {
                super::bench::same(bench.server.share.data("w").unwrap_or_default(), &data)?;
            }
        }
        ensure!(done.get(), "it did not come to {what}");
    }
    bench.whole_round(&mut Manner::good())
}
