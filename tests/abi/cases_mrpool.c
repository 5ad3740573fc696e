// SPDX-License-Identifier: GPL-2.0
/* Many registrations at once, and registrations that outlive their connection. */
#include "abitest.h"

/* @n registrations of @r at once. */
static bool spawn_regs(struct at *t, struct at_pair *p, struct at_region *r, struct at_party **w,
		       struct at_reg *regs, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		regs[i] = (struct at_reg) { .s = p->cli, .writing = true, .invalidate = true };
		at_region_iter(r, &regs[i].iter, ITER_DEST);
		w[i] = at_reg_start(t, &regs[i]);
		if (!w[i])
			return false;
	}
	at_sleep_ms(500);
	return true;
}

/* More at once than the negotiated depth gives: wait or grow, never fail. */
static void mr_more_than_pool(struct at *t)
{
	struct at_mr *m[16];
	struct at_region *r = at_region(t, AT_BVEC, 4096, 0);
	struct at_party *w[16];
	struct at_pair p;
	struct at_reg *a = at_alloc(t, 16 * sizeof(*a));
	int i, got = 0;

	if (!r || !a || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 16; i++) {
		m[i] = at_mr(t, p.cli, r, true, true);
		if (!m[i])
			return;
	}
	if (!spawn_regs(t, &p, r, w, a, 16))
		return;
	for (i = 0; i < 16; i++)
		AT_CHECK(t, !at_done(w[i]) || a[i].mr, "register_mr_io failed when busy");
	for (i = 0; i < 16; i++)
		if (!at_mr_drop(t, m[i]))
			return;
	for (i = 0; i < 16; i++) {
		if (!at_join(w[i], AT_STEP_S))
			return;
		if (a[i].mr) {
			got++;
			smbdirect_connection_deregister_mr_io(a[i].mr);
		}
	}
	AT_EQ(t, "registrations after the wait", got, 16);
	at_echo(t, &p, 64);
}

/* Waiters for a free registration come back when the connection ends. */
static void mr_waiters_on_shutdown(struct at *t)
{
	struct at_region *r = at_region(t, AT_BVEC, 4096, 0);
	struct at_party *w[40];
	struct at_pair p;
	struct at_reg *a = at_alloc(t, 40 * sizeof(*a));
	int i;

	if (!r || !a || !at_pair_open(t, &p, NULL))
		return;
	if (!spawn_regs(t, &p, r, w, a, 40))
		return;
	smbdirect_socket_shutdown(p.cli->sc);
	for (i = 0; i < 40; i++)
		if (!at_join(w[i], 5))
			return;
	for (i = 0; i < 40; i++)
		if (a[i].mr)
			smbdirect_connection_deregister_mr_io(a[i].mr);
}

static void after_release(struct at *t, bool invalidate)
{
	struct at_region *r = at_region(t, AT_BVEC, 30000, 0);
	struct smbdirect_buffer_descriptor_v1 d;
	struct at_mr *m[3];
	struct at_pair p;
	int i;

	if (!r || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 3; i++) {
		m[i] = at_mr(t, p.cli, r, i & 1, invalidate);
		if (!m[i])
			return;
	}
	if (!at_release(t, p.cli))
		return;
	smbdirect_mr_io_fill_buffer_descriptor(m[0]->mr, &d);
	AT_CHECK(t, d.offset == cpu_to_le64(U64_MAX) && d.token == cpu_to_le32(U32_MAX) &&
		 d.length == cpu_to_le32(U32_MAX), "a dead registration still has a descriptor");
	for (i = 0; i < 3; i++)
		if (!at_mr_drop(t, m[i]))
			return;
}

static void mr_deregister_after_release(struct at *t)
{
	after_release(t, true);
	if (!t->failed)
		after_release(t, false);
}

static void mr_deregister_after_shutdown(struct at *t)
{
	struct at_region *r = at_region(t, AT_BVEC, 30000, 0);
	struct at_mr *m[4];
	struct at_pair p;
	int i;

	if (!r || !at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 4; i++) {
		m[i] = at_mr(t, p.cli, r, true, i & 1);
		if (!m[i])
			return;
	}
	smbdirect_socket_shutdown(p.cli->sc);
	for (i = 0; i < 4; i++)
		if (!at_mr_drop(t, m[i]))
			return;
}

/* senders take turns, as cifs makes them do */
static DEFINE_MUTEX(send_lock);

struct worker {
	struct at_pair *p;
	struct at_region *r;
	u8 *buf;
	int rounds, id;
};

static int worker_fn(struct at_party *party)
{
	struct worker *w = party->arg;
	struct smbdirect_buffer_descriptor_v1 d;
	struct smbdirect_mr_io *mr;
	struct iov_iter iter;
	int i, ret;

	party->waiting = "register, rdma_xmit, deregister";
	for (i = 0; i < w->rounds; i++) {
		at_fill(w->buf, w->r->len, w->id * 1000 + i);
		at_region_iter(w->r, &iter, ITER_DEST);
		mr = smbdirect_connection_register_mr_io(w->p->cli->sc, &iter, true, true);
		if (!mr)
			return -EAGAIN;
		smbdirect_mr_io_fill_buffer_descriptor(mr, &d);
		mutex_lock(&send_lock);
		ret = at_mr_sync(w->p->cli);
		mutex_unlock(&send_lock);
		ret = ret ?: smbdirect_connection_rdma_xmit(w->p->srv->sc, w->buf, w->r->len,
							    &d, sizeof(d), false);
		smbdirect_connection_deregister_mr_io(mr);
		if (ret)
			return ret;
		if (at_region_differs(w->r, w->id * 1000 + i) >= 0)
			return -EILSEQ;
	}
	return 0;
}

/* 24 tasks at once, which is more than there are registrations. */
static void mr_concurrent(struct at *t)
{
	struct worker *w = at_alloc(t, 24 * sizeof(*w));
	struct at_pair *p = at_alloc(t, sizeof(*p));
	struct at_party *party[24];
	int i;

	if (!w || !p || !at_pair_open(t, p, NULL))
		return;
	for (i = 0; i < 24; i++) {
		w[i] = (struct worker) { p, at_region(t, AT_BVEC, 20000 + i, i * 5),
					 at_alloc(t, 20000 + i), 10, i };
		if (!w[i].r || !w[i].buf)
			return;
	}
	for (i = 0; i < 24; i++)
		party[i] = at_spawn(t, "worker", worker_fn, &w[i]);
	for (i = 0; i < 24; i++) {
		if (!party[i] || !at_join(party[i], 40))
			return;
		AT_CHECK(t, !party[i]->ret, "worker %d: %d", i, party[i]->ret);
	}
	at_echo(t, p, 64);
}

const struct at_case at_cases_mrpool[] = {
	{ "mr_more_than_pool", mr_more_than_pool },
	{ "mr_waiters_on_shutdown", mr_waiters_on_shutdown },
	{ "mr_deregister_after_release", mr_deregister_after_release },
	{ "mr_deregister_after_shutdown", mr_deregister_after_shutdown },
	{ "mr_concurrent", mr_concurrent, 90 },
	{}
};
