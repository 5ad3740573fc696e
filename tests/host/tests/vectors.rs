// SPDX-License-Identifier: GPL-2.0

//! Byte-exact messages, written and read.

use smbdirect_core::wire::data::{Header, RESPONSE_REQUESTED};
use smbdirect_core::wire::descriptor::Descriptor;
use smbdirect_core::wire::negotiate::{Request, Response, STATUS_NOT_SUPPORTED};
use smbdirect_core::*;
use smbdirect_host_tests::{build::*, vectors::*, DEFAULTS};

fn sample_params() -> LocalParams {
    LocalParams {
        recv_credit_max: 10,
        send_credit_target: 10,
        max_send_size: 1024,
        max_recv_size: 1024,
        max_fragmented_recv_size: 131_072,
        max_read_write_size: 1 << 20,
        ..DEFAULTS
    }
}

#[test]
fn request_of_the_sample() {
    assert_eq!(client_request(&sample_params()), REQUEST_SAMPLE);
    assert_eq!(
        Request::parse(&REQUEST_SAMPLE),
        Some(request(10, 1024, 1024, 131_072))
    );
}

#[test]
fn request_with_windows_defaults() {
    let windows = LocalParams {
        max_recv_size: 8192,
        max_fragmented_recv_size: 1_048_576,
        ..DEFAULTS
    };
    assert_eq!(client_request(&windows), REQUEST_WINDOWS);
    assert_eq!(
        Request::parse(&REQUEST_WINDOWS),
        Some(request(255, 1364, 8192, 1_048_576))
    );
}

#[test]
fn response_of_the_sample() {
    // The sample's server answers the sample's client; 10 receives of 1024 bytes.
    let Ok(ServerOutcome::Accept(neg)) = server_negotiate(&sample_params(), &REQUEST_SAMPLE) else {
        panic!("the sample is a good request");
    };
    let mut link = Link::new(&neg, Millis::ZERO);
    link.recv_posted(link.recv_wanted());
    assert_eq!(
        server_response(&neg, link.grant_in_response()),
        RESPONSE_SAMPLE
    );

    let parsed = Response::parse(&RESPONSE_SAMPLE).expect("32 bytes");
    assert_eq!(parsed.emit(), RESPONSE_SAMPLE);
    assert_eq!((parsed.credits_requested, parsed.credits_granted), (10, 10));
    assert_eq!(parsed.max_read_write_size, 1 << 20);
    assert_eq!(parsed.negotiated_version, 0x0100);
}

#[test]
fn error_response_has_zeros_elsewhere() {
    assert_eq!(
        server_error_response(STATUS_NOT_SUPPORTED),
        RESPONSE_NOT_SUPPORTED
    );
}

#[test]
fn data_header_of_the_sample() {
    let (mut link, _) = client_link(
        &LocalParams {
            send_credit_target: 10,
            ..sample_params()
        },
        &Response::parse(&RESPONSE_SAMPLE).expect("32 bytes"),
    );
    // All ten receives are granted by the first message; the second grants the one that the
    // answer to the first has used, as in the sample.
    let first = link.emit(Millis::ZERO, 500, 0).expect("credits");
    assert_eq!(parse(&first).credits_granted, 10);
    let _ = link
        .on_receive(Millis::ZERO, &data(0, &[0; 80], 0))
        .expect("good message");
    let _ = link
        .on_receive(Millis::ZERO, &with_target(&data(1, &[0; 80], 0), 9))
        .expect("good");
    link.recv_posted(2);
    assert_eq!(link.emit(Millis::ZERO, 500, 0), Ok(DATA_500));
}

fn with_target(pdu: &[u8], target: u16) -> Vec<u8> {
    let mut pdu = pdu.to_vec();
    pdu[..2].copy_from_slice(&target.to_le_bytes());
    pdu
}

#[test]
fn keepalive_probe() {
    let (mut link, _) = client_link(&DEFAULTS, &response());
    let first = link.emit_empty(Millis::ZERO).expect("credits");
    assert_eq!(parse(&first).credits_granted, 255);
    assert_eq!(
        link.on_timer(Millis::from_secs(120)),
        TimerAction::Probe {
            rearm: Millis::from_secs(125)
        }
    );
    assert_eq!(link.emit_empty(Millis::from_secs(120)), Ok(PROBE));
}

#[test]
fn keepalive_reply() {
    let (mut link, _) = client_link(&DEFAULTS, &response());
    link.emit_empty(Millis::ZERO).expect("credits");
    let got = link.on_receive(Millis(1), &PROBE).expect("good message");
    assert!(got.reply_requested && link.empty_due() && link.reply_needs_grant());
    link.recv_posted(link.recv_wanted());
    assert!(!link.reply_needs_grant());
    assert_eq!(link.emit_empty(Millis(1)), Ok(PROBE_REPLY));
    assert!(!link.empty_due());
}

#[test]
fn buffer_descriptor() {
    let d = Descriptor {
        offset: 0xABCD_E012,
        token: 0x1A00_BC56,
        length: 1 << 20,
    };
    assert_eq!(d.emit(), DESCRIPTOR);
    assert_eq!(Descriptor::split_first(&DESCRIPTOR), Some((d, &[][..])));
    assert_eq!(Descriptor::split_first(&DESCRIPTOR[..15]), None);
}

#[test]
fn every_field_has_its_place() {
    let h = Header {
        credits_requested: 0x0201,
        credits_granted: 0x0403,
        flags: 0x0605,
        remaining_data_length: 0x0c0b_0a09,
        data_offset: 0x100f_0e0d,
        data_length: 0x1413_1211,
    };
    let mut expected: Vec<u8> = (1..=20).collect();
    expected[6] = 0;
    expected[7] = 0;
    assert_eq!(h.emit().to_vec(), expected);
    assert_eq!(Header::parse(&expected), Some(h));
    // The reserved field is ignored.
    expected[6] = 0xff;
    assert_eq!(Header::parse(&expected), Some(h));
    assert_eq!(RESPONSE_REQUESTED, 1);
    expected.extend_from_slice(&[0; 4]);
    expected[6] = 0;
    assert_eq!(h.emit_padded().to_vec(), expected);
}
