// SPDX-License-Identifier: GPL-2.0
/* Messages through send_iter and recvmsg, of all sizes and read in all ways. */
#include <linux/unaligned.h>
#include "abitest.h"

static const u32 sizes[] = {
	4, 5, 7, 8, 100, 1339, 1340, 1341, 2680, 2681, 4095, 4096, 4097, 10000,
	65535, 65536, 100000, 131071, 131072,
};

static void sweep(struct at *t, struct at_pair *p, struct at_sock *from,
		  struct at_sock *to, enum at_how how)
{
	u32 top = at_params(from)->max_fragmented_send_size;
	int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (sizes[i] <= top && !at_message(t, from, to, sizes[i], how))
			return;
	at_message(t, from, to, top, how);
}

static void msg_sizes_to_client(struct at *t)
{
	struct at_pair p;

	if (at_pair_open(t, &p, NULL))
		sweep(t, &p, p.srv, p.cli, AT_ITER);
}

static void msg_sizes_to_server(struct at *t)
{
	struct at_pair p;

	if (at_pair_open(t, &p, NULL))
		sweep(t, &p, p.cli, p.srv, AT_BATCH);
}

static void msg_size_limits(struct at *t)
{
	struct at_pair p;
	u32 top;

	if (!at_pair_open(t, &p, NULL))
		return;
	top = at_params(p.srv)->max_fragmented_send_size;
	AT_EQ(t, "one byte too many", at_send(p.srv, at_alloc(t, top + 1), top + 1), -EMSGSIZE);
	if (!at_echo(t, &p, 1000))
		return;
	at_message(t, p.srv, p.cli, top, AT_ITER);
}

/* The checks of send_iter in front of anything that goes to the wire. */
static void msg_send_checks(struct at *t)
{
	u8 *b = at_alloc(t, 200);
	struct kvec v = { .iov_base = b };
	struct iov_iter iter;
	struct at_pair p;
	static const struct { u32 prefix; size_t len; } bad[] = {
		{ 0, 0 }, { 0, 3 }, { 0, 4 }, { 101, 104 }, { 99, 104 }, { 0, 104 },
		{ 0x01000064, 104 }, { 0x64000000, 104 }, { 0xffffffff, 104 },
	};
	int i, ret;

	if (!b || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		put_unaligned_be32(bad[i].prefix, b);
		v.iov_len = bad[i].len;
		iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, bad[i].len);
		ret = smbdirect_connection_send_iter(p.srv->sc, &iter, 0, false, 0);
		AT_CHECK(t, ret == -EINVAL, "prefix %#x before %zu bytes: %d",
			 bad[i].prefix, bad[i].len, ret);
	}
	at_echo(t, &p, 100);
}

/* The prefix may be cut over several segments. */
static void msg_split_prefix(struct at *t)
{
	u8 *b = at_alloc(t, 104), *in = at_alloc(t, 100);
	struct kvec v[4];
	struct iov_iter iter;
	struct at_pair p;
	int ret;

	if (!b || !in || !at_pair_open(t, &p, NULL))
		return;
	put_unaligned_be32(100, b);
	at_fill(b + 4, 100, 5);
	v[0] = (struct kvec) { b, 1 };
	v[1] = (struct kvec) { b + 1, 2 };
	v[2] = (struct kvec) { b + 3, 50 };
	v[3] = (struct kvec) { b + 53, 51 };
	iov_iter_kvec(&iter, ITER_SOURCE, v, 4, 104);
	ret = smbdirect_connection_send_iter(p.srv->sc, &iter, 0, false, 0);
	AT_EQ(t, "send_iter", ret, 104);
	AT_EQ(t, "recvmsg", at_recv_msg(p.cli, in, 100), 100);
	AT_CHECK(t, at_differs(in, 100, 5) < 0, "data differs");
}

/* 4-byte reads: once the made-up length, otherwise payload. */
static void msg_four_byte_reads(struct at *t)
{
	u8 *out = at_alloc(t, 12), *in = at_alloc(t, 12);
	struct at_pair p;
	int i;

	if (!out || !in || !at_pair_open(t, &p, NULL))
		return;
	at_fill(out, 12, 9);
	AT_EQ(t, "send", at_send(p.srv, out, 12), 0);
	AT_EQ(t, "first 4 bytes", at_recv_len(p.cli), 12);
	for (i = 0; i < 3; i++)
		AT_EQ(t, "4 bytes of payload", at_recv(p.cli, in + 4 * i, 4), 0);
	AT_CHECK(t, !memcmp(in, out, 12), "payload differs");
	AT_EQ(t, "send", at_send(p.srv, out, 12), 0);
	AT_EQ(t, "next message's length", at_recv_len(p.cli), 12);
	AT_EQ(t, "rest", at_recv(p.cli, in, 12), 0);
}

static int recv4_fn(struct at_party *p)
{
	p->waiting = "recvmsg of 4 bytes";
	return at_recv_len(p->arg);
}

/*
 * A message shorter than the header read: the length comes when four bytes of
 * payload are there, which the next message brings.
 */
static void msg_short_message_header(struct at *t)
{
	u8 *out = at_alloc(t, 8), *in = at_alloc(t, 8);
	struct at_pair p;
	int i;

	if (!out || !in || !at_pair_open(t, &p, NULL))
		return;
	at_fill(out, 8, 3);
	for (i = 0; i < 4; i++)
		AT_EQ(t, "send of 1 byte", at_send(p.srv, out + i, 1), 0);
	for (i = 0; i < 4; i++) {
		struct at_party *r;

		if (i == 1)
			AT_EQ(t, "send", at_send(p.srv, out, 8), 0);
		r = at_spawn(t, "reader", recv4_fn, p.cli);
		if (!r || !at_join(r, 5))
			return;
		AT_EQ(t, "length", r->ret, 1);
		AT_EQ(t, "byte", at_recv(p.cli, in + i, 1), 0);
	}
	AT_CHECK(t, !memcmp(in, out, 4), "payload differs");
	AT_EQ(t, "last", at_recv_msg(p.cli, in, 8), 8);
}

static int send_fn(struct at_party *p)
{
	void **a = p->arg;

	p->waiting = "send_iter";
	return at_send(a[0], a[1], (size_t)a[2]);
}

static void msg_read_in_pieces(struct at *t)
{
	static const u32 piece[] = { 1, 3, 5, 17, 1000, 1340, 1341, 5000, 33333 };
	size_t len = 100000, got = 0;
	u8 *out = at_alloc(t, len), *in = at_alloc(t, len);
	struct at_party *s;
	struct at_pair p;
	void **a = at_alloc(t, 3 * sizeof(*a));
	int i = 0;

	if (!out || !in || !a || !at_pair_open(t, &p, NULL))
		return;
	at_fill(out, len, 77);
	a[0] = p.srv;
	a[1] = out;
	a[2] = (void *)len;
	s = at_spawn(t, "sender", send_fn, a);
	t->waiting = "recvmsg in pieces";
	AT_EQ(t, "length", at_recv_len(p.cli), len);
	while (got < len) {
		u32 n = min_t(size_t, piece[i++ % ARRAY_SIZE(piece)], len - got);

		AT_EQ(t, "piece", at_recv(p.cli, in + got, n), 0);
		got += n;
	}
	AT_CHECK(t, at_differs(in, len, 77) < 0, "data differs");
	if (s && at_join(s, AT_STEP_S))
		AT_EQ(t, "send_iter", s->ret, 0);
}

/* recvmsg into the other kinds of iterators that cifs uses. */
static bool recv_into(struct at *t, struct at_pair *p, enum at_iter_kind kind, size_t off)
{
	size_t len = 20000;
	struct at_region *r = at_region(t, kind, len, off);
	struct msghdr msg = {};
	u8 *out = at_alloc(t, len);
	void **a = at_alloc(t, 3 * sizeof(*a));
	struct at_party *s;
	int ret;

	if (!r || !out || !a)
		return false;
	at_fill(out, len, kind);
	a[0] = p->srv;
	a[1] = out;
	a[2] = (void *)len;
	s = at_spawn(t, "sender", send_fn, a);
	t->waiting = "recvmsg";
	AT_CHECK_RET(t, at_recv_len(p->cli) == len, false, "wrong length");
	at_region_iter(r, &msg.msg_iter, ITER_DEST);
	ret = smbdirect_connection_recvmsg(p->cli->sc, &msg, 0);
	AT_CHECK_RET(t, ret == len, false, "recvmsg into iterator %d: %d", kind, ret);
	AT_CHECK_RET(t, !iov_iter_count(&msg.msg_iter), false, "iterator not advanced");
	AT_CHECK_RET(t, at_region_differs(r, kind) < 0, false, "iterator %d differs", kind);
	return s && at_join(s, AT_STEP_S);
}

static void msg_iterators(struct at *t)
{
	struct at_pair p;

	if (!at_pair_open(t, &p, NULL))
		return;
	if (recv_into(t, &p, AT_KVEC, 0) && recv_into(t, &p, AT_KVEC, 333) &&
	    recv_into(t, &p, AT_BVEC, 0) && recv_into(t, &p, AT_BVEC, 1234) &&
	    recv_into(t, &p, AT_FOLIOQ, 0) && recv_into(t, &p, AT_FOLIOQ, 77))
		recv_into(t, &p, AT_XARRAY, 5);
}

static void msg_discard(struct at *t)
{
	u8 *out = at_alloc(t, 3000), *in = at_alloc(t, 3000);
	struct msghdr msg = {};
	struct at_pair p;

	if (!out || !in || !at_pair_open(t, &p, NULL))
		return;
	at_fill(out, 3000, 1);
	AT_EQ(t, "send", at_send(p.srv, out, 3000), 0);
	AT_EQ(t, "length", at_recv_len(p.cli), 3000);
	iov_iter_discard(&msg.msg_iter, ITER_DEST, 2000);
	AT_EQ(t, "discard", smbdirect_connection_recvmsg(p.cli->sc, &msg, 0), 2000);
	AT_EQ(t, "rest", at_recv(p.cli, in, 1000), 0);
	AT_CHECK(t, !memcmp(in, out + 2000, 1000), "the rest differs");
	iov_iter_discard(&msg.msg_iter, ITER_DEST, 0);
	AT_EQ(t, "read of nothing", smbdirect_connection_recvmsg(p.cli->sc, &msg, 0), 0);
}

/* No SMB message is this short, but nothing in the protocol forbids it. */
static void msg_tiny_sizes(struct at *t)
{
	struct at_pair p;
	int i;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (i = 1; i < 4; i++)
		if (!at_message(t, p.srv, p.cli, i, AT_ITER) ||
		    !at_message(t, p.cli, p.srv, i, AT_BATCH))
			return;
}

/* 600 messages in one direction with never a word back but credits. */
static void msg_one_way(struct at *t)
{
	struct at_pair p;
	int i;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 600; i++)
		if (!at_message(t, p.cli, p.srv, 4 + i, AT_BATCH))
			return;
}

struct stream {
	struct at_sock *s;
	int count;
	u32 seed;
	bool batch;
};

static size_t stream_len(const struct stream *a, int i)
{
	return 4 + (i * 7919u + a->seed * 104729u) % 19990;
}

static int stream_out(struct at_party *p)
{
	struct stream *a = p->arg;
	u8 *buf = kvmalloc(20000, GFP_KERNEL);
	int i, ret = buf ? 0 : -ENOMEM;

	p->waiting = "sending a stream";
	for (i = 0; !ret && i < a->count; i++) {
		size_t len = stream_len(a, i);
		struct kvec v = { buf, len };
		struct iov_iter iter;

		at_fill(buf, len, a->seed + i);
		iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, len);
		ret = a->batch ? at_send_batch(a->s, &iter, 1) : at_send(a->s, buf, len);
	}
	kvfree(buf);
	return ret;
}

static int stream_in(struct at_party *p)
{
	struct stream *a = p->arg;
	u8 *buf = kvmalloc(20000, GFP_KERNEL);
	int i, ret = buf ? 0 : -ENOMEM;

	p->waiting = "reading a stream";
	for (i = 0; ret >= 0 && i < a->count; i++) {
		size_t len = stream_len(a, i);

		ret = at_recv_msg(a->s, buf, 20000);
		if (ret >= 0 && (ret != len || at_differs(buf, len, a->seed + i) >= 0))
			ret = -EILSEQ;
	}
	kvfree(buf);
	return ret < 0 ? ret : 0;
}

static void msg_both_ways(struct at *t)
{
	struct stream *a = at_alloc(t, 4 * sizeof(*a));
	struct at_party *w[4];
	struct at_pair p;
	int i;

	if (!a || !at_pair_open(t, &p, NULL))
		return;
	a[0] = (struct stream) { p.cli, 100, 1, true };
	a[1] = (struct stream) { p.srv, 100, 1, false };
	a[2] = (struct stream) { p.srv, 100, 2, false };
	a[3] = (struct stream) { p.cli, 100, 2, false };
	for (i = 0; i < 4; i++)
		w[i] = at_spawn(t, i & 1 ? "reader" : "writer",
				i & 1 ? stream_in : stream_out, &a[i]);
	for (i = 0; i < 4; i++) {
		if (!w[i] || !at_join(w[i], 40))
			return;
		AT_CHECK(t, !w[i]->ret, "%s %d: %d", w[i]->name, i, w[i]->ret);
	}
}

/* A remote key with the answer: only the first fragment carries it, data whole. */
static void msg_with_invalidate(struct at *t)
{
	struct at_region *r = at_region(t, AT_BVEC, 8192, 0);
	u8 *out = at_alloc(t, 5000), *in = at_alloc(t, 5000);
	struct at_pair p;
	struct at_mr *m;
	int i;

	if (!r || !out || !in || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 40; i++) {
		m = at_mr(t, p.cli, r, true, false);
		if (!m)
			return;
		at_fill(out, 5000, i);
		AT_EQ(t, "send_iter", at_send_inv(p.srv, out, 5000, le32_to_cpu(m->desc.token)), 0);
		AT_EQ(t, "recvmsg", at_recv_msg(p.cli, in, 5000), 5000);
		AT_CHECK(t, at_differs(in, 5000, i) < 0, "data differs");
		if (!at_mr_drop(t, m))
			return;
	}
}

const struct at_case at_cases_msg[] = {
	{ "msg_sizes_to_client", msg_sizes_to_client, 60 },
	{ "msg_sizes_to_server", msg_sizes_to_server, 60 },
	{ "msg_size_limits", msg_size_limits },
	{ "msg_send_checks", msg_send_checks },
	{ "msg_split_prefix", msg_split_prefix },
	{ "msg_four_byte_reads", msg_four_byte_reads },
	{ "msg_short_message_header", msg_short_message_header },
	{ "msg_read_in_pieces", msg_read_in_pieces },
	{ "msg_iterators", msg_iterators },
	{ "msg_discard", msg_discard },
	{ "msg_tiny_sizes", msg_tiny_sizes, 15 },
	{ "msg_one_way", msg_one_way, 40 },
	{ "msg_both_ways", msg_both_ways, 90 },
	{ "msg_with_invalidate", msg_with_invalidate, 60 },
	{}
};
