// SPDX-License-Identifier: GPL-2.0

//! What metrics mean, in a line. `Documentation/observability.md` says more.

/// Counters of `stats`.
pub const COUNTERS: [(&str, &str); 37] = [
    ("connections_active", "Connections that are established now"),
    (
        "connections_initiated",
        "Connections established, made by us",
    ),
    (
        "connections_accepted",
        "Connections established, made by a peer",
    ),
    (
        "connections_failed",
        "Attempts to connect that failed, in both directions",
    ),
    (
        "connections_refused",
        "Requests refused before anything was made for them",
    ),
    (
        "connections_broken",
        "Connections that ended otherwise than by their owner or the peer",
    ),
    ("protocol_errors", "Rules that peers broke"),
    ("memory_bytes", "Memory held now"),
    ("messages_sent", "SMB Direct messages sent"),
    ("messages_received", "SMB Direct messages received"),
    ("empty_sent", "Messages sent without payload"),
    ("empty_received", "Messages received without payload"),
    ("inline_sent_bytes", "Payload of messages sent"),
    ("inline_received_bytes", "Payload of messages received"),
    ("send_posts", "Calls that posted messages"),
    ("keepalives_sent", "Messages sent that asked for an answer"),
    (
        "keepalives_received",
        "Messages received that asked for an answer",
    ),
    (
        "credit_stalls",
        "Waits of a sender for a credit of the peer",
    ),
    (
        "slot_stalls",
        "Waits of a sender for a place in the send queue",
    ),
    ("rdma_transfers", "RDMA transfers asked for by ksmbd"),
    (
        "rdma_reads",
        "Transfers from the client's memory (SMB writes)",
    ),
    ("rdma_read_bytes", "Bytes moved from the client's memory"),
    (
        "rdma_writes",
        "Transfers to the client's memory (SMB reads)",
    ),
    ("rdma_write_bytes", "Bytes moved to the client's memory"),
    ("rdma_failures", "Transfers that failed or were refused"),
    ("rdma_stalls", "Waits of a transfer for room in the queue"),
    ("fast_registrations", "Regions registered by work requests"),
    ("registered_bytes", "Memory that the client registered"),
    ("copied_registrations", "Registrations by way of a copy"),
    (
        "registration_failures",
        "Registrations that failed or were given up",
    ),
    (
        "registration_stalls",
        "Waits of a registration for a free region",
    ),
    ("local_invalidations", "Keys invalidated by us"),
    ("remote_invalidations", "Keys invalidated by the peer"),
    (
        "invalidations_sent",
        "Sends that invalidated a key of the peer",
    ),
    (
        "recv_buffers_taken",
        "Receives with payload that went to the reader",
    ),
    (
        "recv_buffers_returned",
        "Receives with payload that came back",
    ),
    ("reader_wakes", "Wake-ups of the reader"),
];

/// Numbers of `info`.
pub const INFO: [(&str, &str); 15] = [
    ("end_errno", "Error that the connection ended with"),
    ("age_msec", "Age of the connection"),
    (
        "send_credits",
        "Credits that the peer granted and we have not used",
    ),
    (
        "recv_credits_granted",
        "Credits that we granted and the peer has not used",
    ),
    ("recv_posted", "Receives that are posted"),
    ("max_send_size", "Largest message sent, as negotiated"),
    ("max_recv_size", "Largest message received, as negotiated"),
    (
        "max_fragmented_send_size",
        "Largest message sent in fragments, as negotiated",
    ),
    (
        "max_fragmented_recv_size",
        "Largest message received in fragments, as negotiated",
    ),
    (
        "max_read_write_size",
        "Largest RDMA transfer, as negotiated",
    ),
    ("recv_parked", "Receive buffers that are parked"),
    ("sends_outstanding", "Sends that are not completed"),
    ("rdma_outstanding", "RDMA transfers that are not completed"),
    ("registrations", "Regions in use"),
    ("memory_bytes", "Memory of the connection"),
];

fn find(list: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    list.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// Of a counter; one that this program does not know is named.
pub fn counter(name: &str) -> String {
    find(&COUNTERS, name).map_or_else(|| format!("Counter {name} of the module"), Into::into)
}

/// Of a number of a connection.
pub fn info(name: &str) -> String {
    find(&INFO, name).map_or_else(
        || format!("{name} of a connection."),
        |text| format!("{text}."),
    )
}
