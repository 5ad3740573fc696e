// SPDX-License-Identifier: GPL-2.0

//! The text that cifs shows for a connection in its debug file (contract §10). Scripts parse it.
#![forbid(unsafe_code)]

use super::socket::Socket;
use core::fmt;
use kernel::sync::atomic::Relaxed;

/// Display adapter for [`Socket`]; never sleeps.
pub(crate) struct DebugText<'a> {
    pub(crate) socket: &'a Socket,
    /// Printed as given.
    pub(crate) threshold: u32,
}

impl fmt::Display for DebugText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = self.socket;
        let p = socket.params.get();
        let s = &socket.stats;
        let status = socket.status.status();
        let (data, segments, send_credits, granted, target) = socket
            .with_link(|est| {
                (
                    est.queue.available(),
                    est.queue.segments(),
                    est.link.send_credits(),
                    est.link.granted(),
                    est.link.recv_target(),
                )
            })
            .unwrap_or_default();
        let endpoint = socket.endpoint.enter();
        let endpoint = endpoint.as_ref();
        let pending = endpoint
            .and_then(|e| e.send())
            .map_or(0, |ring| ring.in_flight());
        let (mrs, free) = endpoint
            .and_then(|e| e.mrs())
            .map_or((0, 0), |mrs| mrs.counts());
        let gaps = endpoint
            .and_then(|e| e.cm().device())
            .is_some_and(|d| d.supports_sg_gaps());
        let (taken, returned) = (
            s.receive.recv_buffers_taken.load(Relaxed),
            s.reader.recv_buffers_returned.load(Relaxed),
        );
        write!(
            f,
            "\nSMBDirect protocol version: 0x100 transport status: {} ({})",
            status.name(),
            status.number()
        )?;
        write!(
            f,
            "\nConn receive_credit_max: {} send_credit_target: {} max_send_size: {}",
            p.recv_credit_max, p.send_credit_target, p.max_send_size
        )?;
        write!(
            f,
            "\nConn max_fragmented_recv_size: {} max_fragmented_send_size: {} max_receive_size:{}",
            p.max_fragmented_recv_size, p.max_fragmented_send_size, p.max_recv_size
        )?;
        write!(
            f,
            "\nConn keep_alive_interval: {} max_readwrite_size: {} rdma_readwrite_threshold: {}",
            p.keepalive_interval_msec / 1000,
            p.max_read_write_size,
            self.threshold
        )?;
        write!(
            f,
            "\nDebug count_get_receive_buffer: {} count_put_receive_buffer: {} count_send_empty: {}",
            taken,
            returned,
            s.send.empty_sent.load(Relaxed)
        )?;
        write!(
            f,
            "\nRead Queue count_enqueue_reassembly_queue: {} count_dequeue_reassembly_queue: {} \
             reassembly_data_length: {} reassembly_queue_length: {}",
            taken, returned, data, segments
        )?;
        write!(
            f,
            "\nCurrent Credits send_credits: {send_credits} receive_credits: {granted} receive_credit_target: {target}"
        )?;
        write!(f, "\nPending send_pending: {pending} ")?;
        write!(
            f,
            "\nMR responder_resources: {} max_frmr_depth: {} mr_type: 0x{:x}",
            p.responder_resources,
            p.max_frmr_depth,
            u32::from(gaps)
        )?;
        write!(
            f,
            "\nMR mr_ready_count: {} mr_used_count: {}",
            free,
            mrs.saturating_sub(free)
        )
    }
}
