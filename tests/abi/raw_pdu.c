// SPDX-License-Identifier: GPL-2.0
/* Wire formats of MS-SMBD 2.2 for the raw peer, written and read byte by byte. */
#include <linux/unaligned.h>
#include "raw.h"

struct raw_req raw_good_req(void)
{
	return (struct raw_req) {
		.min = 0x0100, .max = 0x0100, .credits = 255,
		.preferred = 1364, .receive = 1364, .fragmented = 1048576,
	};
}

struct raw_resp raw_good_resp(void)
{
	return (struct raw_resp) {
		.min = 0x0100, .max = 0x0100, .version = 0x0100,
		.credits_requested = 32, .credits_granted = 32,
		.read_write = 1048576, .preferred = 1364, .receive = 1364,
		.fragmented = 1048576,
	};
}

void raw_put_req(u8 *b, const struct raw_req *q)
{
	put_unaligned_le16(q->min, b);
	put_unaligned_le16(q->max, b + 2);
	put_unaligned_le16(0, b + 4);
	put_unaligned_le16(q->credits, b + 6);
	put_unaligned_le32(q->preferred, b + 8);
	put_unaligned_le32(q->receive, b + 12);
	put_unaligned_le32(q->fragmented, b + 16);
}

void raw_get_req(struct raw_req *q, const u8 *b)
{
	q->min = get_unaligned_le16(b);
	q->max = get_unaligned_le16(b + 2);
	q->credits = get_unaligned_le16(b + 6);
	q->preferred = get_unaligned_le32(b + 8);
	q->receive = get_unaligned_le32(b + 12);
	q->fragmented = get_unaligned_le32(b + 16);
}

void raw_put_resp(u8 *b, const struct raw_resp *r)
{
	put_unaligned_le16(r->min, b);
	put_unaligned_le16(r->max, b + 2);
	put_unaligned_le16(r->version, b + 4);
	put_unaligned_le16(0, b + 6);
	put_unaligned_le16(r->credits_requested, b + 8);
	put_unaligned_le16(r->credits_granted, b + 10);
	put_unaligned_le32(r->status, b + 12);
	put_unaligned_le32(r->read_write, b + 16);
	put_unaligned_le32(r->preferred, b + 20);
	put_unaligned_le32(r->receive, b + 24);
	put_unaligned_le32(r->fragmented, b + 28);
}

void raw_get_resp(struct raw_resp *r, const u8 *b)
{
	r->min = get_unaligned_le16(b);
	r->max = get_unaligned_le16(b + 2);
	r->version = get_unaligned_le16(b + 4);
	r->credits_requested = get_unaligned_le16(b + 8);
	r->credits_granted = get_unaligned_le16(b + 10);
	r->status = get_unaligned_le32(b + 12);
	r->read_write = get_unaligned_le32(b + 16);
	r->preferred = get_unaligned_le32(b + 20);
	r->receive = get_unaligned_le32(b + 24);
	r->fragmented = get_unaligned_le32(b + 28);
}

void raw_put_data(u8 *b, const struct raw_data *d)
{
	put_unaligned_le16(d->requested, b);
	put_unaligned_le16(d->granted, b + 2);
	put_unaligned_le16(d->flags, b + 4);
	put_unaligned_le16(0, b + 6);
	put_unaligned_le32(d->remaining, b + 8);
	put_unaligned_le32(d->offset, b + 12);
	put_unaligned_le32(d->length, b + 16);
}

void raw_get_data(struct raw_data *d, const u8 *b)
{
	d->requested = get_unaligned_le16(b);
	d->granted = get_unaligned_le16(b + 2);
	d->flags = get_unaligned_le16(b + 4);
	d->remaining = get_unaligned_le32(b + 8);
	d->offset = get_unaligned_le32(b + 12);
	d->length = get_unaligned_le32(b + 16);
}

/* Header, four bytes of padding, then len payload bytes, whatever *d claims. */
int raw_send_data(struct raw_peer *p, const struct raw_data *d, const void *payload,
		  size_t len)
{
	u8 *b = kzalloc(RAW_DATA_LEN + len, GFP_KERNEL);
	int ret;

	if (!b)
		return -ENOMEM;
	raw_put_data(b, d);
	if (payload)
		memcpy(b + RAW_DATA_LEN, payload, len);
	ret = raw_send(p, b, RAW_DATA_LEN + len);
	kfree(b);
	return ret;
}

int raw_send_empty(struct raw_peer *p, u16 requested, u16 granted, u16 flags)
{
	struct raw_data d = { .requested = requested, .granted = granted, .flags = flags };
	u8 b[RAW_EMPTY_LEN];

	raw_put_data(b, &d);
	return raw_send(p, b, sizeof(b));
}

/* A message of one fragment. */
int raw_send_message(struct raw_peer *p, const void *payload, u32 len, u16 granted)
{
	struct raw_data d = {
		.requested = 255, .granted = granted, .offset = RAW_DATA_LEN, .length = len,
	};

	return raw_send_data(p, &d, payload, len);
}

/* The length received; the payload of it, if any, goes to buf. */
int raw_recv_data(struct raw_peer *p, struct raw_data *d, void *buf, size_t cap,
		  unsigned int ms)
{
	u8 *b = kmalloc(8192, GFP_KERNEL);
	int len;

	if (!b)
		return -ENOMEM;
	len = raw_recv(p, b, 8192, ms);
	if (len >= 0 && len < RAW_EMPTY_LEN)
		len = -EPROTO;
	if (len >= 0) {
		raw_get_data(d, b);
		if ((u64)d->offset + d->length > len)
			len = -EPROTO;
		else if (buf)
			memcpy(buf, b + d->offset, min_t(size_t, d->length, cap));
	}
	kfree(b);
	return len;
}

/* A raw client that negotiated with a listener of the module under test. */
struct raw_peer *raw_client(struct at *t, struct at_sock *lst, const struct raw_req *q,
			    struct at_sock **srv, struct raw_resp *r)
{
	struct raw_req good = raw_good_req();
	struct raw_peer *p = raw_connect(t, lst->port, 64);
	struct raw_resp resp;
	u8 b[RAW_RESP_LEN];
	int ret;

	if (!p)
		return NULL;
	raw_put_req(b, q ?: &good);
	ret = raw_send(p, b, RAW_REQ_LEN);
	AT_CHECK_RET(t, !ret, NULL, "raw negotiate request: %d", ret);
	*srv = at_accept(t, lst, AT_STEP_S * 1000);
	if (!*srv)
		return NULL;
	ret = raw_recv(p, b, sizeof(b), AT_STEP_S * 1000);
	AT_CHECK_RET(t, ret == RAW_RESP_LEN, NULL, "negotiate response: %d", ret);
	raw_get_resp(r ?: &resp, b);
	return p;
}

/* A client of the module under test that has sent its request to a raw server, and waits. */
struct raw_peer *raw_asked(struct at *t, struct at_sock **cli, struct at_party **connect,
			   struct raw_req *q)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct raw_listener *l;
	struct raw_peer *p;
	u8 b[64];
	u16 port;
	int ret;

	l = raw_listen(t, &port, true);
	*cli = l ? at_socket(t, "client", &sp, IB_POLL_SOFTIRQ) : NULL;
	*connect = *cli ? at_connect(t, *cli, port, false) : NULL;
	p = *connect ? raw_accept(t, l, 5000) : NULL;
	if (!p)
		return NULL;
	ret = raw_recv(p, b, sizeof(b), 5000);
	AT_CHECK_RET(t, ret == RAW_REQ_LEN, NULL, "negotiate request: %d", ret);
	raw_get_req(q, b);
	return p;
}

/* The same that has its answer. */
struct raw_peer *raw_server(struct at *t, struct at_sock **cli)
{
	struct raw_resp resp = raw_good_resp();
	struct at_party *connect;
	u8 b[RAW_RESP_LEN];
	struct raw_peer *p;
	struct raw_req q;
	int ret;

	p = raw_asked(t, cli, &connect, &q);
	if (!p)
		return NULL;
	raw_put_resp(b, &resp);
	ret = raw_send(p, b, sizeof(b));
	AT_CHECK_RET(t, !ret, NULL, "raw negotiate response: %d", ret);
	if (!at_join(connect, AT_STEP_S))
		return NULL;
	AT_CHECK_RET(t, !connect->ret, NULL, "connect_sync: %d", connect->ret);
	return p;
}
