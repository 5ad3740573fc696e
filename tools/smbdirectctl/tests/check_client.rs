// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl check SERVER`: the way there, and what the server says over TCP and over RDMA.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use smbdirectctl::check::{
    check,
    fault::Fault,
    negotiate::{exchange, parse, request, Answer},
    Outcome,
};
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};
use tree::check::*;

#[test]
fn ways() {
    // an address of this machine
    let tree = machine();
    tree.write(
        "commands/ip -j route get 10.9.0.1",
        r#"[{"dst":"10.9.0.1","dev":"lo"}]"#,
    )
    .write(
        "commands/ip -j route get 127.0.0.1",
        r#"[{"dst":"127.0.0.1","dev":"lo"}]"#,
    )
    .write("commands/negotiate 10.9.0.1", "768 0\n")
    .write(
        "commands/getent ahosts files.example",
        "10.9.0.2 STREAM files.example\n10.9.0.2 DGRAM\n",
    );
    let report = check(&tree.root(), Some("10.9.0.1"));
    assert_eq!(report.fault(), None);
    // SMB 3.0 without multichannel
    assert!(matches!(report.outcome("SMB"), Some(Outcome::Note(_))));
    assert_eq!(
        check(&tree.root(), Some("127.0.0.1")).fault(),
        Some(Fault::WrongInterface)
    );
    assert_eq!(check(&tree.root(), Some("files.example")).fault(), None);
    // what is no name is not handed to a program
    for name in ["-s", "a b", "$(id)", ""] {
        assert_eq!(
            check(&tree.root(), Some(name)).fault(),
            Some(Fault::ServerUnknown)
        );
    }
    // no IPv4 is no fault of a client
    inject(Fault::NoIpv4, &tree);
    assert_eq!(client(&tree).fault(), None);
}

const TIME: Duration = Duration::from_secs(20);

fn answer() -> Vec<u8> {
    let mut message = vec![0; 64 + 65];
    message[..4].copy_from_slice(b"\xfeSMB");
    message[64] = 65;
    message[68..70].copy_from_slice(&0x0302u16.to_le_bytes());
    message[88] = 0x08;
    message
}

#[test]
fn negotiate() {
    let request = request();
    assert_eq!(request.len(), 4 + 64 + 36 + 4);
    assert_eq!(request[..4], [0, 0, 0, 104]);
    let good = answer();
    let dialect = |multichannel| {
        Some(Answer::Dialect {
            dialect: 0x0302,
            multichannel,
        })
    };
    assert_eq!(parse(&good), dialect(true));
    let with = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        parse(&message)
    };
    assert_eq!(with(88, 0xf7), dialect(false));
    assert_eq!(with(8, 0xbb), Some(Answer::Refused(0xbb)));
    assert_eq!(with(0, 0xff), None); // SMB 1
    assert_eq!(with(12, 1), None); // another command
    assert_eq!(with(64, 9), None);
    assert_eq!(with(69, 2), None); // SMB 2.0.2, which was not offered
    for length in 0..92 {
        assert_eq!(parse(&good[..length]), None);
    }
}

/// A server of one answer, whatever it is.
#[test]
fn over_tcp() {
    let good = answer();
    let length = u32::try_from(good.len()).unwrap().to_be_bytes();
    for (bytes, fine) in [
        ([&length[..], &good].concat(), true),
        ([&length[..], &good[..20]].concat(), false),
        (vec![0xff; 4], false),
        (vec![0; 4], false),
        (vec![], false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; request().len()];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(&bytes).unwrap();
            asked
        });
        assert_eq!(exchange(address, TIME).is_ok(), fine);
        assert_eq!(served.join().unwrap(), request());
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(exchange(address, TIME).is_err());
}

/// A server that answers a byte at a time has no more time than another.
#[test]
fn drops_of_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let good = answer();
        let length = u32::try_from(good.len()).unwrap().to_be_bytes();
        for byte in length.iter().chain(&good) {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(200));
        }
    });
    let start = Instant::now();
    let error = exchange(address, Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// What is not reached in time is said, and is no fault.
#[test]
fn no_time() {
    let tree = machine();
    let root = tree.root().within(Duration::ZERO);
    let report = check(&root, Some(SERVER));
    assert_eq!(report.fault(), None);
    for step in ["kernel", "name", "SMB", "RDMA"] {
        assert!(matches!(report.outcome(step), Some(Outcome::Unknown(_))));
    }
    assert!(report
        .text(false)
        .contains("the time limit (--timeout) has passed"));
}

#[test]
fn probes() {
    let tree = machine();
    let report = client(&tree);
    assert_eq!(
        report.outcome("RDMA"),
        Some(&Outcome::Good(
            "negotiated over rxe0 port 445 in 12 ms; largest RDMA transfer 2097152 bytes".into()
        ))
    );
    let json = report.json();
    assert_eq!(json["probe"]["device"], "rxe0");
    assert_eq!(json["probe"]["max_read_write_size"], 2_097_152);
    assert_eq!(json["probe"]["other_errno"], 19);
    // iWARP has no reason for nobody
    for (text, fault) in [
        (failed("connect", "refused", 111, ""), Fault::RdmaNoListener),
        (
            failed("address", "unreachable", 101, ""),
            Fault::RdmaUnreachable,
        ),
        (
            failed("address", "handshake_timeout", 110, ""),
            Fault::RdmaUnreachable,
        ),
        (failed("route", "device", 93, ""), Fault::RdmaNoDevice),
        (
            failed("negotiate", "refused", 111, ""),
            Fault::NegotiateRefused,
        ),
        (failed("negotiate", "peer", 104, ""), Fault::RdmaFailed),
        (failed("connect", "interrupted", 4, ""), Fault::RdmaFailed),
        (failed("address", "memory", 12, ""), Fault::RdmaFailed),
    ] {
        tree.write("commands/probe 10.9.0.2", &text);
        let report = client(&tree);
        assert_eq!(report.fault(), Some(fault), "{text}");
        assert_eq!(report.json()["probe"]["outcome"], "failed");
    }
    for strange in ["", "outcome running\n", "outcome failed\n", "hello\n"] {
        tree.write("commands/probe 10.9.0.2", strange);
        assert!(matches!(
            client(&tree).outcome("RDMA"),
            Some(Outcome::Unknown(_))
        ));
    }
    tree.remove("commands/probe 10.9.0.2");
    assert!(matches!(
        client(&tree).outcome("RDMA"),
        Some(Outcome::Unknown(_))
    ));
}

/// Without configfs nothing is called good that could not be looked at.
#[test]
fn no_configfs() {
    let tree = machine();
    tree.remove("sys/kernel/config/smbdirect");
    let unknown = |outcome: Option<&Outcome>| match outcome {
        Some(Outcome::Unknown(why)) => assert!(why.contains("configfs is not mounted"), "{why}"),
        other => panic!("{other:?}"),
    };
    let report = server(&tree);
    assert_eq!(report.fault(), None);
    unknown(report.outcome("policy"));
    unknown(report.outcome("interfaces"));
    let report = client(&tree);
    assert_eq!(report.fault(), None);
    unknown(report.outcome("RDMA"));
    assert!(report
        .text(false)
        .ends_with("not everything could be told.\n"));
}
