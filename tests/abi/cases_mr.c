// SPDX-License-Identifier: GPL-2.0
/* Memory registration by the client, with the server reaching into it. */
#include "abitest.h"

/* One RDMA transfer between the region and a server buffer, compared. */
static bool transfer(struct at *t, struct at_pair *p, struct at_region *r,
		     struct at_mr *m, bool read, u32 seed)
{
	struct at_xmit *x = at_alloc(t, sizeof(*x));
	u8 *buf = at_alloc(t, r->len);
	struct smbdirect_buffer_descriptor_v1 *desc = at_alloc(t, sizeof(*desc));
	int ret;

	if (!x || !buf || !desc)
		return false;
	*desc = m->desc;
	*x = (struct at_xmit) { p->srv, buf, r->len, desc, 1, read };
	if (read)
		at_region_fill(r, seed);
	else
		at_fill(buf, r->len, seed);
	ret = at_xmit(t, x);
	AT_CHECK_RET(t, !ret, false, "rdma_xmit: %d", ret);
	if (read)
		AT_CHECK_RET(t, at_differs(buf, r->len, seed) < 0, false,
			     "server read wrong data at byte %ld", at_differs(buf, r->len, seed));
	return true;
}

static bool one(struct at *t, struct at_pair *p, enum at_iter_kind kind, size_t len,
		size_t off, bool read, bool invalidate, u32 seed)
{
	struct at_region *r = at_region(t, kind, len, off);
	struct at_mr *m;

	if (!r)
		return false;
	if (read)
		at_region_fill(r, seed);	/* a registration may be of a copy */
	m = at_mr(t, p->cli, r, !read, invalidate);
	if (!m || !transfer(t, p, r, m, read, seed) || !at_mr_drop(t, m))
		return false;
	if (!read)
		AT_CHECK_RET(t, at_region_differs(r, seed) < 0, false,
			     "kind %d len %zu off %zu: client got wrong data at byte %ld",
			     kind, len, off, at_region_differs(r, seed));
	return true;
}

static void lengths(struct at *t, bool read)
{
	static const size_t len[] = { 1, 2, 4095, 4096, 4097, 12345, 65536, 262144 };
	static const size_t off[] = { 0, 1, 100, 4095 };
	struct at_pair p;
	int i, k;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < ARRAY_SIZE(len); i++)
		for (k = 0; k < ARRAY_SIZE(off); k++)
			if (!one(t, &p, AT_BVEC, len[i], off[k], read, true, i * 10 + k))
				return;
}

static void mr_write_lengths(struct at *t)
{
	lengths(t, false);
}

static void mr_read_lengths(struct at *t)
{
	lengths(t, true);
}

static void mr_iterators(struct at *t)
{
	static const enum at_iter_kind kind[] = { AT_KVEC, AT_BVEC, AT_FOLIOQ, AT_XARRAY };
	struct at_pair p;
	int i;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < ARRAY_SIZE(kind); i++)
		if (!one(t, &p, kind[i], 50000, 0, true, true, i) ||
		    !one(t, &p, kind[i], 50000, 0, false, true, i) ||
		    !one(t, &p, kind[i], 50000, 321, true, true, i) ||
		    !one(t, &p, kind[i], 50000, 321, false, true, i))
			return;
}

/* Pieces that no registration without gaps can describe; netfs makes such iterators. */
static void mr_holes(struct at *t)
{
	static const size_t len[] = { 3001, 4096, 6000, 100000 };
	struct at_pair p;
	int i;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < ARRAY_SIZE(len); i++)
		if (!one(t, &p, AT_HOLES, len[i], 0, true, true, i) ||
		    !one(t, &p, AT_HOLES, len[i], 500, false, true, i + 10) ||
		    !one(t, &p, AT_HOLES, len[i], 1, false, false, i + 20))
			return;
	at_echo(t, &p, 64);
}

/* As large as negotiated, wherever it begins. */
static void mr_largest(struct at *t)
{
	struct at_pair p;
	size_t most;

	if (!at_pair_open(t, &p, NULL))
		return;
	most = at_params(p.cli)->max_read_write_size;
	if (one(t, &p, AT_BVEC, most, 0, true, true, 1) &&
	    one(t, &p, AT_BVEC, most, 0, false, true, 2) &&
	    one(t, &p, AT_BVEC, most, 100, true, true, 3) &&
	    one(t, &p, AT_BVEC, most, 4095, false, true, 4))
		at_echo(t, &p, 64);
}

static void mr_too_long(struct at *t)
{
	struct smbdirect_socket_parameters c = at_client_params();
	struct at_opts o = { .cli = &c };
	struct at_region *r;
	struct iov_iter iter;
	struct at_pair p;

	c.max_frmr_depth = 16;
	if (!at_pair_open(t, &p, &o))
		return;
	r = at_region(t, AT_BVEC, 18 * PAGE_SIZE, 0);
	if (!r)
		return;
	at_region_iter(r, &iter, ITER_DEST);
	AT_CHECK(t, !smbdirect_connection_register_mr_io(p.cli->sc, &iter, true, true),
		 "registered two pages more than max_frmr_depth");
	at_echo(t, &p, 64);
}

/* Used over and over: far more often than there are registrations. */
static void mr_cycle(struct at *t)
{
	struct at_pair p;
	int i;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 100; i++)
		if (!one(t, &p, AT_BVEC, 8192, 0, i & 1, true, i))
			return;
	at_echo(t, &p, 64);
}

/* The response carries the invalidation, as SMB 3.02 and later have it. */
static void mr_remote_invalidate(struct at *t)
{
	struct at_region *r = at_region(t, AT_BVEC, 16384, 0);
	u8 *in = at_alloc(t, 64), *out = at_alloc(t, 64);
	struct at_pair p;
	struct at_mr *m;
	int i, ret;

	if (!r || !in || !out || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 100; i++) {
		m = at_mr(t, p.cli, r, true, false);
		if (!m || !transfer(t, &p, r, m, false, i))
			return;
		ret = at_send_inv(p.srv, out, 64, le32_to_cpu(m->desc.token));
		AT_CHECK(t, !ret, "send_iter with invalidation, round %d: %d", i, ret);
		AT_EQ(t, "recvmsg", at_recv_msg(p.cli, in, 64), 64);
		if (!at_mr_drop(t, m))
			return;
		AT_CHECK(t, at_region_differs(r, i) < 0, "data differs");
	}
}

/*
 * A server that invalidates what is not registered for it: the client's connection
 * ends, by its adapter or by itself, and its registration can be given back.
 */
static void foreign_invalidate(struct at *t, bool twice)
{
	struct at_region *r = at_region(t, AT_BVEC, 16384, 0);
	u8 *in = at_alloc(t, 64), *out = at_alloc(t, 64);
	struct at_pair p, next = {};
	static const struct at_opts none;
	struct at_mr *m;
	u32 key;
	int ret;

	if (!r || !in || !out || !at_pair_open(t, &p, NULL))
		return;
	m = at_mr(t, p.cli, r, true, false);
	if (!m)
		return;
	key = le32_to_cpu(m->desc.token);
	if (twice) {
		AT_EQ(t, "send_iter with invalidation", at_send_inv(p.srv, out, 64, key), 0);
		AT_EQ(t, "recvmsg", at_recv_msg(p.cli, in, 64), 64);
	} else {
		key += 0x1000;	/* another index, not another use of this one */
	}
	at_send_inv(p.srv, out, 64, key);
	t->waiting = "recvmsg after the end";
	do {
		ret = at_recv_msg(p.cli, in, 64);
	} while (ret >= 0 || ret == -EAGAIN);
	AT_EQ(t, "recvmsg", ret, -ENOTCONN);
	if (!at_mr_drop(t, m))
		return;
	next.lst = p.lst;
	if (at_pair_join(t, &next, &none))
		at_echo(t, &next, 1000);
}

static void mr_invalidate_unknown(struct at *t)
{
	foreign_invalidate(t, false);
}

static void mr_invalidate_twice(struct at *t)
{
	foreign_invalidate(t, true);
}

/* W2: the peer did not invalidate; using the registration again must be safe. */
static void mr_reuse_uninvalidated(struct at *t)
{
	struct at_region *r = at_region(t, AT_BVEC, 16384, 0);
	struct at_pair p;
	struct at_mr *m;
	int i;

	if (!r || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 100; i++) {
		m = at_mr(t, p.cli, r, i & 1, false);
		if (!m || !transfer(t, &p, r, m, !(i & 1), i) || !at_mr_drop(t, m))
			return;
	}
	at_echo(t, &p, 64);
}

/* W1: after deregister nobody may reach the memory, whatever the peer did. */
static void mr_closed_after_deregister(struct at *t)
{
	struct at_region *r = at_region(t, AT_BVEC, 8192, 0);
	struct at_xmit *x = at_alloc(t, sizeof(*x));
	struct smbdirect_buffer_descriptor_v1 *desc = at_alloc(t, sizeof(*desc));
	u8 *buf = at_alloc(t, 8192);
	struct at_pair p;
	struct at_mr *m;
	int ret;

	if (!r || !x || !desc || !buf || !at_pair_open(t, &p, NULL))
		return;
	at_region_fill(r, 99);
	m = at_mr(t, p.cli, r, false, false);
	if (!m)
		return;
	*desc = m->desc;
	if (!at_mr_drop(t, m))
		return;
	*x = (struct at_xmit) { p.srv, buf, 8192, desc, 1, true };
	ret = at_xmit(t, x);
	AT_CHECK(t, ret != 0, "the server could still read deregistered memory");
	AT_CHECK(t, at_differs(buf, 8192, 99) >= 0, "deregistered memory leaked");
}

/* A key of its own for each registration, and not the one before. */
static void mr_new_key(struct at *t)
{
	struct at_region *r = at_region(t, AT_BVEC, 4096, 0);
	struct at_pair p;
	u32 before = 0;
	int i;

	if (!r || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 40; i++) {
		struct at_mr *m = at_mr(t, p.cli, r, true, true);

		if (!m)
			return;
		AT_CHECK(t, i == 0 || le32_to_cpu(m->desc.token) != before, "the key repeats");
		before = le32_to_cpu(m->desc.token);
		if (!at_mr_drop(t, m))
			return;
	}
}

const struct at_case at_cases_mr[] = {
	{ "mr_write_lengths", mr_write_lengths, 60 },
	{ "mr_read_lengths", mr_read_lengths, 60 },
	{ "mr_iterators", mr_iterators },
	{ "mr_holes", mr_holes },
	{ "mr_largest", mr_largest },
	{ "mr_too_long", mr_too_long, 0, AT_MISUSE },
	{ "mr_cycle", mr_cycle },
	{ "mr_new_key", mr_new_key },
	{ "mr_remote_invalidate", mr_remote_invalidate },
	{ "mr_invalidate_unknown", mr_invalidate_unknown },
	{ "mr_invalidate_twice", mr_invalidate_twice },
	{ "mr_reuse_uninvalidated", mr_reuse_uninvalidated },
	{ "mr_closed_after_deregister", mr_closed_after_deregister },
	{}
};
