// SPDX-License-Identifier: GPL-2.0
//! What a server must do with a message, where MS-SMBD leaves no doubt. The
//! module's own reading of it is not used here.

use crate::smbd::wire::{DataHeader, PAYLOAD_AT, VERSION};

/// What has to become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Lives,
    /// The server has to end it, for this reason.
    Ends(&'static str),
    /// An error response, then the end.
    Refused,
    /// Either; but not without an answer for ever.
    Open,
}

/// Bytes that the receive for a negotiate request has room for (MS-SMBD 3.1.7.2).
pub const FIRST_RECEIVE: usize = 512;

fn number(bytes: &[u8], at: usize, n: usize) -> u64 {
    (0..n).map(|i| u64::from(bytes[at + i]) << (8 * i)).sum()
}

/// A negotiate request (3.1.5.6).
pub fn negotiate(bytes: &[u8]) -> Fate {
    if bytes.len() < 20 {
        return Fate::Ends("a negotiate request of less than 20 bytes");
    }
    if bytes.len() > FIRST_RECEIVE {
        return Fate::Ends("a negotiate request longer than the receive for it");
    }
    let version = u64::from(VERSION);
    if number(bytes, 0, 2) > version || number(bytes, 2, 2) < version {
        return Fate::Refused;
    }
    match (
        number(bytes, 6, 2),
        number(bytes, 12, 4),
        number(bytes, 16, 4),
    ) {
        (0, ..) => Fate::Ends("CreditsRequested is 0"),
        (_, 0..=127, _) => Fate::Ends("MaxReceiveSize below 128"),
        (_, _, 0..=131_071) => Fate::Ends("MaxFragmentedSize below 131072"),
        _ => Fate::Lives,
    }
}

/// The stream of data messages to a server.
pub struct Stream {
    /// The server's MaxReceiveSize and MaxFragmentedSize.
    pub max_receive: usize,
    pub max_fragmented: u64,
    /// Bytes that are still to come of a message, if one has begun.
    pub missing: Option<u64>,
    /// What came of it.
    whole: Vec<u8>,
}

impl Stream {
    pub fn new(max_receive: u32, max_fragmented: u32) -> Self {
        Stream {
            max_receive: max_receive as usize,
            max_fragmented: max_fragmented.into(),
            missing: None,
            whole: Vec::new(),
        }
    }

    /// The next message (3.1.5.8), and the upper-layer message that it completes.
    pub fn take(&mut self, bytes: &[u8]) -> (Fate, Option<Vec<u8>>) {
        match self.judge(bytes) {
            Ok(done) => (Fate::Lives, done),
            Err(why) => (Fate::Ends(why), None),
        }
    }

    fn judge(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        let h = DataHeader::read(bytes).ok_or("a data message of less than 20 bytes")?;
        let [offset, length, remaining] = [h.offset, h.length, h.remaining].map(u64::from);
        if h.credits_requested == 0 {
            return Err("CreditsRequested is 0");
        }
        if offset % 8 != 0 {
            return Err("DataOffset is not a multiple of 8");
        }
        if offset + length > bytes.len() as u64 {
            return Err("the payload ends behind the message");
        }
        if length + remaining > self.max_fragmented {
            return Err("more than MaxFragmentedSize");
        }
        if bytes.len() > self.max_receive {
            return Err("longer than MaxReceiveSize");
        }
        if length > 0 && offset < u64::from(PAYLOAD_AT) {
            return Err("payload inside the header");
        }
        if length == 0 && remaining == 0 {
            return Ok(None);
        }
        let left = match self.missing {
            None => remaining,
            Some(missing) if length > missing => return Err("more than was announced"),
            Some(missing) => missing - length,
        };
        match (remaining, left) {
            (0, 1..) => return Err("ended early"),
            (1.., 0) => return Err("goes on beyond what was announced"),
            _ => {}
        }
        let from = offset as usize;
        self.whole
            .extend_from_slice(&bytes[from..from + length as usize]);
        if left > 0 {
            self.missing = Some(left);
            return Ok(None);
        }
        self.missing = None;
        Ok(Some(std::mem::take(&mut self.whole)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smbd::wire::NegotiateRequest;

    #[test]
    fn requests() {
        let good = NegotiateRequest::new(1, 0, 128, 131_072);
        assert_eq!(negotiate(&good.bytes()), Fate::Lives);
        assert_eq!(negotiate(&good.versions(0, 0xffff).bytes()), Fate::Lives);
        assert_eq!(
            negotiate(&good.versions(0x101, 0xffff).bytes()),
            Fate::Refused
        );
        assert_eq!(negotiate(&good.versions(0, 0xff).bytes()), Fate::Refused);
        for bad in [
            NegotiateRequest::new(0, 0, 128, 131_072),
            NegotiateRequest::new(1, 0, 127, 131_072),
            NegotiateRequest::new(1, 0, 128, 131_071),
        ] {
            assert!(matches!(negotiate(&bad.bytes()), Fate::Ends(_)));
        }
        let mut long = good.bytes();
        assert!(matches!(negotiate(&long[..19]), Fate::Ends(_)));
        long.resize(512, 7);
        assert_eq!(negotiate(&long), Fate::Lives);
        long.push(7);
        assert!(matches!(negotiate(&long), Fate::Ends(_)));
    }

    fn message(remaining: u32, offset: u32, payload: &[u8]) -> Vec<u8> {
        DataHeader {
            remaining,
            offset,
            length: payload.len() as u32,
            ..DataHeader::empty(1, 0)
        }
        .message(payload)
    }

    #[test]
    fn streams() {
        let mut s = Stream::new(128, 200);
        let lives = |done: Option<&[u8]>| (Fate::Lives, done.map(<[u8]>::to_vec));
        assert_eq!(s.take(&message(0, 0, b"")), lives(None));
        assert_eq!(s.take(&message(0, 24, b"abc")), lives(Some(b"abc")));
        // the first fragment may be empty, numbers in the middle do not matter
        assert_eq!(s.take(&message(4, 0, b"")), lives(None));
        assert_eq!(s.take(&message(9, 24, b"ab")), lives(None));
        assert_eq!(s.take(&message(0, 0, b"")), lives(None));
        assert_eq!(s.missing, Some(2));
        assert_eq!(s.take(&message(0, 32, b"cd")), lives(Some(b"abcd")));
        let bad: [Vec<u8>; 6] = [
            vec![0; 19],
            message(0, 23, b"a"),
            message(0, 16, b"a"),
            message(200, 24, b"a"),
            message(0, 24, &[0; 105]),
            DataHeader::empty(0, 0).message(b""),
        ];
        for m in bad {
            assert!(matches!(s.take(&m).0, Fate::Ends(_)), "{m:?}");
        }
        for last in [
            message(0, 24, b"a"),
            message(1, 24, b"ab"),
            message(0, 24, b"abc"),
        ] {
            let mut s = Stream::new(128, 200);
            assert_eq!(s.take(&message(2, 24, b"x")), lives(None));
            assert!(matches!(s.take(&last).0, Fate::Ends(_)), "{last:?}");
        }
    }
}
