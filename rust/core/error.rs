// SPDX-License-Identifier: GPL-2.0

//! What a peer can do wrong, one variant per rule.

use core::{ffi::CStr, fmt};

/// A peer broke a rule of MS-SMBD, or refused us. The connection has to end.
///
/// Printed as one line without its end. The kernel's print macros have a `Display` of their own;
/// give them `core::format_args!("{error}")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A negotiate request has fewer than 20 bytes (3.1.5.6).
    RequestTooShort {
        /// Bytes received.
        len: u32,
    },
    /// A negotiate request asks for no credit at all (3.1.5.6).
    RequestCreditsZero,
    /// A negotiate request has a MaxReceiveSize below 128 (3.1.5.6).
    RequestReceiveSize {
        /// The value received.
        size: u32,
    },
    /// A negotiate request has a MaxFragmentedSize below 131072 (3.1.5.6).
    RequestFragmentedSize {
        /// The value received.
        size: u32,
    },
    /// A negotiate response has fewer than 32 bytes (3.1.5.7).
    ResponseTooShort {
        /// Bytes received.
        len: u32,
    },
    /// The server answered with an error status (3.1.5.7).
    Refused {
        /// The NTSTATUS it gave.
        status: u32,
    },
    /// A negotiate response selects a version other than 1.0 (3.1.5.7).
    ResponseVersion {
        /// The value received.
        version: u16,
    },
    /// A negotiate response has a MaxReceiveSize below 128 (3.1.5.7).
    ResponseReceiveSize {
        /// The value received.
        size: u32,
    },
    /// A negotiate response has a MaxFragmentedSize below 131072 (3.1.5.7).
    ResponseFragmentedSize {
        /// The value received.
        size: u32,
    },
    /// A negotiate response grants no credit (3.1.5.7).
    ResponseGrantZero,
    /// A negotiate response asks for no credit (3.1.5.7).
    ResponseCreditsZero,
    /// A server wants to send larger messages than we can receive (3.1.5.7).
    ResponseSendSize {
        /// The PreferredSendSize received.
        size: u32,
        /// Our own MaxReceiveSize.
        max: u32,
    },
    /// A data message has fewer than 20 bytes (3.1.5.8).
    DataTooShort {
        /// Bytes received.
        len: u32,
    },
    /// A data message asks for no credit (3.1.5.8).
    DataCreditsZero,
    /// DataOffset is not a multiple of 8 (3.1.5.8).
    DataOffsetUnaligned {
        /// The value received.
        offset: u32,
    },
    /// The payload ends behind the end of the message (3.1.5.8).
    DataBeyondMessage {
        /// DataOffset.
        offset: u32,
        /// DataLength.
        data_length: u32,
        /// Bytes received.
        received: u32,
    },
    /// The payload begins inside the header, so that the padding would have a negative length
    /// (2.2.3).
    DataInsideHeader {
        /// DataOffset.
        offset: u32,
    },
    /// The upper-layer message is longer than we said we can take (3.1.5.8).
    FragmentedSize {
        /// DataLength.
        data_length: u32,
        /// RemainingDataLength.
        remaining: u32,
        /// Our MaxFragmentedRecvSize.
        max: u32,
    },
    /// The message is longer than the negotiated MaxReceiveSize (3.1.1.1, 3.1.4.2).
    MessageTooLong {
        /// Bytes received.
        received: u32,
        /// The negotiated MaxReceiveSize.
        max: u32,
    },
    /// The peer sent a message for which it had no credit (3.1.4.2).
    NoCreditLeft,
    /// The last fragment came while announced bytes are still missing (3.1.5.8).
    EndedEarly {
        /// Bytes that are missing.
        missing: u32,
    },
    /// A fragment has more bytes than were left of the message (3.1.5.8).
    FragmentOverrun {
        /// DataLength of the fragment.
        data_length: u32,
        /// Bytes that were still to come.
        announced: u32,
    },
    /// All announced bytes are here but the peer says that more follow (3.1.5.8).
    MoreThanAnnounced {
        /// RemainingDataLength of the fragment.
        remaining: u32,
    },
}

impl ProtocolError {
    /// A name for each kind of error, for counters and traces. Administrators' tools know them: new
    /// ones go to the end.
    pub const KINDS: [&'static CStr; 23] = [
        c"request_too_short",
        c"request_credits_zero",
        c"request_receive_size",
        c"request_fragmented_size",
        c"response_too_short",
        c"response_refused",
        c"response_version",
        c"response_receive_size",
        c"response_fragmented_size",
        c"response_grant_zero",
        c"response_credits_zero",
        c"response_send_size",
        c"data_too_short",
        c"data_credits_zero",
        c"data_offset_unaligned",
        c"data_beyond_message",
        c"data_inside_header",
        c"data_fragmented_size",
        c"data_message_too_long",
        c"data_without_credit",
        c"data_ended_early",
        c"data_fragment_overrun",
        c"data_more_than_announced",
    ];

    /// The number of its kind in [`Self::KINDS`].
    #[must_use]
    pub const fn kind(&self) -> usize {
        match self {
            Self::RequestTooShort { .. } => 0,
            Self::RequestCreditsZero => 1,
            Self::RequestReceiveSize { .. } => 2,
            Self::RequestFragmentedSize { .. } => 3,
            Self::ResponseTooShort { .. } => 4,
            Self::Refused { .. } => 5,
            Self::ResponseVersion { .. } => 6,
            Self::ResponseReceiveSize { .. } => 7,
            Self::ResponseFragmentedSize { .. } => 8,
            Self::ResponseGrantZero => 9,
            Self::ResponseCreditsZero => 10,
            Self::ResponseSendSize { .. } => 11,
            Self::DataTooShort { .. } => 12,
            Self::DataCreditsZero => 13,
            Self::DataOffsetUnaligned { .. } => 14,
            Self::DataBeyondMessage { .. } => 15,
            Self::DataInsideHeader { .. } => 16,
            Self::FragmentedSize { .. } => 17,
            Self::MessageTooLong { .. } => 18,
            Self::NoCreditLeft => 19,
            Self::EndedEarly { .. } => 20,
            Self::FragmentOverrun { .. } => 21,
            Self::MoreThanAnnounced { .. } => 22,
        }
    }

    /// The clause of MS-SMBD that has the rule.
    #[must_use]
    pub const fn clause(&self) -> &'static str {
        match self {
            Self::RequestTooShort { .. }
            | Self::RequestCreditsZero
            | Self::RequestReceiveSize { .. }
            | Self::RequestFragmentedSize { .. } => "3.1.5.6",
            Self::ResponseTooShort { .. }
            | Self::Refused { .. }
            | Self::ResponseVersion { .. }
            | Self::ResponseReceiveSize { .. }
            | Self::ResponseFragmentedSize { .. }
            | Self::ResponseGrantZero
            | Self::ResponseCreditsZero
            | Self::ResponseSendSize { .. } => "3.1.5.7",
            Self::DataTooShort { .. }
            | Self::DataCreditsZero
            | Self::DataOffsetUnaligned { .. }
            | Self::DataBeyondMessage { .. }
            | Self::FragmentedSize { .. }
            | Self::EndedEarly { .. }
            | Self::FragmentOverrun { .. }
            | Self::MoreThanAnnounced { .. } => "3.1.5.8",
            Self::DataInsideHeader { .. } => "2.2.3",
            Self::MessageTooLong { .. } => "3.1.1.1",
            Self::NoCreditLeft => "3.1.4.2",
        }
    }

    /// True if the server said no or speaks another version, as opposed to breaking a rule. A
    /// connect call reports this as "refused".
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::ResponseVersion { .. })
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::RequestTooShort { len } => {
                write!(f, "negotiate request of {len} bytes, at least 20 needed")
            }
            Self::RequestCreditsZero => f.write_str("negotiate request with CreditsRequested 0"),
            Self::RequestReceiveSize { size } => {
                write!(f, "negotiate request with MaxReceiveSize {size}, at least 128 needed")
            }
            Self::RequestFragmentedSize { size } => {
                write!(f, "negotiate request with MaxFragmentedSize {size}, at least 131072 needed")
            }
            Self::ResponseTooShort { len } => {
                write!(f, "negotiate response of {len} bytes, at least 32 needed")
            }
            Self::Refused { status } => {
                write!(f, "server refused the negotiation with status {status:#010x}")
            }
            Self::ResponseVersion { version } => {
                write!(f, "negotiate response with version {version:#06x}, 0x0100 needed")
            }
            Self::ResponseReceiveSize { size } => {
                write!(f, "negotiate response with MaxReceiveSize {size}, at least 128 needed")
            }
            Self::ResponseFragmentedSize { size } => {
                write!(f, "negotiate response with MaxFragmentedSize {size}, at least 131072 needed")
            }
            Self::ResponseGrantZero => f.write_str("negotiate response with CreditsGranted 0"),
            Self::ResponseCreditsZero => f.write_str("negotiate response with CreditsRequested 0"),
            Self::ResponseSendSize { size, max } => {
                write!(f, "negotiate response with PreferredSendSize {size}, we can receive {max}")
            }
            Self::DataTooShort { len } => {
                write!(f, "data message of {len} bytes, at least 20 needed")
            }
            Self::DataCreditsZero => f.write_str("data message with CreditsRequested 0"),
            Self::DataOffsetUnaligned { offset } => {
                write!(f, "data message with DataOffset {offset}, not a multiple of 8")
            }
            Self::DataBeyondMessage { offset, data_length, received } => write!(
                f,
                "data message of {received} bytes with DataOffset {offset} and DataLength {data_length}"
            ),
            Self::DataInsideHeader { offset } => {
                write!(f, "data message with payload at DataOffset {offset}, inside the header")
            }
            Self::FragmentedSize { data_length, remaining, max } => write!(
                f,
                "data message with DataLength {data_length} and RemainingDataLength {remaining}, limit is {max}"
            ),
            Self::MessageTooLong { received, max } => {
                write!(f, "data message of {received} bytes, MaxReceiveSize is {max}")
            }
            Self::NoCreditLeft => f.write_str("data message without a credit"),
            Self::EndedEarly { missing } => {
                write!(f, "last fragment received with {missing} announced bytes missing")
            }
            Self::FragmentOverrun { data_length, announced } => {
                write!(f, "fragment of {data_length} bytes with only {announced} announced bytes left")
            }
            Self::MoreThanAnnounced { remaining } => write!(
                f,
                "fragment with RemainingDataLength {remaining} after all announced bytes arrived"
            ),
        }?;
        write!(f, " (MS-SMBD {})", self.clause())
    }
}
