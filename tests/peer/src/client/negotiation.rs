// SPDX-License-Identifier: GPL-2.0
//! What a client must make of a negotiate response (MS-SMBD 3.1.5.7).

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::bench::{Bench, FILE, FILE_LEN, SOON};
use super::case;
use super::system::{counter, receives_posted};
use crate::cases::Case;
use crate::server::{command, Data, Manner, Next, Request};
use crate::smbd::wire::{NegotiateResponse, NOT_SUPPORTED};
use crate::stop::Try;
use crate::{ensure, ensure_eq, fail};

pub const CASES: &[Case] = &[
    case("L-01", "Client_Response_31_Bytes", short),
    case("L-02", "Client_Response_NegotiatedVersion", version),
    case("L-03", "Client_Response_MaxReceiveSize", receive_size),
    case("L-04", "Client_Response_MaxFragmentedSize", fragmented_size),
    case("L-05", "Client_Response_CreditsGranted_0", granted),
    case("L-06", "Client_Response_CreditsRequested_0", requested),
    case("L-07", "Client_Response_PreferredSendSize", send_size),
    case("L-08", "Client_Response_Status", refused),
    case("L-09", "Client_Response_64_Bytes", padded),
    case("L-10", "Client_Response_PreferredSendSize_1", tiny_sends),
    case("L-12", "Client_Response_MaxReadWriteSize", read_write_size),
    case("L-13", "Client_First_Message_Grants", first_grants),
    case("L-17", "Client_Dialects", dialects),
    case("HL-01", "Client_Response_Late", late),
    case("HL-02", "Client_Response_Twice", twice),
];

type Change = fn(&mut NegotiateResponse);

/// Answer with a response that is right but for one change.
fn changed(change: Change) -> Manner<'static> {
    let mut manner = Manner::good();
    manner.negotiate = Box::new(move |link, request, _| {
        let mut response = link.agreement(request)?;
        change(&mut response);
        link.respond(&response)?;
        Ok(Next::Done)
    });
    manner
}

/// The mount must fail, and the client end its connection.
fn must_refuse(bench: &mut Bench, manner: &mut Manner, why: &str) -> Try<String> {
    let before = bench.server.count;
    let error = bench.mount_refused(manner, why)?;
    let number = before + 1;
    ensure_eq!("the number of connections", bench.server.count, number);
    bench.must_end(manner, number, Instant::now(), why)?;
    Ok(error)
}

/// The mount must succeed, and data be right.
fn must_accept(bench: &mut Bench, manner: &mut Manner) -> Try<()> {
    bench.mount(manner)?;
    bench.whole_round(manner)?;
    bench.umount(manner)
}

fn short(bench: &mut Bench) -> Try<()> {
    let mut manner = Manner::good();
    manner.negotiate = Box::new(|link, request, _| {
        let response = link.agreement(request)?.bytes();
        link.send_raw(&response[..31], "31 bytes of a negotiate response")?;
        Ok(Next::Done)
    });
    must_refuse(bench, &mut manner, "the response has 31 bytes").map(drop)
}

fn version(bench: &mut Bench) -> Try<()> {
    let next = &mut changed(|r| r.negotiated_version = 0x0101);
    must_refuse(bench, next, "the version is 0x0101")?;
    let none = &mut changed(|r| r.negotiated_version = 0);
    must_refuse(bench, none, "the version is 0").map(drop)
}

fn receive_size(bench: &mut Bench) -> Try<()> {
    let low = &mut changed(|r| r.max_receive_size = 127);
    must_refuse(bench, low, "MaxReceiveSize is 127")?;
    must_accept(bench, &mut changed(|r| r.max_receive_size = 128))
}

fn fragmented_size(bench: &mut Bench) -> Try<()> {
    let low = &mut changed(|r| r.max_fragmented_size = 131_071);
    must_refuse(bench, low, "MaxFragmentedSize is 131071")?;
    must_accept(bench, &mut changed(|r| r.max_fragmented_size = 131_072))
}

fn granted(bench: &mut Bench) -> Try<()> {
    let none = &mut changed(|r| r.credits_granted = 0);
    must_refuse(bench, none, "CreditsGranted is 0").map(drop)
}

fn requested(bench: &mut Bench) -> Try<()> {
    let none = &mut changed(|r| r.credits_requested = 0);
    must_refuse(bench, none, "CreditsRequested is 0").map(drop)
}

fn send_size(bench: &mut Bench) -> Try<()> {
    let mut longer = Manner::good();
    longer.negotiate = Box::new(|link, request, _| {
        let mut response = link.agreement(request)?;
        response.preferred_send_size = request.max_receive_size + 1;
        link.respond(&response)?;
        Ok(Next::Done)
    });
    must_refuse(
        bench,
        &mut longer,
        "PreferredSendSize is MaxReceiveSize + 1",
    )?;
    let mut equal = Manner::good();
    equal.negotiate = Box::new(|link, request, _| {
        let mut response = link.agreement(request)?;
        response.preferred_send_size = request.max_receive_size;
        link.respond(&response)?;
        Ok(Next::Done)
    });
    must_accept(bench, &mut equal)
}

fn refused(bench: &mut Bench) -> Try<()> {
    let mut manner = Manner::good();
    manner.negotiate = Box::new(|link, _, _| {
        link.respond(&NegotiateResponse {
            min_version: 0x0100,
            max_version: 0x0100,
            status: NOT_SUPPORTED,
            ..NegotiateResponse::default()
        })?;
        Ok(Next::Done)
    });
    must_refuse(bench, &mut manner, "the status is STATUS_NOT_SUPPORTED").map(drop)
}

fn padded(bench: &mut Bench) -> Try<()> {
    let mut manner = Manner::good();
    manner.negotiate = Box::new(|link, request, _| {
        let response = link.agreement(request)?;
        let mut bytes = response.bytes();
        bytes.resize(64, 0xff);
        link.promised = u64::from(response.credits_granted);
        link.send_raw(&bytes, "negotiate response and 32 bytes more")?;
        Ok(Next::Done)
    });
    must_accept(bench, &mut manner)
}

/// The client's MaxReceiveSize becomes 128: messages of that size arrive.
fn tiny_sends(bench: &mut Bench) -> Try<()> {
    let mut manner = changed(|r| r.preferred_send_size = 1);
    manner.offer.request.preferred_send_size = 128;
    must_accept(bench, &mut manner)
}

/// The client takes the smaller one of both limits.
fn read_write_size(bench: &mut Bench) -> Try<()> {
    for (change, limit) in [
        ((|r| r.max_read_write_size = 65_536) as Change, 65_536),
        ((|r| r.max_read_write_size = u32::MAX) as Change, 1 << 20),
    ] {
        let longest = Cell::new(0);
        let by_rdma = Cell::new(0);
        let mut manner = changed(change);
        manner.message = Box::new(|_, _, message| {
            for request in Request::all(message) {
                if matches!(request.command(), command::READ | command::WRITE) {
                    let data = Data::of(&request);
                    let sum: u32 = data.descriptors.iter().map(|d| d.length).sum();
                    longest.set(longest.get().max(data.length).max(sum));
                    by_rdma.set(by_rdma.get() + u32::from(data.channel != 0));
                }
            }
            Ok(Next::Answer)
        });
        must_accept(bench, &mut manner)?;
        drop(manner);
        ensure!(by_rdma.get() > 0, "no data came by RDMA");
        ensure!(
            longest.get() <= limit,
            "a request for {} bytes came, the limit is {limit}",
            longest.get()
        );
        ensure!(
            limit == 65_536 || longest.get() as usize >= FILE_LEN,
            "no request was longer than {} bytes",
            longest.get()
        );
        bench.note(format!("limit {limit}: longest request {}", longest.get()));
    }
    Ok(())
}

/// The server has no credit until the client's first message. What that grants is posted: as many
/// messages as that, at once, find a receive (the client has them sent once only, RNR retry 0).
fn first_grants(bench: &mut Bench) -> Try<()> {
    let idle = counter("sockets");
    for wanted in [255, 10, 1] {
        // cifs ends a connection some time after the umount
        let what = "the connection before to go";
        bench.until(&mut Manner::good(), what, SOON, |_| {
            counter("sockets") == idle
        })?;
        let first = Cell::new(None);
        let mut manner = Manner::good();
        manner.offer.request.credits_requested = wanted;
        manner.message = Box::new(|c, _, _| {
            if first.get().is_none() {
                first.set(Some((c.link.credits, receives_posted())));
                // the answer is the last one
                while c.link.credits > 1 {
                    c.link.send_empty(wanted, 0, 0)?;
                }
            }
            Ok(Next::Answer)
        });
        let before = bench.server.count;
        must_accept(bench, &mut manner)?;
        drop(manner);
        let Some((granted, posted)) = first.get() else {
            fail!("no message came");
        };
        bench.note(format!(
            "of {wanted} credits the first message grants {granted}; posted: {posted:?}"
        ));
        ensure!(
            (1..=u64::from(wanted)).contains(&granted),
            "the first message grants {granted} credits, wanted are {wanted}"
        );
        match posted {
            Some(posted) => ensure_eq!("CreditsGranted of the first message", granted, posted),
            None => ensure!(
                counter("sockets").is_none(),
                "the module does not tell how many receives it has posted"
            ),
        }
        ensure_eq!("the number of connections", bench.server.count, before + 1);
    }
    Ok(())
}

/// SMB 3.0 knows no invalidation by the server (MS-SMB2 2.2.19), the others ask for it.
fn dialects(bench: &mut Bench) -> Try<()> {
    for (dialect, wanted) in [("3.0", 1), ("3.0.2", 2), ("3.1.1", 2)] {
        let channels = Cell::new(0);
        let mut manner = Manner::good();
        manner.message = Box::new(|_, _, message| {
            for request in Request::all(message) {
                if matches!(request.command(), command::READ | command::WRITE) {
                    channels.set(channels.get() | 1 << Data::of(&request).channel.min(31));
                }
            }
            Ok(Next::Answer)
        });
        let options = format!(",vers={dialect}");
        if let Err(why) = bench.mount_with(&mut manner, &options, SOON)? {
            fail!("the mount with SMB {dialect} failed: {why}");
        }
        bench.whole_round(&mut manner)?;
        bench.umount(&mut manner)?;
        drop(manner);
        // what is short comes inline
        ensure_eq!(
            format!("the set of RDMA channels with SMB {dialect}"),
            channels.get() & !1,
            1u32 << wanted
        );
    }
    Ok(())
}

/// 20 s are no reason to give up: the client's timer is one of 120 s.
fn late(bench: &mut Bench) -> Try<()> {
    let mut manner = Manner::good();
    manner.negotiate = Box::new(|link, _, _| {
        link.note("waiting for 20 s");
        std::thread::sleep(Duration::from_secs(20));
        Ok(Next::Answer)
    });
    must_accept(bench, &mut manner)
}

/// A second response is a data message that requests no credits (its versions
/// read as credits and flags): the connection ends, or if the client's first
/// message was faster, at least nobody is harmed.
fn twice(bench: &mut Bench) -> Try<()> {
    let at = Cell::new(None);
    let mut manner = Manner::good();
    manner.negotiate = Box::new(|link, request, number| {
        let response = link.agreement(request)?;
        link.respond(&response)?;
        if number == 1 {
            at.set(Some(Instant::now()));
            link.send_raw(&response.bytes(), "negotiate response, again")?;
        }
        Ok(Next::Done)
    });
    let got = bench.mount_with(&mut manner, "", SOON)?;
    bench.note(format!("the mount: {got:?}"));
    if got.is_err() {
        let Some(since) = at.get() else {
            fail!("no negotiate request came");
        };
        return bench.must_end(&mut manner, 1, since, "two negotiate responses");
    }
    let got = bench.read(&mut manner, FILE, SOON)?;
    bench.read_right_or_error(got)
}
