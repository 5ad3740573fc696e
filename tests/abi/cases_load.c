// SPDX-License-Identifier: GPL-2.0
/* Full load in both directions, messages and RDMA, and then an end. */
#include "abitest.h"

struct sender {
	struct at_sock *s;
	u8 *buf;
	size_t len;
};

struct pump {
	struct at_pair p;
	struct at_region *r;
	struct smbdirect_buffer_descriptor_v1 desc;
	u8 *buf;
	bool read;
	atomic_t rounds;
};

/* Transfers until one fails; the buffer is poisoned right after each return. */
static int pump_fn(struct at_party *party)
{
	struct pump *a = party->arg;
	int ret;

	party->waiting = "rdma_xmit";
	do {
		struct smbdirect_buffer_descriptor_v1 d = a->desc;

		ret = smbdirect_connection_rdma_xmit(a->p.srv->sc, a->buf, a->r->len, &d,
						     sizeof(d), a->read);
		memset(a->buf, 0x5a, a->r->len);
		atomic_inc(&a->rounds);
		cond_resched();
	} while (!ret);
	return ret;
}

static int talk_fn(struct at_party *party)
{
	struct sender *a = party->arg;
	int ret;

	party->waiting = "send_iter";
	do {
		ret = at_send(a->s, a->buf, a->len);
		memset(a->buf, 0xa5, a->len);
		cond_resched();
	} while (!ret);
	return ret;
}

static int hear_fn(struct at_party *party)
{
	struct sender *a = party->arg;
	int ret;

	party->waiting = "recvmsg";
	do {
		ret = at_recv_msg(a->s, a->buf, a->len);
	} while (ret >= 0);
	return ret;
}

enum end { END_SHUT_SRV, END_SHUT_CLI, END_RELEASE_CLI, END_SHUT_BOTH };

/* Full load in both directions, and then an end from one side. */
static bool under_load(struct at *t, enum end how)
{
	struct sender *s = at_alloc(t, 4 * sizeof(*s));
	struct pump *a = at_alloc(t, 4 * sizeof(*a));
	struct at_party *w[8];
	struct at_pair p;
	ktime_t now;
	int i;

	if (!s || !a || !at_pair_open(t, &p, NULL))
		return false;
	for (i = 0; i < 4; i++) {
		struct at_mr *m;

		a[i].p = p;
		a[i].read = i & 1;
		a[i].r = at_region(t, AT_BVEC, 100000, 0);
		a[i].buf = at_alloc(t, 100000);
		m = a[i].r ? at_mr(t, p.cli, a[i].r, !a[i].read, true) : NULL;
		if (!a[i].buf || !m)
			return false;
		a[i].desc = m->desc;
		s[i].s = i < 2 ? p.srv : p.cli;
		s[i].len = 30000;
		s[i].buf = at_alloc(t, 30000);
		if (!s[i].buf)
			return false;
	}
	for (i = 0; i < 4; i++) {
		w[i] = at_spawn(t, a[i].read ? "reading pump" : "writing pump", pump_fn,
				&a[i]);
		w[4 + i] = at_spawn(t, i & 1 ? "reader" : "sender", i & 1 ? hear_fn : talk_fn,
				    &s[i]);
	}
	at_sleep_ms(400);
	for (i = 0; i < 8; i++)
		AT_CHECK_RET(t, w[i] && !at_done(w[i]), false, "%s stopped early: %d",
			     w[i] ? w[i]->name : "?", w[i] ? w[i]->ret : 0);
	now = ktime_get();
	if (how == END_SHUT_SRV || how == END_SHUT_BOTH)
		smbdirect_socket_shutdown(p.srv->sc);
	if (how == END_SHUT_CLI || how == END_SHUT_BOTH)
		smbdirect_socket_shutdown(p.cli->sc);
	if (how == END_RELEASE_CLI) {
		/* the contract: nobody is inside a call on a socket at release */
		smbdirect_socket_shutdown(p.cli->sc);
		if (!at_join(w[6], 8) || !at_join(w[7], 8) || !at_release(t, p.cli))
			return false;
	}
	for (i = 0; i < 8; i++) {
		if (!at_join(w[i], 8))
			return false;
		AT_CHECK_RET(t, w[i]->ret == -ENOTCONN || w[i]->ret == -EIO ||
			     w[i]->ret == -ESHUTDOWN || w[i]->ret == -ECONNRESET ||
			     w[i]->ret == -ECONNABORTED, false, "%s: %d",
			     w[i]->name, w[i]->ret);
		AT_CHECK_RET(t, ktime_ms_delta(w[i]->end, now) < 5000 * at_slow(), false,
			     "%s took %lld ms", w[i]->name, ktime_ms_delta(w[i]->end, now));
	}
	return at_release(t, p.cli) && at_release(t, p.srv) && at_release(t, p.lst);
}

static void race_load_shutdown_server(struct at *t)
{
	under_load(t, END_SHUT_SRV);
}

static void race_load_shutdown_client(struct at *t)
{
	under_load(t, END_SHUT_CLI);
}

static void race_load_shutdown_both(struct at *t)
{
	int i;

	for (i = 0; i < 3; i++)
		if (!under_load(t, END_SHUT_BOTH))
			return;
}

static void race_load_release_client(struct at *t)
{
	under_load(t, END_RELEASE_CLI);
}

const struct at_case at_cases_load[] = {
	{ "race_load_shutdown_server", race_load_shutdown_server },
	{ "race_load_shutdown_client", race_load_shutdown_client },
	{ "race_load_shutdown_both", race_load_shutdown_both, 60 },
	{ "race_load_release_client", race_load_release_client },
	{}
};
