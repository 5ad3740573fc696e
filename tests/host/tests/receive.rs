// SPDX-License-Identifier: GPL-2.0

//! Receiving data messages (3.1.5.8): every check with its bounds. The rules are the same for both
//! roles (L16), so each check runs on a server's and on a client's link.

use smbdirect_core::wire::data::Header;
use smbdirect_core::*;
use smbdirect_host_tests::{build::*, with_credits, DEFAULTS};

/// A server that announced 1364/173910 and a client that did.
fn links() -> [Link; 2] {
    let server = server_link(&DEFAULTS, &request(255, 1364, 1364, 173_910));
    let mut client = client_link(&DEFAULTS, &response());
    client.0.emit_empty(Millis::ZERO).expect("credits");
    for (link, neg) in [&server, &client] {
        assert_eq!(neg.max_recv_size(), 1364);
        assert_eq!(neg.max_fragmented_recv_size(), 173_910);
        assert_eq!(link.granted(), 255);
    }
    [server.0, client.0]
}

fn ends(pdu: &[u8], error: ProtocolError) {
    for mut link in links() {
        assert_eq!(link.on_receive(Millis(1), pdu), Err(error));
    }
}

fn passes(pdu: &[u8]) -> Received {
    let [a, b] = links().map(|mut link| link.on_receive(Millis(1), pdu).expect("a good message"));
    assert_eq!(
        (a.payload, a.reply_requested),
        (b.payload, b.reply_requested)
    );
    // The server had no credit, the client had many.
    assert_eq!(a.wake_senders, parse(pdu).credits_granted != 0);
    assert!(!b.wake_senders);
    a
}

fn header(offset: u32, length: u32, remaining: u32) -> Header {
    Header {
        credits_requested: 255,
        credits_granted: 1,
        flags: 0,
        remaining_data_length: remaining,
        data_offset: offset,
        data_length: length,
    }
}

#[test]
fn x07_short_message() {
    let pdu = empty(1, 0);
    for len in 0..20 {
        ends(&pdu[..len], ProtocolError::DataTooShort { len: len as u32 });
    }
    assert_eq!(passes(&pdu).payload, None);
}

#[test]
fn x08_data_offset_not_aligned() {
    for offset in [1, 4, 7, 20, 23, 25, 28, 30, 31] {
        let pdu = raw(&header(offset, 500, 0), &[0; 600]);
        ends(&pdu, ProtocolError::DataOffsetUnaligned { offset });
        // Also if there is no payload.
        ends(
            &raw(&header(offset, 0, 0), &[0; 600]),
            ProtocolError::DataOffsetUnaligned { offset },
        );
    }
    for offset in [24, 32, 104] {
        let got = passes(&raw(&header(offset, 500, 0), &[0; 600]))
            .payload
            .expect("payload");
        assert_eq!((got.offset, got.len), (offset, 500));
    }
}

#[test]
fn x09_data_offset_beyond_the_message() {
    // 524 bytes: 24 + 500.
    for offset in [32, 528, 0xFFFF_FFF8] {
        ends(
            &raw(&header(offset, 500, 0), &[0; 504]),
            ProtocolError::DataBeyondMessage {
                offset,
                data_length: 500,
                received: 524,
            },
        );
    }
    ends(
        &raw(&header(0xFFFF_FFFF, 500, 0), &[0; 504]),
        ProtocolError::DataOffsetUnaligned { offset: u32::MAX },
    );
    // Without payload too.
    ends(
        &raw(&header(528, 0, 0), &[0; 504]),
        ProtocolError::DataBeyondMessage {
            offset: 528,
            data_length: 0,
            received: 524,
        },
    );
    assert_eq!(passes(&raw(&header(520, 0, 0), &[0; 504])).payload, None);
}

#[test]
fn x10_data_length_beyond_the_message() {
    // The second would be within the message if the sum were made in 32 bits: 24 + !0 is 23.
    for length in [501, 0xFFFF_FFFF, 0xFFFF_FFE8] {
        ends(
            &raw(&header(24, length, 0), &[0; 504]),
            ProtocolError::DataBeyondMessage {
                offset: 24,
                data_length: length,
                received: 524,
            },
        );
    }
    ends(
        &raw(&header(24, 1341, 0), &[0; 1344]),
        ProtocolError::DataBeyondMessage {
            offset: 24,
            data_length: 1341,
            received: 1364,
        },
    );
    assert_eq!(
        passes(&raw(&header(24, 500, 0), &[0; 504]))
            .payload
            .expect("payload")
            .len,
        500
    );
}

#[test]
fn x11_message_longer_than_max_receive_size() {
    let got = passes(&data(1, &[0; 1340], 0));
    assert_eq!(got.payload.expect("payload").len, 1340);
    ends(
        &data(1, &[0; 1341], 0),
        ProtocolError::MessageTooLong {
            received: 1365,
            max: 1364,
        },
    );
    // Trailing bytes count.
    let mut padded = data(1, &[0; 10], 0);
    padded.resize(1364, 0);
    assert_eq!(passes(&padded).payload.expect("payload").len, 10);
    padded.resize(1365, 0);
    ends(
        &padded,
        ProtocolError::MessageTooLong {
            received: 1365,
            max: 1364,
        },
    );
}

#[test]
fn x13_remaining_data_length_too_large() {
    for remaining in [173_911, u32::MAX] {
        ends(
            &raw(&header(0, 0, remaining), &[]),
            ProtocolError::FragmentedSize {
                data_length: 0,
                remaining,
                max: 173_910,
            },
        );
    }
    assert_eq!(passes(&raw(&header(0, 0, 173_910), &[])).payload, None);
    ends(
        &data(1, &[0; 100], 173_811),
        ProtocolError::FragmentedSize {
            data_length: 100,
            remaining: 173_811,
            max: 173_910,
        },
    );
    let got = passes(&data(1, &[0; 100], 173_810))
        .payload
        .expect("payload");
    assert_eq!((got.start, got.end), (Some(173_910), false));
    // A sum that would be 99 in 32 bits.
    ends(
        &data(1, &[0; 100], u32::MAX),
        ProtocolError::FragmentedSize {
            data_length: 100,
            remaining: u32::MAX,
            max: 173_910,
        },
    );
}

#[test]
fn x16_no_credit_requested() {
    let h = Header {
        credits_requested: 0,
        ..Header::default()
    };
    ends(&raw(&h, &[]), ProtocolError::DataCreditsZero);
    let h = Header {
        credits_requested: 1,
        ..Header::default()
    };
    assert_eq!(passes(&raw(&h, &[])).payload, None);
}

/// The padding would have a negative length.
#[test]
fn payload_inside_the_header() {
    for offset in [0, 8, 16] {
        ends(
            &raw(&header(offset, 4, 0), &[0; 4]),
            ProtocolError::DataInsideHeader { offset },
        );
        // Without payload the offset means nothing.
        assert_eq!(passes(&raw(&header(offset, 0, 0), &[0; 4])).payload, None);
    }
}

#[test]
fn checks_in_the_order_of_the_text() {
    let all_wrong = Header {
        credits_requested: 0,
        data_offset: 1,
        data_length: u32::MAX,
        remaining_data_length: u32::MAX,
        ..Header::default()
    };
    ends(
        &raw(&all_wrong, &[])[..19],
        ProtocolError::DataTooShort { len: 19 },
    );
    let body = [0; 2000];
    ends(&raw(&all_wrong, &body), ProtocolError::DataCreditsZero);
    let h = Header {
        credits_requested: 1,
        ..all_wrong
    };
    ends(
        &raw(&h, &body),
        ProtocolError::DataOffsetUnaligned { offset: 1 },
    );
    let h = Header {
        data_offset: 0,
        ..h
    };
    ends(
        &raw(&h, &body),
        ProtocolError::DataBeyondMessage {
            offset: 0,
            data_length: u32::MAX,
            received: 2020,
        },
    );
    let h = Header {
        data_length: 1,
        ..h
    };
    ends(
        &raw(&h, &body),
        ProtocolError::FragmentedSize {
            data_length: 1,
            remaining: u32::MAX,
            max: 173_910,
        },
    );
    let h = Header {
        remaining_data_length: 0,
        ..h
    };
    ends(
        &raw(&h, &body),
        ProtocolError::MessageTooLong {
            received: 2020,
            max: 1364,
        },
    );
    ends(
        &raw(&h, &body[..4]),
        ProtocolError::DataInsideHeader { offset: 0 },
    );
}

#[test]
fn unknown_flags_are_ignored() {
    assert!(!passes(&empty(1, 0xFFFE)).reply_requested);
    assert!(passes(&empty(1, 0xFFFF)).reply_requested);
}

/// The peer has no more credits than we gave, though more receives are posted (W12).
#[test]
fn message_without_credit() {
    let (mut link, _) = server_link(&with_credits(3, 255), &request(3, 1364, 1364, 173_910));
    for _ in 0..3 {
        let _ = link.on_receive(Millis(1), &empty(0, 0)).expect("a credit");
        link.recv_posted(1);
    }
    assert_eq!((link.posted(), link.granted()), (3, 0));
    assert_eq!(
        link.on_receive(Millis(1), &empty(0, 0)),
        Err(ProtocolError::NoCreditLeft)
    );
}

/// Each says what was wrong in one line, with the clause.
#[test]
fn errors_are_precise() {
    let text = |e: ProtocolError| e.to_string();
    assert_eq!(
        text(ProtocolError::DataTooShort { len: 19 }),
        "data message of 19 bytes, at least 20 needed (MS-SMBD 3.1.5.8)"
    );
    assert_eq!(
        text(ProtocolError::Refused {
            status: 0xC000_00BB
        }),
        "server refused the negotiation with status 0xc00000bb (MS-SMBD 3.1.5.7)"
    );
    assert_eq!(
        text(ProtocolError::RequestFragmentedSize { size: 131_071 }),
        "negotiate request with MaxFragmentedSize 131071, at least 131072 needed (MS-SMBD 3.1.5.6)"
    );
    assert_eq!(
        text(ProtocolError::NoCreditLeft),
        "data message without a credit (MS-SMBD 3.1.4.2)"
    );
    assert_eq!(
        ProtocolError::MessageTooLong {
            received: 2,
            max: 1
        }
        .clause(),
        "3.1.1.1"
    );
}

/// Tools know the kinds of errors by these names.
#[test]
fn kinds_of_errors_have_names() {
    let errors = [
        ProtocolError::RequestTooShort { len: 0 },
        ProtocolError::ResponseSendSize { size: 2, max: 1 },
        ProtocolError::DataCreditsZero,
        ProtocolError::NoCreditLeft,
        ProtocolError::MoreThanAnnounced { remaining: 1 },
    ];
    let names = errors.map(|e| ProtocolError::KINDS[e.kind()].to_str().expect("ASCII"));
    assert_eq!(
        names,
        [
            "request_too_short",
            "response_send_size",
            "data_credits_zero",
            "data_without_credit",
            "data_more_than_announced"
        ]
    );
    let mut all = ProtocolError::KINDS.map(|k| k.to_str().expect("ASCII"));
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(all
        .iter()
        .all(|n| n.bytes().all(|b| b == b'_' || b.is_ascii_lowercase())));
}
