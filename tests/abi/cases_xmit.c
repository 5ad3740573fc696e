// SPDX-License-Identifier: GPL-2.0
/* rdma_xmit: RDMA read and write by the server over the client's descriptors. */
#include "abitest.h"

/* One transfer: len bytes over n descriptors, registered in one or more pieces. */
struct plan {
	size_t len;
	unsigned int n;
	bool read;
	enum at_mem mem;
	size_t off;		/* of the server's buffer in its page */
};

#define MAX_MRS 16

struct target {
	struct at_region *r[MAX_MRS];
	struct at_mr *m[MAX_MRS];
	unsigned int n;
	size_t each;
};

/* Client memory for len bytes, in registrations as long as the client can make. */
static bool open_target(struct at *t, struct at_pair *p, struct target *g, size_t len,
			bool read)
{
	size_t most = at_params(p->cli)->max_read_write_size;
	unsigned int i;

	g->n = DIV_ROUND_UP(len, most);
	g->each = DIV_ROUND_UP(len, g->n);
	AT_CHECK_RET(t, g->n <= MAX_MRS, false, "%zu bytes do not fit %u MRs", len, MAX_MRS);
	for (i = 0; i < g->n; i++) {
		size_t part = min(g->each, len - i * g->each);

		g->r[i] = at_region(t, AT_BVEC, part, 0);
		if (!g->r[i])
			return false;
		if (read)
			at_region_fill(g->r[i], 7 + i);
		g->m[i] = at_mr(t, p->cli, g->r[i], !read, true);
		if (!g->m[i])
			return false;
	}
	return true;
}

static bool run(struct at *t, struct at_pair *p, const struct plan *l)
{
	struct at_xmit *x = at_alloc(t, sizeof(*x));
	struct smbdirect_buffer_descriptor_v1 *desc;
	struct target g = {};
	unsigned int i, nd = 0;
	u8 *mem, *buf;
	int ret;

	mem = at_alloc_kind(t, l->len + 2 * PAGE_SIZE, l->mem);
	desc = at_alloc(t, (l->n + MAX_MRS) * sizeof(*desc));
	if (!x || !mem || !desc || !open_target(t, p, &g, l->len, l->read))
		return false;
	buf = mem + l->off;
	for (i = 0; i < g.n; i++)
		nd += at_split(desc + nd, max(1u, l->n / g.n), &g.m[i]->desc, g.r[i]->len);
	if (!l->read)
		for (i = 0; i < g.n; i++)
			at_fill(buf + i * g.each, g.r[i]->len, 7 + i);
	*x = (struct at_xmit) { p->srv, buf, l->len, desc, nd, l->read };
	ret = at_xmit(t, x);
	AT_CHECK_RET(t, !ret, false, "%s of %zu bytes over %u descriptors: %d",
		     l->read ? "read" : "write", l->len, nd, ret);
	for (i = 0; i < g.n; i++) {
		long bad;

		if (!at_mr_drop(t, g.m[i]))
			return false;
		bad = l->read ? at_differs(buf + i * g.each, g.r[i]->len, 7 + i) :
				at_region_differs(g.r[i], 7 + i);
		AT_CHECK_RET(t, bad < 0, false, "%s of %zu bytes over %u: differs at %zu",
			     l->read ? "read" : "write", l->len, nd, i * g.each + bad);
	}
	if (l->read && l->len + l->off < l->len + 2 * PAGE_SIZE)
		AT_CHECK_RET(t, buf[l->len] == 0, false, "wrote past the end of the buffer");
	return true;
}

static void single(struct at *t, size_t len, unsigned int n, bool read)
{
	struct plan l = { .len = len, .n = n, .read = read, .mem = AT_VMALLOC };
	struct at_pair p;

	if (!at_pair_open(t, &p, NULL))
		return;
	if (run(t, &p, &l))
		at_echo(t, &p, 64);
}

#define COUNT(n, len)								\
	static void xmit_read_##n(struct at *t) { single(t, len, n, true); }	\
	static void xmit_write_##n(struct at *t) { single(t, len, n, false); }

COUNT(1, 65536)
COUNT(2, 65536)
COUNT(9, 65536)
COUNT(10, 65536)
COUNT(17, 65536)
COUNT(31, 1048576)
COUNT(66, 1048576)
COUNT(255, 1048576)
COUNT(4095, 1048576)

static void sizes(struct at *t, bool read, enum at_mem mem)
{
	static const size_t len[] = { 1, 7, 4095, 4096, 4097, 65536, 65537, 1048576, 1048577 };
	static const size_t off[] = { 0, 1, 4095 };
	struct at_pair p;
	int i, k;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < ARRAY_SIZE(len); i++)
		for (k = 0; k < ARRAY_SIZE(off); k++) {
			struct plan l = { len[i], 1, read, mem, off[k] };

			if (!run(t, &p, &l))
				return;
		}
}

static void xmit_read_sizes_kmalloc(struct at *t)
{
	sizes(t, true, AT_KMALLOC);
}

static void xmit_read_sizes_vmalloc(struct at *t)
{
	sizes(t, true, AT_VMALLOC);
}

static void xmit_write_sizes_kmalloc(struct at *t)
{
	sizes(t, false, AT_KMALLOC);
}

static void xmit_write_sizes_vmalloc(struct at *t)
{
	sizes(t, false, AT_VMALLOC);
}

static void xmit_read_8m(struct at *t)
{
	single(t, 8 << 20, 1, true);
}

static void xmit_write_8m(struct at *t)
{
	single(t, 8 << 20, 1, false);
}

/* Ten legal descriptors of one byte each (W11). */
static void xmit_ten_bytes(struct at *t)
{
	single(t, 10, 10, true);
}

/* A custom list over one registration of 64 KiB; what comes back is the errno. */
struct custom {
	struct at_pair p;
	struct at_region *r;
	struct at_mr *m;
	struct at_xmit *x;
	struct smbdirect_buffer_descriptor_v1 *d;
	u8 *buf;
};

#define CUSTOM_LEN 65536

static bool custom(struct at *t, struct custom *c, bool read)
{
	c->r = at_region(t, AT_BVEC, CUSTOM_LEN, 0);
	c->x = at_alloc(t, sizeof(*c->x));
	c->d = at_alloc(t, 64 * sizeof(*c->d));
	c->buf = at_alloc_kind(t, 2 * CUSTOM_LEN, AT_VMALLOC);
	if (!c->r || !c->x || !c->d || !c->buf || !at_pair_open(t, &c->p, NULL))
		return false;
	if (read)
		at_region_fill(c->r, 21);
	else
		at_fill(c->buf, CUSTOM_LEN, 21);
	c->m = at_mr(t, c->p.cli, c->r, !read, true);
	if (!c->m)
		return false;
	*c->x = (struct at_xmit) { c->p.srv, c->buf, CUSTOM_LEN, c->d, 0, read };
	return true;
}

static void zero_inside(struct at *t, bool read)
{
	struct custom c;
	int ret;

	if (!custom(t, &c, read))
		return;
	at_split(c.d, 4, &c.m->desc, CUSTOM_LEN);
	memmove(c.d + 3, c.d + 2, 2 * sizeof(*c.d));
	c.d[2] = c.d[1];
	c.d[2].length = 0;
	c.x->ndesc = 5;
	ret = at_xmit(t, c.x);
	AT_CHECK(t, !ret, "zero-length descriptor in the middle: %d", ret);
	if (!at_mr_drop(t, c.m))
		return;
	AT_CHECK(t, (read ? at_differs(c.buf, CUSTOM_LEN, 21) :
			    at_region_differs(c.r, 21)) < 0, "data differs");
	at_echo(t, &c.p, 64);
}

static void xmit_read_zero_inside(struct at *t)
{
	zero_inside(t, true);
}

static void xmit_write_zero_inside(struct at *t)
{
	zero_inside(t, false);
}

/* More room than data: the last one is used in part, the rest not at all. */
static void over_long(struct at *t, bool read)
{
	struct custom c;
	int ret;

	if (!custom(t, &c, read))
		return;
	at_split(c.d, 8, &c.m->desc, CUSTOM_LEN);
	c.x->ndesc = 8;
	c.x->len = 30000;
	ret = at_xmit(t, c.x);
	AT_CHECK(t, !ret, "over-long list: %d", ret);
	if (!at_mr_drop(t, c.m))
		return;
	if (read) {
		AT_CHECK(t, at_differs(c.buf, 30000, 21) < 0, "data differs");
		AT_CHECK(t, !memchr_inv(c.buf + 30000, 0, 2 * CUSTOM_LEN - 30000),
			 "read past the asked length");
	} else {
		u8 *all = at_alloc(t, CUSTOM_LEN);
		struct iov_iter iter;

		if (!all)
			return;
		at_region_iter(c.r, &iter, ITER_SOURCE);
		AT_EQ(t, "copy", copy_from_iter(all, CUSTOM_LEN, &iter), CUSTOM_LEN);
		AT_CHECK(t, at_differs(all, 30000, 21) < 0, "data differs");
		AT_CHECK(t, !memchr_inv(all + 30000, 0, CUSTOM_LEN - 30000),
			 "wrote past the asked length");
	}
	at_echo(t, &c.p, 64);
}

static void xmit_read_over_long(struct at *t)
{
	over_long(t, true);
}

static void xmit_write_over_long(struct at *t)
{
	over_long(t, false);
}

/* A list shorter than the data must be an error, never a short transfer. */
static void too_short(struct at *t, bool read)
{
	struct custom c;
	int ret;

	if (!custom(t, &c, read))
		return;
	at_split(c.d, 8, &c.m->desc, CUSTOM_LEN);
	c.x->ndesc = 7;
	ret = at_xmit(t, c.x);
	AT_CHECK(t, ret == -EINVAL, "too short a list: %d", ret);
	at_echo(t, &c.p, 64);
}

static void xmit_read_too_short(struct at *t)
{
	too_short(t, true);
}

static void xmit_write_too_short(struct at *t)
{
	too_short(t, false);
}

static void xmit_only_zeroes(struct at *t)
{
	struct custom c;
	int ret;

	if (!custom(t, &c, true))
		return;
	at_split(c.d, 3, &c.m->desc, CUSTOM_LEN);
	c.d[0].length = 0;
	c.d[1].length = 0;
	c.d[2].length = 0;
	c.x->ndesc = 3;
	ret = at_xmit(t, c.x);
	AT_EQ(t, "only zero-length descriptors", ret, -EINVAL);
	at_echo(t, &c.p, 64);
}

/* Lengths that add up to more than 32 bits. */
static void xmit_sum_over_u32(struct at *t)
{
	struct custom c;
	int i, ret;

	if (!custom(t, &c, true))
		return;
	for (i = 0; i < 8; i++) {
		c.d[i] = c.m->desc;
		c.d[i].length = cpu_to_le32(0x80000000);
	}
	c.x->ndesc = 8;
	ret = at_xmit(t, c.x);
	AT_CHECK(t, !ret, "lengths that add up to 2^34: %d", ret);
	AT_CHECK(t, at_differs(c.buf, CUSTOM_LEN, 21) < 0, "data differs");
	at_echo(t, &c.p, 64);
}

static void xmit_no_descriptors(struct at *t)
{
	struct custom c;
	int ret;

	if (!custom(t, &c, true))
		return;
	c.x->ndesc = 0;
	ret = at_xmit(t, c.x);
	AT_CHECK(t, ret < 0, "no descriptors at all: %d", ret);
	at_echo(t, &c.p, 64);
}

static void xmit_too_much(struct at *t)
{
	struct custom c;
	size_t most;

	if (!custom(t, &c, true))
		return;
	most = at_params(c.p.srv)->max_read_write_size;
	c.d[0] = c.m->desc;
	c.d[0].length = cpu_to_le32(most + 1);
	c.x->buf = at_alloc_kind(t, most + PAGE_SIZE, AT_VMALLOC);
	c.x->len = most + 1;
	c.x->ndesc = 1;
	if (!c.x->buf)
		return;
	AT_EQ(t, "one byte more than negotiated", at_xmit(t, c.x), -EINVAL);
	at_echo(t, &c.p, 64);
}

/* A key nobody gave, or a range outside it: an error, and only this connection. */
static void bad_target(struct at *t, bool read, int what)
{
	static const struct at_opts none;
	struct custom c;
	struct at_pair next;
	int ret;

	if (!custom(t, &c, read))
		return;
	next.lst = c.p.lst;
	if (!at_pair_join(t, &next, &none))
		return;
	c.d[0] = c.m->desc;
	c.x->ndesc = 1;
	if (what == 0)
		c.d[0].token = cpu_to_le32(le32_to_cpu(c.d[0].token) ^ 0x5500);
	else if (what == 1)
		c.d[0].offset = cpu_to_le64(le64_to_cpu(c.d[0].offset) + 1);
	else
		c.d[0].offset = cpu_to_le64(U64_MAX - 100);
	ret = at_xmit(t, c.x);
	/* iWARP completes a write when it is sent; the refusal comes later */
	if (read || !at_is_iwarp() || ret)
		AT_CHECK(t, ret < 0, "bad descriptor %d: %d", what, ret);
	/* a list that is refused beforehand leaves the connection alone */
	t->waiting = "recvmsg after a refused RDMA access";
	if (ret != -EINVAL)
		AT_EQ(t, "recvmsg after a refused RDMA access", at_recv(c.p.srv, c.buf, 4),
		      -ENOTCONN);
	if (at_echo(t, &next, 500) && at_pair_join(t, &next, &none))
		at_echo(t, &next, 500);
}

static void xmit_bad_key(struct at *t)
{
	bad_target(t, true, 0);
}

static void xmit_bad_key_write(struct at *t)
{
	bad_target(t, false, 0);
}

static void xmit_out_of_range(struct at *t)
{
	bad_target(t, true, 1);
}

static void xmit_wrapping_offset(struct at *t)
{
	bad_target(t, false, 2);
}

/* Sixteen at once, half of them reads, through the same connection. */
static void xmit_parallel(struct at *t)
{
	struct at_xmit *x = at_alloc(t, 16 * sizeof(*x));
	struct at_region *r[16];
	struct at_party *w[16];
	struct at_mr *m[16];
	struct at_pair p;
	size_t len = 200000;
	int i, round;

	if (!x || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 16; i++) {
		r[i] = at_region(t, AT_BVEC, len, i * 17);
		x[i] = (struct at_xmit) { p.srv, at_alloc(t, len), len,
					  at_alloc(t, 4 * sizeof(*x[i].desc)), 4, i & 1 };
		if (!r[i] || !x[i].buf || !x[i].desc)
			return;
	}
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 16; i++) {
			if (x[i].read)
				at_region_fill(r[i], i + round);
			else
				at_fill(x[i].buf, len, i + round);
			m[i] = at_mr(t, p.cli, r[i], !x[i].read, true);
			if (!m[i])
				return;
			at_split(x[i].desc, 4, &m[i]->desc, len);
		}
		for (i = 0; i < 16; i++)
			w[i] = at_xmit_start(t, &x[i]);
		for (i = 0; i < 16; i++) {
			if (!w[i] || !at_join(w[i], 20))
				return;
			AT_CHECK(t, !w[i]->ret, "transfer %d: %d", i, w[i]->ret);
			if (!at_mr_drop(t, m[i]))
				return;
			AT_CHECK(t, (x[i].read ? at_differs(x[i].buf, len, i + round) :
						 at_region_differs(r[i], i + round)) < 0,
				 "transfer %d differs", i);
		}
	}
	at_echo(t, &p, 64);
}

#define BOTH(n) { "xmit_read_" #n, xmit_read_##n }, { "xmit_write_" #n, xmit_write_##n }

const struct at_case at_cases_xmit[] = {
	BOTH(1), BOTH(2), BOTH(9), BOTH(10), BOTH(17), BOTH(31), BOTH(66), BOTH(255), BOTH(4095),
	BOTH(8m), BOTH(zero_inside), BOTH(over_long), BOTH(too_short),
	{ "xmit_ten_bytes", xmit_ten_bytes },
	{ "xmit_read_sizes_kmalloc", xmit_read_sizes_kmalloc },
	{ "xmit_read_sizes_vmalloc", xmit_read_sizes_vmalloc },
	{ "xmit_write_sizes_kmalloc", xmit_write_sizes_kmalloc },
	{ "xmit_write_sizes_vmalloc", xmit_write_sizes_vmalloc },
	{ "xmit_sum_over_u32", xmit_sum_over_u32 },
	{ "xmit_only_zeroes", xmit_only_zeroes },
	{ "xmit_too_much", xmit_too_much },
	{ "xmit_bad_key", xmit_bad_key },
	{ "xmit_bad_key_write", xmit_bad_key_write },
	{ "xmit_out_of_range", xmit_out_of_range },
	{ "xmit_wrapping_offset", xmit_wrapping_offset },
	{ "xmit_parallel", xmit_parallel, 60 },
	{ "xmit_no_descriptors", xmit_no_descriptors, 0, AT_MISUSE },
	{}
};
