// SPDX-License-Identifier: GPL-2.0

//! What each side offers and what both agreed on (3.1.1.1).

use crate::time::Millis;
use core::fmt;

/// Smallest MaxReceiveSize that a peer may announce (3.1.5.6, 3.1.5.7).
pub const MIN_RECEIVE_SIZE: u32 = 128;
/// Largest message that we send or receive, header included. Buffers are single pieces of memory.
pub const MAX_MESSAGE_SIZE: u32 = 65_535;
/// Smallest MaxFragmentedSize that a peer may announce (3.1.5.6, 3.1.5.7).
pub const MIN_FRAGMENTED_SIZE: u32 = 131_072;
/// Largest MaxFragmentedSize that we announce. Both users of the transport put the length of a
/// message into the three length bytes of the direct TCP header (MS-SMB2 2.1), so a longer one
/// could arrive but not be handed over.
pub const MAX_FRAGMENTED_SIZE: u32 = 0x00FF_FFFF;
/// Largest PreferredSendSize that a client may propose: Windows Server 2012 R2 and later refuse
/// the negotiation above it (note 6 of MS-SMBD).
pub const MAX_PREFERRED_SEND_SIZE: u32 = 8136;
/// Size of the receive that must be there before the first message (3.1.4.1, 3.1.7.2), whatever
/// MaxReceiveSize is.
pub const FIRST_RECEIVE_SIZE: u32 = 512;
/// Time that a client gives the connection and the negotiation (3.1.4.1).
pub const CLIENT_NEGOTIATE_TIMEOUT: Millis = Millis::from_secs(120);
/// Time that a server gives a client from its arrival to its request (3.1.7.2).
pub const SERVER_NEGOTIATE_TIMEOUT: Millis = Millis::from_secs(5);

/// What this side wants, before negotiation. Check with [`LocalParams::validate`] first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalParams {
    /// Most credits that we give to the peer: ReceiveCreditMax. The caller can post one receive
    /// more than that (see [`crate::credits`]).
    pub recv_credit_max: u16,
    /// Credits that we ask the peer for: SendCreditTarget.
    pub send_credit_target: u16,
    /// Largest message that we send, header included.
    pub max_send_size: u32,
    /// Largest message that we receive, header included.
    pub max_recv_size: u32,
    /// Largest upper-layer message that we receive. A server computes its own value instead.
    pub max_fragmented_recv_size: u32,
    /// Largest RDMA transfer for one request.
    pub max_read_write_size: u32,
    /// Silence after which we ask the peer whether it is alive.
    pub keepalive_interval: Millis,
    /// Time that the peer has for the answer.
    pub keepalive_timeout: Millis,
}

/// A local parameter with which no connection can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamError {
    /// `recv_credit_max` is 0, or leaves no room for the one extra receive.
    RecvCreditMax(u16),
    /// `send_credit_target` is 0.
    SendCreditTarget,
    /// `max_send_size` is not in 128..=65535; every peer can receive the smallest of these.
    MaxSendSize(u32),
    /// `max_recv_size` is not in 128..=65535.
    MaxRecvSize(u32),
    /// `max_fragmented_recv_size` is not in 131072..=16777215.
    MaxFragmentedRecvSize(u32),
    /// `keepalive_interval` is 0.
    KeepaliveInterval,
    /// `keepalive_timeout` is 0.
    KeepaliveTimeout,
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::RecvCreditMax(n) => write!(f, "recv_credit_max {n} is not in 1..=65534"),
            Self::SendCreditTarget => f.write_str("send_credit_target is 0"),
            Self::MaxSendSize(n) => write!(
                f,
                "max_send_size {n} is not in {MIN_RECEIVE_SIZE}..={MAX_MESSAGE_SIZE}"
            ),
            Self::MaxRecvSize(n) => write!(
                f,
                "max_recv_size {n} is not in {MIN_RECEIVE_SIZE}..={MAX_MESSAGE_SIZE}"
            ),
            Self::MaxFragmentedRecvSize(n) => write!(
                f,
                "max_fragmented_recv_size {n} is not in {MIN_FRAGMENTED_SIZE}..={MAX_FRAGMENTED_SIZE}"
            ),
            Self::KeepaliveInterval => f.write_str("keepalive_interval is 0"),
            Self::KeepaliveTimeout => f.write_str("keepalive_timeout is 0"),
        }
    }
}

impl LocalParams {
    /// Says whether a connection can work with these values.
    pub fn validate(&self) -> Result<(), ParamError> {
        if self.recv_credit_max == 0 || self.recv_credit_max == u16::MAX {
            return Err(ParamError::RecvCreditMax(self.recv_credit_max));
        }
        if self.send_credit_target == 0 {
            return Err(ParamError::SendCreditTarget);
        }
        let sizes = MIN_RECEIVE_SIZE..=MAX_MESSAGE_SIZE;
        if !sizes.contains(&self.max_send_size) {
            return Err(ParamError::MaxSendSize(self.max_send_size));
        }
        if !sizes.contains(&self.max_recv_size) {
            return Err(ParamError::MaxRecvSize(self.max_recv_size));
        }
        if !(MIN_FRAGMENTED_SIZE..=MAX_FRAGMENTED_SIZE).contains(&self.max_fragmented_recv_size) {
            return Err(ParamError::MaxFragmentedRecvSize(
                self.max_fragmented_recv_size,
            ));
        }
        if self.keepalive_interval == Millis::ZERO {
            return Err(ParamError::KeepaliveInterval);
        }
        if self.keepalive_timeout == Millis::ZERO {
            return Err(ParamError::KeepaliveTimeout);
        }
        Ok(())
    }
}

/// What both sides agreed on. Only [`crate::negotiate`] can make one, so having it proves that
/// the peer's message passed every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    pub(crate) max_send_size: u32,
    pub(crate) max_recv_size: u32,
    pub(crate) max_fragmented_send_size: u32,
    pub(crate) max_fragmented_recv_size: u32,
    pub(crate) max_read_write_size: u32,
    pub(crate) recv_credit_target: u16,
    pub(crate) recv_credit_max: u16,
    pub(crate) send_credit_target: u16,
    pub(crate) initial_send_credits: u16,
    pub(crate) keepalive_interval: Millis,
    pub(crate) keepalive_timeout: Millis,
}

impl Negotiated {
    /// Largest message that we send, header included.
    #[must_use]
    pub const fn max_send_size(&self) -> u32 {
        self.max_send_size
    }

    /// Largest message that we receive, header included.
    #[must_use]
    pub const fn max_recv_size(&self) -> u32 {
        self.max_recv_size
    }

    /// Largest upper-layer message that the peer takes.
    #[must_use]
    pub const fn max_fragmented_send_size(&self) -> u32 {
        self.max_fragmented_send_size
    }

    /// Largest upper-layer message that we take.
    #[must_use]
    pub const fn max_fragmented_recv_size(&self) -> u32 {
        self.max_fragmented_recv_size
    }

    /// A server announces this MaxFragmentedSize instead of the computed one. Receives that the reader has emptied are granted again while a message is under way,
    /// so it may be more than the credits carry at once.
    #[must_use]
    pub fn with_fragmented_recv_size(self, size: u32) -> Self {
        Self {
            max_fragmented_recv_size: size.clamp(MIN_FRAGMENTED_SIZE, MAX_FRAGMENTED_SIZE),
            ..self
        }
    }

    /// Largest RDMA transfer for one request.
    #[must_use]
    pub const fn max_read_write_size(&self) -> u32 {
        self.max_read_write_size
    }

    /// Credits that the peer wants, but not more than we give.
    #[must_use]
    pub const fn recv_credit_target(&self) -> u16 {
        self.recv_credit_target
    }

    /// Most credits that we give.
    #[must_use]
    pub const fn recv_credit_max(&self) -> u16 {
        self.recv_credit_max
    }

    /// Credits that we ask for.
    #[must_use]
    pub const fn send_credit_target(&self) -> u16 {
        self.send_credit_target
    }

    /// Credits that we hold at the start: the grant of the response for a client, none for a
    /// server because a request carries no grant (2.2.1).
    #[must_use]
    pub const fn initial_send_credits(&self) -> u16 {
        self.initial_send_credits
    }

    /// Silence after which we ask the peer whether it is alive.
    #[must_use]
    pub const fn keepalive_interval(&self) -> Millis {
        self.keepalive_interval
    }

    /// Time that the peer has for the answer.
    #[must_use]
    pub const fn keepalive_timeout(&self) -> Millis {
        self.keepalive_timeout
    }

    /// Bytes of payload that one message of ours can carry (3.1.5.4).
    #[must_use]
    pub const fn payload_capacity(&self) -> u32 {
        self.max_send_size
            .saturating_sub(crate::wire::data::PAYLOAD_OFFSET)
    }
}
