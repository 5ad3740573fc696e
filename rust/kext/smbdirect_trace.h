/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints smbdirect:*. Documentation/observability.md says when each
 * is emitted and what always holds; the Rust side is trace.rs.
 *
 * conn is the number of the connection, as in /sys/kernel/smbdirect/connections.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM smbdirect

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE smbdirect_trace

#if !defined(SMBD_SMBDIRECT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SMBD_SMBDIRECT_TRACE_H

#include <linux/in6.h>
#include <linux/tracepoint.h>
#include <rdma/ib_cm.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>
#include <trace/misc/rdma.h>

/* ---- beginning and end ---- */

/* We begin to connect. */
TRACE_EVENT(smbd_connect,
	TP_PROTO(u64 conn, const u8 *addr),
	TP_ARGS(conn, addr),
	TP_STRUCT__entry(
		__field(u64, conn)
		__array(u8, addr, sizeof(struct sockaddr_in6))
	),
	TP_fast_assign(
		__entry->conn = conn;
		memcpy(__entry->addr, addr, sizeof(struct sockaddr_in6));
	),
	TP_printk("conn=%llu peer=%pISpc", __entry->conn, __entry->addr)
);

/* A connection request has become a connection. */
TRACE_EVENT(smbd_arrival,
	TP_PROTO(u64 conn, const u8 *addr, const char *device, const u8 *local),
	TP_ARGS(conn, addr, device, local),
	TP_STRUCT__entry(
		__field(u64, conn)
		__array(u8, addr, sizeof(struct sockaddr_in6))
		__string(device, device)
		__array(u8, local, sizeof(struct sockaddr_in6))
	),
	TP_fast_assign(
		__entry->conn = conn;
		memcpy(__entry->addr, addr, sizeof(struct sockaddr_in6));
		__assign_str(device);
		memcpy(__entry->local, local, sizeof(struct sockaddr_in6));
	),
	TP_printk("conn=%llu peer=%pISpc device=%s local=%pISpc", __entry->conn, __entry->addr,
		  __get_str(device), __entry->local)
);

/* A connection request was refused; conn is the listening socket. */
TRACE_EVENT(smbd_refused,
	TP_PROTO(u64 conn, const u8 *addr, const char *why),
	TP_ARGS(conn, addr, why),
	TP_STRUCT__entry(
		__field(u64, conn)
		__array(u8, addr, sizeof(struct sockaddr_in6))
		__string(why, why)
	),
	TP_fast_assign(
		__entry->conn = conn;
		memcpy(__entry->addr, addr, sizeof(struct sockaddr_in6));
		__assign_str(why);
	),
	TP_printk("conn=%llu peer=%pISpc why=%s", __entry->conn, __entry->addr, __get_str(why))
);

/* A request was refused by the policy of its share. */
TRACE_EVENT(smbd_policy_refused,
	TP_PROTO(const char *share, const char *reason, const char *command),
	TP_ARGS(share, reason, command),
	TP_STRUCT__entry(
		__string(share, share)
		__string(reason, reason)
		__string(command, command)
	),
	TP_fast_assign(
		__assign_str(share);
		__assign_str(reason);
		__assign_str(command);
	),
	TP_printk("share=%s reason=%s command=%s", __get_str(share), __get_str(reason),
		  __get_str(command))
);

/* The connection manager's events. device is empty, and local no address, until known. */
TRACE_EVENT(smbd_cm_event,
	TP_PROTO(u64 conn, u32 event, int status, const char *device, const u8 *local),
	TP_ARGS(conn, event, status, device, local),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, event)
		__field(int, status)
		__string(device, device)
		__array(u8, local, sizeof(struct sockaddr_in6))
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->event = event;
		__entry->status = status;
		__assign_str(device);
		memcpy(__entry->local, local, sizeof(struct sockaddr_in6));
	),
	TP_printk("conn=%llu event=%s (%u) status=%d device=%s local=%pISpc", __entry->conn,
		  rdma_show_cm_event(__entry->event), __entry->event, __entry->status,
		  __get_str(device), __entry->local)
);

/* The connection is established, with these sizes. */
TRACE_EVENT(smbd_negotiated,
	TP_PROTO(u64 conn, bool client, u32 max_send, u32 max_recv, u32 max_fragmented_send,
		 u32 max_fragmented_recv, u32 max_read_write),
	TP_ARGS(conn, client, max_send, max_recv, max_fragmented_send, max_fragmented_recv,
		max_read_write),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(bool, client)
		__field(u32, max_send)
		__field(u32, max_recv)
		__field(u32, max_fragmented_send)
		__field(u32, max_fragmented_recv)
		__field(u32, max_read_write)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->client = client;
		__entry->max_send = max_send;
		__entry->max_recv = max_recv;
		__entry->max_fragmented_send = max_fragmented_send;
		__entry->max_fragmented_recv = max_fragmented_recv;
		__entry->max_read_write = max_read_write;
	),
	TP_printk("conn=%llu role=%s max_send=%u max_recv=%u max_fragmented_send=%u max_fragmented_recv=%u max_read_write=%u",
		  __entry->conn, __entry->client ? "client" : "server", __entry->max_send,
		  __entry->max_recv, __entry->max_fragmented_send, __entry->max_fragmented_recv,
		  __entry->max_read_write)
);

/* The connection, or the attempt, has failed or was shut down: once for each. */
TRACE_EVENT(smbd_fail,
	TP_PROTO(u64 conn, u32 status, int error, const char *cause),
	TP_ARGS(conn, status, error, cause),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, status)
		__field(int, error)
		__string(cause, cause)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->status = status;
		__entry->error = error;
		__assign_str(cause);
	),
	TP_printk("conn=%llu status=%u error=%d cause=%s", __entry->conn, __entry->status,
		  __entry->error, __get_str(cause))
);

/* The peer broke a rule. */
TRACE_EVENT(smbd_protocol_error,
	TP_PROTO(u64 conn, const char *kind),
	TP_ARGS(conn, kind),
	TP_STRUCT__entry(
		__field(u64, conn)
		__string(kind, kind)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__assign_str(kind);
	),
	TP_printk("conn=%llu kind=%s", __entry->conn, __get_str(kind))
);

DECLARE_EVENT_CLASS(smbd_conn_class,
	TP_PROTO(u64 conn),
	TP_ARGS(conn),
	TP_STRUCT__entry(
		__field(u64, conn)
	),
	TP_fast_assign(
		__entry->conn = conn;
	),
	TP_printk("conn=%llu", __entry->conn)
);

/* Teardown begins. */
DEFINE_EVENT(smbd_conn_class, smbd_teardown, TP_PROTO(u64 conn), TP_ARGS(conn));

/* Everything that the connection had is freed. */
DEFINE_EVENT(smbd_conn_class, smbd_closed, TP_PROTO(u64 conn), TP_ARGS(conn));

/* ---- messages and credits ---- */

/* As many bytes of a message as the longest negotiate message has. */
#define SMBD_TRACE_BYTES 32

DECLARE_EVENT_CLASS(smbd_bytes_class,
	TP_PROTO(u64 conn, u32 length, const u8 *bytes),
	TP_ARGS(conn, length, bytes),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, length)
		__array(u8, bytes, SMBD_TRACE_BYTES)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->length = length;
		memcpy(__entry->bytes, bytes, SMBD_TRACE_BYTES);
	),
	TP_printk("conn=%llu length=%u bytes=%s", __entry->conn, __entry->length,
		  __print_hex_str(__entry->bytes,
				  __entry->length < SMBD_TRACE_BYTES ?
				  __entry->length : SMBD_TRACE_BYTES))
);

/* A negotiate message will be posted. */
DEFINE_EVENT(smbd_bytes_class, smbd_send_negotiate,
	TP_PROTO(u64 conn, u32 length, const u8 *bytes),
	TP_ARGS(conn, length, bytes));

/* What came as negotiate message, before it is judged. */
DEFINE_EVENT(smbd_bytes_class, smbd_recv_negotiate,
	TP_PROTO(u64 conn, u32 length, const u8 *bytes),
	TP_ARGS(conn, length, bytes));

/* A message came and was not valid: the first bytes of it. */
DEFINE_EVENT(smbd_bytes_class, smbd_recv_refused,
	TP_PROTO(u64 conn, u32 length, const u8 *bytes),
	TP_ARGS(conn, length, bytes));

DECLARE_EVENT_CLASS(smbd_message_class,
	TP_PROTO(u64 conn, u32 length, u32 offset, u32 remaining, u32 requests, u32 grants,
		 u32 flags, u32 send_credits, u32 granted, u32 posted),
	TP_ARGS(conn, length, offset, remaining, requests, grants, flags, send_credits, granted,
		posted),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, length)
		__field(u32, offset)
		__field(u32, remaining)
		__field(u32, requests)
		__field(u32, grants)
		__field(u32, flags)
		__field(u32, send_credits)
		__field(u32, granted)
		__field(u32, posted)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->length = length;
		__entry->offset = offset;
		__entry->remaining = remaining;
		__entry->requests = requests;
		__entry->grants = grants;
		__entry->flags = flags;
		__entry->send_credits = send_credits;
		__entry->granted = granted;
		__entry->posted = posted;
	),
	TP_printk("conn=%llu length=%u offset=%u remaining=%u requests=%u grants=%u flags=%#x send_credits=%u granted=%u posted=%u",
		  __entry->conn, __entry->length, __entry->offset, __entry->remaining,
		  __entry->requests, __entry->grants, __entry->flags, __entry->send_credits,
		  __entry->granted, __entry->posted)
);

/* A message got its header and will be posted; the last three are after it. */
DEFINE_EVENT(smbd_message_class, smbd_send,
	TP_PROTO(u64 conn, u32 length, u32 offset, u32 remaining, u32 requests, u32 grants,
		 u32 flags, u32 send_credits, u32 granted, u32 posted),
	TP_ARGS(conn, length, offset, remaining, requests, grants, flags, send_credits, granted,
		posted));

/* A message was received and found valid; the last three are after it. */
DEFINE_EVENT(smbd_message_class, smbd_recv,
	TP_PROTO(u64 conn, u32 length, u32 offset, u32 remaining, u32 requests, u32 grants,
		 u32 flags, u32 send_credits, u32 granted, u32 posted),
	TP_ARGS(conn, length, offset, remaining, requests, grants, flags, send_credits, granted,
		posted));

/* Receives were posted, and may be granted from now on. */
TRACE_EVENT(smbd_recv_posted,
	TP_PROTO(u64 conn, u32 count, u32 granted, u32 posted),
	TP_ARGS(conn, count, granted, posted),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, count)
		__field(u32, granted)
		__field(u32, posted)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->count = count;
		__entry->granted = granted;
		__entry->posted = posted;
	),
	TP_printk("conn=%llu count=%u granted=%u posted=%u", __entry->conn, __entry->count,
		  __entry->granted, __entry->posted)
);

/* A sender waited. */
TRACE_EVENT(smbd_wait,
	TP_PROTO(u64 conn, const char *need, u64 msec, int error),
	TP_ARGS(conn, need, msec, error),
	TP_STRUCT__entry(
		__field(u64, conn)
		__string(need, need)
		__field(u64, msec)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__assign_str(need);
		__entry->msec = msec;
		__entry->error = error;
	),
	TP_printk("conn=%llu need=%s msec=%llu error=%d", __entry->conn, __get_str(need),
		  __entry->msec, __entry->error)
);

/* ---- work requests ---- */

/*
 * A chain of count entries was posted to the send queue; seq is the number of
 * its last entry. error: 0, or why the driver took only a part of it: count.
 */
TRACE_EVENT(smbd_post_send,
	TP_PROTO(u64 conn, u32 seq, u32 count, u32 opcode, bool signalled, int error),
	TP_ARGS(conn, seq, count, opcode, signalled, error),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, seq)
		__field(u32, count)
		__field(u32, opcode)
		__field(bool, signalled)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->seq = seq;
		__entry->count = count;
		__entry->opcode = opcode;
		__entry->signalled = signalled;
		__entry->error = error;
	),
	TP_printk("conn=%llu seq=%u count=%u opcode=%u signalled=%d error=%d", __entry->conn,
		  __entry->seq, __entry->count, __entry->opcode, __entry->signalled,
		  __entry->error)
);

/* An entry of the send queue completed. */
TRACE_EVENT(smbd_wc_send,
	TP_PROTO(u64 conn, u32 seq, u32 status),
	TP_ARGS(conn, seq, status),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, seq)
		__field(u32, status)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->seq = seq;
		__entry->status = status;
	),
	TP_printk("conn=%llu seq=%u status=%s (%u)", __entry->conn, __entry->seq,
		  rdma_show_wc_status(__entry->status), __entry->status)
);

/* A receive is about to be posted; slot is its number among the connection's. */
TRACE_EVENT(smbd_post_recv,
	TP_PROTO(u64 conn, u32 slot),
	TP_ARGS(conn, slot),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, slot)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->slot = slot;
	),
	TP_printk("conn=%llu slot=%u", __entry->conn, __entry->slot)
);

/* The driver did not take a receive. */
TRACE_EVENT(smbd_post_recv_err,
	TP_PROTO(u64 conn, u32 slot, int error),
	TP_ARGS(conn, slot, error),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, slot)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->slot = slot;
		__entry->error = error;
	),
	TP_printk("conn=%llu slot=%u error=%d", __entry->conn, __entry->slot, __entry->error)
);

/* A receive completed; length is defined if status is 0. */
TRACE_EVENT(smbd_wc_recv,
	TP_PROTO(u64 conn, u32 slot, u32 status, u32 length),
	TP_ARGS(conn, slot, status, length),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, slot)
		__field(u32, status)
		__field(u32, length)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->slot = slot;
		__entry->status = status;
		__entry->length = length;
	),
	TP_printk("conn=%llu slot=%u status=%s (%u) length=%u", __entry->conn, __entry->slot,
		  rdma_show_wc_status(__entry->status), __entry->status, __entry->length)
);

/* ---- registrations and RDMA ---- */

/* Memory is about to be registered, under a new key. */
TRACE_EVENT(smbd_reg,
	TP_PROTO(u64 conn, u32 key, u64 iova, u32 length, bool writable),
	TP_ARGS(conn, key, iova, length, writable),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, key)
		__field(u64, iova)
		__field(u32, length)
		__field(bool, writable)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->key = key;
		__entry->iova = iova;
		__entry->length = length;
		__entry->writable = writable;
	),
	TP_printk("conn=%llu key=%#x iova=%#llx length=%u access=%s", __entry->conn,
		  __entry->key, __entry->iova, __entry->length,
		  __entry->writable ? "write" : "read")
);

DECLARE_EVENT_CLASS(smbd_key_class,
	TP_PROTO(u64 conn, u32 key, bool ok),
	TP_ARGS(conn, key, ok),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(u32, key)
		__field(bool, ok)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->key = key;
		__entry->ok = ok;
	),
	TP_printk("conn=%llu key=%#x ok=%d", __entry->conn, __entry->key, __entry->ok)
);

/* A key was invalidated by a work request of our own, or that failed. */
DEFINE_EVENT(smbd_key_class, smbd_local_inv,
	TP_PROTO(u64 conn, u32 key, bool ok),
	TP_ARGS(conn, key, ok));

/* The peer says that it invalidated a key; ok if that was registered for it. */
DEFINE_EVENT(smbd_key_class, smbd_remote_inv,
	TP_PROTO(u64 conn, u32 key, bool ok),
	TP_ARGS(conn, key, ok));

/*
 * The memory of a registration is its owner's again. ok: its key was
 * invalidated; otherwise it died with the queue pair, or was never posted.
 */
DEFINE_EVENT(smbd_key_class, smbd_unmap,
	TP_PROTO(u64 conn, u32 key, bool ok),
	TP_ARGS(conn, key, ok));

DECLARE_EVENT_CLASS(smbd_rdma_class,
	TP_PROTO(u64 conn, bool read, u32 length, u32 descriptors, int error),
	TP_ARGS(conn, read, length, descriptors, error),
	TP_STRUCT__entry(
		__field(u64, conn)
		__field(bool, read)
		__field(u32, length)
		__field(u32, descriptors)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->conn = conn;
		__entry->read = read;
		__entry->length = length;
		__entry->descriptors = descriptors;
		__entry->error = error;
	),
	TP_printk("conn=%llu op=%s length=%u descriptors=%u error=%d", __entry->conn,
		  __entry->read ? "read" : "write", __entry->length, __entry->descriptors,
		  __entry->error)
);

/* A transfer from or to the peer's memory begins ... */
DEFINE_EVENT(smbd_rdma_class, smbd_rdma_begin,
	TP_PROTO(u64 conn, bool read, u32 length, u32 descriptors, int error),
	TP_ARGS(conn, read, length, descriptors, error));

/* ... and is over. */
DEFINE_EVENT(smbd_rdma_class, smbd_rdma_end,
	TP_PROTO(u64 conn, bool read, u32 length, u32 descriptors, int error),
	TP_ARGS(conn, read, length, descriptors, error));

#endif

/* This part must be outside protection */
#include <trace/define_trace.h>
