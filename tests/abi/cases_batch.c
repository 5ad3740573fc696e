// SPDX-License-Identifier: GPL-2.0
/* The batch functions as cifs drives them, and at their edges. */
#include "abitest.h"

static int collect_fn(struct at_party *p)
{
	void **a = p->arg;

	p->waiting = "recvmsg";
	return at_recv_msg(a[0], a[1], (size_t)a[2]);
}

static struct at_party *collect(struct at *t, struct at_sock *s, void *buf, size_t cap)
{
	void **a = at_alloc(t, 3 * sizeof(*a));

	if (!a)
		return NULL;
	a[0] = s;
	a[1] = buf;
	a[2] = (void *)cap;
	return at_spawn(t, "reader", collect_fn, a);
}

struct batch_arg {
	struct at_sock *s;
	struct iov_iter iters[6];
	int n;
};

static int batch_fn(struct at_party *p)
{
	struct batch_arg *a = p->arg;

	p->waiting = "a batch";
	return at_send_batch(a->s, a->iters, a->n);
}

/* One message out of n iterators of one kind, with odd lengths and offsets. */
static bool many_iters(struct at *t, struct at_pair *p, enum at_iter_kind kind, int n)
{
	struct batch_arg *a = at_alloc(t, sizeof(*a));
	struct at_region *r[6];
	struct at_party *in, *out;
	size_t total = 0, at = 0;
	u8 *buf;
	int i;

	if (!a)
		return false;
	a->s = p->cli;
	a->n = n;
	for (i = 0; i < n; i++) {
		r[i] = at_region(t, kind, 4001 * (i + 1) + i, 611 * i % PAGE_SIZE);
		if (!r[i])
			return false;
		at_region_fill(r[i], 50 + i);
		at_region_iter(r[i], &a->iters[i], ITER_SOURCE);
		total += r[i]->len;
	}
	buf = at_alloc(t, total);
	if (!buf)
		return false;
	in = collect(t, p->srv, buf, total);
	out = at_spawn(t, "sender", batch_fn, a);
	if (!in || !out || !at_join(out, AT_STEP_S) || !at_join(in, AT_STEP_S))
		return false;
	AT_CHECK_RET(t, !out->ret, false, "%d iterators of kind %d: %d", n, kind, out->ret);
	AT_CHECK_RET(t, in->ret == total, false, "received %d of %zu", in->ret, total);
	for (i = 0; i < n; at += r[i]->len, i++)
		AT_CHECK_RET(t, at_differs(buf + at, r[i]->len, 50 + i) < 0, false,
			     "kind %d, iterator %d differs at byte %ld", kind, i,
			     at_differs(buf + at, r[i]->len, 50 + i));
	return true;
}

static void kinds(struct at *t, enum at_iter_kind kind)
{
	struct at_pair p;
	int n;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (n = 1; n <= 6; n++)
		if (!many_iters(t, &p, kind, n))
			return;
}

static void batch_kvec(struct at *t)
{
	kinds(t, AT_KVEC);
}

static void batch_bvec(struct at *t)
{
	kinds(t, AT_BVEC);
}

static void batch_folioq(struct at *t)
{
	kinds(t, AT_FOLIOQ);
}

/* Many short segments: more of them than a work request has room for. */
static void batch_short_segments(struct at *t)
{
	u8 *src = at_alloc(t, 3000), *dst = at_alloc(t, 3000);
	struct kvec *v = at_alloc(t, 300 * sizeof(*v));
	struct batch_arg *a = at_alloc(t, sizeof(*a));
	struct at_party *in, *out;
	struct at_pair p;
	int i;

	if (!src || !dst || !v || !a || !at_pair_open(t, &p, NULL))
		return;
	at_fill(src, 3000, 8);
	for (i = 0; i < 300; i++)
		v[i] = (struct kvec) { src + 10 * i, 10 };
	a->s = p.cli;
	a->n = 1;
	iov_iter_kvec(&a->iters[0], ITER_SOURCE, v, 300, 3000);
	in = collect(t, p.srv, dst, 3000);
	out = at_spawn(t, "sender", batch_fn, a);
	if (!in || !out || !at_join(out, AT_STEP_S) || !at_join(in, AT_STEP_S))
		return;
	AT_EQ(t, "batch", out->ret, 0);
	AT_EQ(t, "received", in->ret, 3000);
	AT_CHECK(t, at_differs(dst, 3000, 8) < 0, "data differs");
}

/* Buffers are the caller's again after wait_zero_pending, so it may scribble. */
static void batch_reuse_buffers(struct at *t)
{
	size_t len = 60000;
	u8 *src = at_alloc(t, len), *dst = at_alloc(t, len);
	struct batch_arg *a = at_alloc(t, sizeof(*a));
	struct kvec v = { src, len };
	struct at_party *in;
	struct at_pair p;
	int i;

	if (!src || !dst || !a || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 30; i++) {
		at_fill(src, len, i);
		in = collect(t, p.srv, dst, len);
		iov_iter_kvec(&a->iters[0], ITER_SOURCE, &v, 1, len);
		AT_EQ(t, "batch", at_send_batch(p.cli, a->iters, 1), 0);
		memset(src, 0xaa, len);
		if (!in || !at_join(in, AT_STEP_S))
			return;
		AT_EQ(t, "received", in->ret, len);
		AT_CHECK(t, at_differs(dst, len, i) < 0, "data differs");
	}
}

static void batch_empty_flush(struct at *t)
{
	struct smbdirect_send_batch_storage storage;
	struct smbdirect_send_batch *b;
	struct at_pair p;
	int i;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 5; i++) {
		/* uninitialised stack memory is what cifs passes */
		memset(&storage, 0xa5, sizeof(storage));
		b = smbdirect_init_send_batch_storage(&storage, false, 0);
		AT_CHECK(t, (void *)b == (void *)&storage, "the handle is not the storage");
		AT_EQ(t, "flush", smbdirect_connection_send_batch_flush(p.cli->sc, b, false), 0);
		AT_EQ(t, "last flush", smbdirect_connection_send_batch_flush(p.cli->sc, b, true), 0);
		AT_EQ(t, "wait", smbdirect_connection_send_wait_zero_pending(p.cli->sc), 0);
	}
	at_echo(t, &p, 100);
}

/*
 * What a call returns is what the iterator moved by, and never 0. The C module
 * takes one fragment per call; taking more is fine, as callers loop.
 */
static void batch_single_counts(struct at *t)
{
	struct smbdirect_send_batch_storage storage;
	u8 *src = at_alloc(t, 5000), *dst = at_alloc(t, 5000);
	struct kvec v = { src, 5000 };
	struct smbdirect_send_batch *b;
	struct at_party *in;
	struct iov_iter iter;
	struct at_pair p;
	int ret;

	if (!src || !dst || !at_pair_open(t, &p, NULL))
		return;
	at_fill(src, 5000, 4);
	in = collect(t, p.srv, dst, 5000);
	iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, 5000);
	b = smbdirect_init_send_batch_storage(&storage, false, 0);
	while (iov_iter_count(&iter)) {
		size_t before = iov_iter_count(&iter);

		ret = smbdirect_connection_send_single_iter(p.cli->sc, b, &iter, 0, before);
		AT_CHECK(t, ret >= 1 && ret <= before, "send_single_iter: %d", ret);
		AT_EQ(t, "advanced", before - iov_iter_count(&iter), ret);
	}
	AT_EQ(t, "flush", smbdirect_connection_send_batch_flush(p.cli->sc, b, true), 0);
	AT_EQ(t, "wait", smbdirect_connection_send_wait_zero_pending(p.cli->sc), 0);
	if (!in || !at_join(in, AT_STEP_S))
		return;
	AT_EQ(t, "received", in->ret, 5000);
	AT_CHECK(t, at_differs(dst, 5000, 4) < 0, "data differs");
}

/* Without a batch, each call is posted at once; NULL iterator is an empty message. */
static void batch_none(struct at *t)
{
	u8 *src = at_alloc(t, 800), *dst = at_alloc(t, 800);
	struct kvec v = { src, 800 };
	struct iov_iter iter;
	struct at_pair p;
	int i;

	if (!src || !dst || !at_pair_open(t, &p, NULL))
		return;
	at_fill(src, 800, 2);
	for (i = 0; i < 300; i++) {
		AT_EQ(t, "empty message",
		      smbdirect_connection_send_single_iter(p.cli->sc, NULL, NULL, 0, 0), 0);
		iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, 800);
		AT_EQ(t, "one fragment",
		      smbdirect_connection_send_single_iter(p.cli->sc, NULL, &iter, 0, 800), 800);
		AT_EQ(t, "wait", smbdirect_connection_send_wait_zero_pending(p.cli->sc), 0);
		t->waiting = "recvmsg";
		AT_EQ(t, "received", at_recv_msg(p.srv, dst, 800), 800);
		AT_CHECK(t, at_differs(dst, 800, 2) < 0, "data differs");
	}
}

/* cifs flushes and waits after a failure too. */
static void batch_after_failure(struct at *t)
{
	struct smbdirect_send_batch_storage storage;
	struct kvec v = { at_alloc(t, 500), 500 };
	struct smbdirect_send_batch *b;
	struct iov_iter iter;
	struct at_pair p;
	int ret;

	if (!v.iov_base || !at_pair_open(t, &p, NULL))
		return;
	b = smbdirect_init_send_batch_storage(&storage, false, 0);
	iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, 500);
	ret = smbdirect_connection_send_single_iter(p.cli->sc, b, &iter, 0, 1000);
	AT_EQ(t, "first half", ret, 500);
	smbdirect_socket_shutdown(p.cli->sc);
	iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, 500);
	AT_EQ(t, "second half",
	      smbdirect_connection_send_single_iter(p.cli->sc, b, &iter, 0, 500), -ENOTCONN);
	t->waiting = "flush after a failure";
	ret = smbdirect_connection_send_batch_flush(p.cli->sc, b, true);
	AT_CHECK(t, ret <= 0, "flush: %d", ret);
	t->waiting = "wait_zero_pending after a failure";
	AT_EQ(t, "wait", smbdirect_connection_send_wait_zero_pending(p.cli->sc), -ENOTCONN);
}

const struct at_case at_cases_batch[] = {
	{ "batch_kvec", batch_kvec },
	{ "batch_bvec", batch_bvec },
	{ "batch_folioq", batch_folioq },
	{ "batch_short_segments", batch_short_segments },
	{ "batch_reuse_buffers", batch_reuse_buffers, 60 },
	{ "batch_empty_flush", batch_empty_flush },
	{ "batch_single_counts", batch_single_counts },
	{ "batch_none", batch_none, 60 },
	{ "batch_after_failure", batch_after_failure },
	{}
};
