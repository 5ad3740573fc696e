// SPDX-License-Identifier: GPL-2.0
/*
 * Whole lives of a connection in which anything may fail, for the fault sweep
 * (tests/fault): every step ends in success or in an error, and then the rest is
 * taken down. What fails a case here is a hang, wrong data, or an end that the
 * other side is not told of. Without faults they have to succeed.
 */
#include <linux/delay.h>
#include "abitest.h"

/* These are in smbdirect_fault.ko; it does not have to be there. */
void smbdirect_fault_begin(void);
void smbdirect_fault_end(void);

static void count_from_here(void)
{
	void (*begin)(void) = symbol_get(smbdirect_fault_begin);

	if (begin) {
		begin();
		symbol_put(smbdirect_fault_begin);
	}
}

/* An error that is allowed; false, to be returned. */
static bool error(struct at *t, const char *what, long ret)
{
	at_note(t, "%s: %ld", what, ret);
	at_shutdown_all(t);
	return false;
}

static struct at_sock *try_socket(struct at *t, const char *name, bool client)
{
	struct smbdirect_socket_parameters sp = client ? at_client_params() : at_server_params();
	struct smbdirect_socket *sc = NULL;
	struct at_sock *s;
	int ret = smbdirect_socket_create_kern(&init_net, &sc);

	if (ret) {
		error(t, "create_kern", ret);
		return NULL;
	}
	s = at_adopt(t, name, sc);
	if (!s)
		return NULL;
	/* few buffers: as many points to fail, but not the same hundreds of times */
	sp.recv_credit_max = 8;
	sp.send_credit_target = 8;
	ret = smbdirect_socket_set_initial_parameters(sc, &sp);
	ret = ret ?: smbdirect_socket_set_kernel_settings(sc, client ? IB_POLL_SOFTIRQ : IB_POLL_WORKQUEUE,
							  GFP_KERNEL);
	if (ret) {
		error(t, "settings", ret);
		return NULL;
	}
	return s;
}

static struct at_sock *try_listen(struct at *t)
{
	struct at_sock *s = try_socket(t, "listener", false);
	struct sockaddr_storage ss;
	int ret;

	if (!s)
		return NULL;
	s->port = at_next_port();
	at_wildcard(&ss, s->port, false);
	ret = smbdirect_socket_bind(s->sc, (struct sockaddr *)&ss);
	if (ret) {
		error(t, "bind", ret);
		return NULL;
	}
	ret = smbdirect_socket_listen(s->sc, 4);
	if (ret) {
		error(t, "listen", ret);
		return NULL;
	}
	return s;
}

static bool late(ktime_t start, unsigned int seconds)
{
	return ktime_ms_delta(ktime_get(), start) > seconds * 1000 * at_slow();
}

/* Connects and accepts; either may fail, but then the other gets to know it. */
static bool try_join(struct at *t, struct at_pair *p)
{
	struct proto_accept_arg arg = {};
	struct smbdirect_socket *sc = NULL;
	ktime_t start = ktime_get();
	struct at_party *c;

	p->cli = try_socket(t, "client", true);
	if (!p->cli)
		return false;
	c = at_connect(t, p->cli, p->lst->port, false);
	if (!c)
		return false;
	while (!sc && !(at_done(c) && c->ret)) {
		arg.err = 0;
		sc = smbdirect_socket_accept(p->lst->sc, HZ / 5, &arg);
		if (sc)
			break;
		if (arg.err && arg.err != -EAGAIN && arg.err != -ETIMEDOUT)
			return error(t, "accept", arg.err);
		if (at_done(c) && !c->ret && !smbdirect_connection_is_connected(p->cli->sc))
			return error(t, "the connection ended before accept", 0);
		AT_CHECK_RET(t, !late(start, 30), false, "hang: connect %s, and there is nothing to accept",
			     at_done(c) ? "succeeded" : "does not end");
	}
	if (sc) {
		p->srv = at_adopt(t, "server", sc);
		if (!p->srv || !at_join(c, 30))
			return false;
	}
	if (c->ret)
		return error(t, "connect", c->ret);
	p->cli->peer = p->srv;
	return true;
}

static bool try_open(struct at *t, struct at_pair *p)
{
	p->lst = try_listen(t);
	return p->lst && try_join(t, p);
}

struct fault_send {
	struct at_sock *s;
	u8 *buf;
	size_t len;
	bool batch;
};

static int fault_send_fn(struct at_party *p)
{
	struct fault_send *a = p->arg;
	struct kvec v = { .iov_base = a->buf, .iov_len = a->len };
	struct iov_iter iter;

	p->waiting = "sending a message";
	if (!a->batch)
		return at_send(a->s, a->buf, a->len);
	iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, a->len);
	return at_send_batch(a->s, &iter, 1);
}

struct fault_recv {
	struct at_sock *s;
	u8 *buf;
	size_t len;
};

static int fault_recv_fn(struct at_party *p)
{
	struct fault_recv *a = p->arg;

	p->waiting = "receiving a message";
	return at_recv_msg(a->s, a->buf, a->len);
}

/* A message; when one end gets an error, the connection is shut down. */
static bool try_message(struct at *t, struct at_sock *from, struct at_sock *to, size_t len, bool batch)
{
	struct fault_send *out = at_alloc(t, sizeof(*out));
	struct fault_recv *in = at_alloc(t, sizeof(*in));
	struct at_party *send, *recv;
	ktime_t start = ktime_get();

	if (!out || !in)
		return false;
	*out = (struct fault_send) { from, at_alloc(t, len), len, batch };
	*in = (struct fault_recv) { to, at_alloc(t, len), len };
	if (!out->buf || !in->buf)
		return false;
	at_fill(out->buf, len, len);
	recv = at_spawn(t, "recv", fault_recv_fn, in);
	send = at_spawn(t, "send", fault_send_fn, out);
	if (!recv || !send)
		return false;
	while (!(at_done(send) && at_done(recv))) {
		if ((at_done(send) && send->ret) || (at_done(recv) && recv->ret != len))
			at_shutdown_all(t);
		AT_CHECK_RET(t, !late(start, 30), false, "hang: a message: %s", at_done(send) ?
			     "sent, but not received" : "neither sent nor refused");
		usleep_range(500, 1500);
	}
	if (send->ret)
		return error(t, "send", send->ret);
	if (recv->ret != len)
		return error(t, "recv", recv->ret);
	AT_CHECK_RET(t, at_differs(in->buf, len, len) < 0, false, "message of %zu differs", len);
	return true;
}

static bool try_echo(struct at *t, struct at_pair *p, size_t len)
{
	return try_message(t, p->cli, p->srv, len, true) && try_message(t, p->srv, p->cli, len, false);
}

static struct at_mr *try_register(struct at *t, struct at_pair *p, struct at_region *r, bool writing)
{
	struct at_reg *a = at_alloc(t, sizeof(*a));
	struct at_party *reg;
	struct at_mr *m;

	if (!a)
		return NULL;
	*a = (struct at_reg) { .s = p->cli, .writing = writing, .invalidate = true };
	at_region_iter(r, &a->iter, writing ? ITER_DEST : ITER_SOURCE);
	reg = at_reg_start(t, a);
	if (!reg || !at_join(reg, 30))
		return NULL;
	AT_CHECK_RET(t, !IS_ERR(a->mr), NULL, "register_mr_io returned an ERR_PTR");
	if (!a->mr) {
		error(t, "register_mr_io", -ENOMEM);
		return NULL;
	}
	m = at_mr_keep(t, a);
	/* the key is good for what is sent later */
	return m && try_message(t, p->cli, p->srv, 64, true) ? m : NULL;
}

/* The server reads from or writes to what the client has registered. */
static bool try_transfer(struct at *t, struct at_pair *p, bool read, unsigned int pieces, enum at_iter_kind kind)
{
	struct smbdirect_buffer_descriptor_v1 *desc = at_alloc(t, pieces * sizeof(*desc));
	struct at_region *r = at_region(t, kind, 40000, kind == AT_HOLES ? 0 : 100);
	struct at_xmit *x = at_alloc(t, sizeof(*x));
	struct at_party *xmit;
	struct at_mr *m;

	if (!desc || !r || !x)
		return false;
	if (read)
		at_region_fill(r, 5);
	m = try_register(t, p, r, !read);
	if (!m)
		return false;
	*x = (struct at_xmit) { p->srv, at_alloc(t, r->len), r->len, desc, pieces, read };
	if (!x->buf)
		return false;
	at_split(desc, pieces, &m->desc, r->len);
	if (!read)
		at_fill(x->buf, x->len, 5);
	xmit = at_xmit_start(t, x);
	if (!xmit || !at_join(xmit, 60))
		return false;
	if (!at_mr_drop(t, m))
		return false;
	if (xmit->ret)
		return error(t, "rdma_xmit", xmit->ret);
	AT_CHECK_RET(t, (read ? at_differs(x->buf, x->len, 5) : at_region_differs(r, 5)) < 0, false,
		     "%s of %zu bytes differs", read ? "read" : "write", x->len);
	return true;
}

static void fault_connect(struct at *t)
{
	struct at_pair p = {};

	count_from_here();
	if (try_open(t, &p))
		try_message(t, p.cli, p.srv, 64, true);
}

static void fault_message(struct at *t)
{
	struct at_pair p = {};

	if (!try_open(t, &p) || !try_echo(t, &p, 64))
		return;
	count_from_here();
	if (try_echo(t, &p, 1000))
		try_echo(t, &p, 20000);
}

static void fault_register(struct at *t)
{
	struct at_pair p = {};
	struct at_region *r;
	struct at_mr *m;
	int i;

	if (!try_open(t, &p) || !try_echo(t, &p, 64))
		return;
	count_from_here();
	for (i = 0; i < 4; i++) {
		r = at_region(t, i & 2 ? AT_HOLES : AT_BVEC, 20000, 0);
		m = r ? try_register(t, &p, r, i & 1) : NULL;
		if (!m || !at_mr_drop(t, m))
			return;
	}
}

static void fault_read(struct at *t)
{
	struct at_pair p = {};

	if (!try_open(t, &p) || !try_echo(t, &p, 64))
		return;
	count_from_here();
	if (try_transfer(t, &p, true, 1, AT_BVEC))
		try_transfer(t, &p, true, 20, AT_BVEC);
}

static void fault_write(struct at *t)
{
	struct at_pair p = {};

	if (!try_open(t, &p) || !try_echo(t, &p, 64))
		return;
	count_from_here();
	if (try_transfer(t, &p, false, 1, AT_BVEC))
		try_transfer(t, &p, false, 20, AT_HOLES);
}

/* Only the end, in the three ways there are. */
static void fault_end(struct at *t, int how)
{
	struct at_pair p = {};

	if (!try_open(t, &p) || !try_echo(t, &p, 64))
		return;
	count_from_here();
	if (how == 1)
		smbdirect_socket_shutdown(p.cli->sc);
	if (at_release(t, how == 2 ? p.srv : p.cli) && at_release(t, how == 2 ? p.cli : p.srv))
		at_release(t, p.lst);
}

static void fault_release_client(struct at *t)
{
	fault_end(t, 0);
}

static void fault_shutdown_client(struct at *t)
{
	fault_end(t, 1);
}

static void fault_release_server(struct at *t)
{
	fault_end(t, 2);
}

const struct at_case at_cases_fault[] = {
	{ "fault_connect", fault_connect, 120 },
	{ "fault_message", fault_message, 120 },
	{ "fault_register", fault_register, 120 },
	{ "fault_read", fault_read, 120 },
	{ "fault_write", fault_write, 120 },
	{ "fault_release_client", fault_release_client, 120 },
	{ "fault_shutdown_client", fault_shutdown_client, 120 },
	{ "fault_release_server", fault_release_server, 120 },
	{}
};
