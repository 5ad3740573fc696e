// SPDX-License-Identifier: GPL-2.0
/* Creating, binding, listening, connecting, accepting, releasing. */
#include "abitest.h"
#include "raw.h"

static void life_connect(struct at *t)
{
	struct at_pair p;

	if (at_pair_open(t, &p, NULL))
		at_echo(t, &p, 1000);
}

static void life_connect_v6(struct at *t)
{
	struct at_opts o = { .v6 = true };
	struct at_pair p;

	if (at_pair_open(t, &p, &o))
		at_echo(t, &p, 1000);
}

/* Async connect, then the separate wait. */
static int wait_fn(struct at_party *p)
{
	struct at_sock *s = p->arg;

	p->waiting = "wait_for_connected";
	return smbdirect_connection_wait_for_connected(s->sc);
}

static void life_connect_async(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct sockaddr_storage ss;
	struct at_party *w;
	struct at_pair p;

	p.lst = at_listener(t, NULL, 10, false);
	p.cli = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	if (!p.lst || !p.cli)
		return;
	at_addr(&ss, p.lst->port, false);
	AT_EQ(t, "connect", smbdirect_connect(p.cli->sc, (struct sockaddr *)&ss), 0);
	memset(&ss, 0, sizeof(ss));	/* the address was copied */
	w = at_spawn(t, "waiter", wait_fn, p.cli);
	p.srv = at_accept(t, p.lst, 5000);
	if (!w || !p.srv || !at_join(w, AT_STEP_S))
		return;
	AT_EQ(t, "wait_for_connected", w->ret, 0);
	at_echo(t, &p, 100);
}

static void life_connect_bound(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct sockaddr_storage ss;
	struct at_party *c;
	struct at_pair p;

	p.lst = at_listener(t, NULL, 10, false);
	p.cli = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	if (!p.lst || !p.cli)
		return;
	at_addr(&ss, 0, false);
	AT_EQ(t, "bind of the source",
	      smbdirect_socket_bind(p.cli->sc, (struct sockaddr *)&ss), 0);
	c = at_connect(t, p.cli, p.lst->port, false);
	p.srv = at_accept(t, p.lst, 5000);
	if (!c || !p.srv || !at_join(c, AT_STEP_S))
		return;
	AT_EQ(t, "connect_sync", c->ret, 0);
	at_echo(t, &p, 100);
}

static void life_many(struct at *t)
{
	static const struct at_opts none;
	struct at_pair p;
	int i;

	p.lst = at_listener(t, NULL, 10, false);
	for (i = 0; p.lst && i < 10; i++) {
		if (!at_pair_join(t, &p, &none) || !at_echo(t, &p, 100))
			return;
		/* either side may go first */
		if (!at_release(t, i & 1 ? p.cli : p.srv) ||
		    !at_release(t, i & 1 ? p.srv : p.cli))
			return;
	}
}

/* A dozen at once, all of them in use. */
static void life_parallel(struct at *t)
{
	static const struct at_opts none;
	struct at_pair p[12];
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	int i;

	for (i = 0; lst && i < ARRAY_SIZE(p); i++) {
		p[i].lst = lst;
		if (!at_pair_join(t, &p[i], &none))
			return;
	}
	for (i = 0; lst && i < ARRAY_SIZE(p); i++)
		if (!at_echo(t, &p[i], 2000 + i))
			return;
}

static void life_refused(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_sock *s = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	struct at_party *c;

	if (!s)
		return;
	c = at_connect(t, s, at_next_port(), false);
	if (c && at_join(c, 8))
		AT_EQ(t, "connect to a closed port", c->ret, -ECONNREFUSED);
}

/* No route to the address: the resolver's errno comes through. */
static void life_unreachable(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_sock *s = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(445) };
	ktime_t start = ktime_get();
	int ret;

	if (!s)
		return;
	sin.sin_addr.s_addr = htonl(0xc6336407);	/* 198.51.100.7, documentation */
	t->waiting = "connect_sync to nowhere";
	ret = smbdirect_connect_sync(s->sc, (struct sockaddr *)&sin);
	AT_CHECK(t, ret < 0 && ret != -EINVAL, "connect to nowhere: %d", ret);
	AT_CHECK(t, ktime_ms_delta(ktime_get(), start) < 8000 * at_slow(), "took too long");
}

/* The filter for the other kind of port must fail at once, as cifs expects. */
static void life_wrong_port_type(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	ktime_t start = ktime_get();
	struct at_party *c;
	struct at_sock *s, *lst = at_listener(t, NULL, 10, false);

	sp.flags ^= SMBDIRECT_FLAG_PORT_RANGE_MASK;
	s = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	if (!s || !lst)
		return;
	c = at_connect(t, s, lst->port, false);
	if (!c || !at_join(c, 8))
		return;
	AT_CHECK(t, c->ret == -ENODEV || c->ret == -EPROTONOSUPPORT,
		 "connect to the wrong kind of port: %d", c->ret);
	AT_CHECK(t, ktime_ms_delta(ktime_get(), start) < AT_PROMPT_MS * at_slow(), "not prompt");
}

static void life_no_filter(struct at *t)
{
	struct smbdirect_socket_parameters srv = at_server_params(), cli = at_client_params();
	struct at_opts o = { .srv = &srv, .cli = &cli };
	struct at_pair p;

	srv.flags = 0;
	cli.flags = 0;
	if (at_pair_open(t, &p, &o))
		at_echo(t, &p, 100);
}

static void life_bind_errors(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_server_params();
	struct at_sock *a = at_listener(t, NULL, 10, false);
	struct at_sock *b = at_socket(t, "second", &sp, IB_POLL_WORKQUEUE);
	struct at_sock *c = at_socket(t, "third", &sp, IB_POLL_WORKQUEUE);
	struct sockaddr_storage ss;
	struct sockaddr_in *sin = (struct sockaddr_in *)&ss;
	int ret;

	if (!a || !b || !c)
		return;
	at_wildcard(&ss, a->port, false);
	ret = smbdirect_socket_bind(b->sc, (struct sockaddr *)&ss);
	if (!ret)
		ret = smbdirect_socket_listen(b->sc, 10);
	/* rdma_cm has one errno for addresses and another for wildcards */
	AT_CHECK(t, ret == -EADDRINUSE || ret == -EADDRNOTAVAIL, "port in use: %d", ret);
	sin->sin_addr.s_addr = htonl(0xc6336407);
	ret = smbdirect_socket_bind(c->sc, (struct sockaddr *)&ss);
	AT_CHECK(t, ret == -EADDRNOTAVAIL || ret == -ENODEV, "foreign address: %d", ret);
}

static void life_bad_backlog(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_server_params();
	struct at_sock *s = at_socket(t, "listener", &sp, IB_POLL_WORKQUEUE);
	struct sockaddr_storage ss;
	static const struct at_opts none;
	struct at_pair p;

	if (!s)
		return;
	s->port = at_next_port();
	at_wildcard(&ss, s->port, false);
	AT_EQ(t, "bind", smbdirect_socket_bind(s->sc, (struct sockaddr *)&ss), 0);
	AT_EQ(t, "backlog -1", smbdirect_socket_listen(s->sc, -1), -EINVAL);
	AT_EQ(t, "backlog 0", smbdirect_socket_listen(s->sc, 0), 0);
	p.lst = s;
	if (at_pair_join(t, &p, &none))
		at_echo(t, &p, 10);
}

/* The port is free again as soon as release returns. */
static void life_listen_again(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_server_params();
	static const struct at_opts none;
	struct sockaddr_storage ss;
	struct at_pair p;
	u16 port = 0;
	int i;

	for (i = 0; i < 5; i++) {
		p.lst = at_socket(t, "listener", &sp, IB_POLL_WORKQUEUE);
		if (!p.lst)
			return;
		port = port ?: at_next_port();
		p.lst->port = port;
		at_wildcard(&ss, port, false);
		AT_EQ(t, "bind", smbdirect_socket_bind(p.lst->sc, (struct sockaddr *)&ss), 0);
		AT_EQ(t, "listen", smbdirect_socket_listen(p.lst->sc, 10), 0);
		if (!at_pair_join(t, &p, &none))
			return;
		if (!at_release(t, p.lst) || !at_release(t, p.cli) || !at_release(t, p.srv))
			return;
	}
}

static void life_accept_timeouts(struct at *t)
{
	struct proto_accept_arg arg = { .err = 0 };
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	ktime_t start;
	s64 ms;

	if (!lst)
		return;
	AT_CHECK(t, !smbdirect_socket_accept(lst->sc, 0, &arg), "accept gave a socket");
	AT_EQ(t, "accept with timeout 0", arg.err, -EAGAIN);
	start = ktime_get();
	t->waiting = "accept with 500 ms";
	AT_CHECK(t, !smbdirect_socket_accept(lst->sc, msecs_to_jiffies(500), &arg),
		 "accept gave a socket");
	ms = ktime_ms_delta(ktime_get(), start);
	AT_EQ(t, "accept with timeout 500 ms", arg.err, -ETIMEDOUT);
	AT_CHECK(t, ms >= 450 && ms < 3000 * at_slow(), "waited %lld ms", ms);
	smbdirect_socket_shutdown(lst->sc);
	AT_CHECK(t, !smbdirect_socket_accept(lst->sc, 0, &arg), "accept gave a socket");
	AT_EQ(t, "accept on a dead listener", arg.err, -EINVAL);
	AT_CHECK(t, !smbdirect_socket_accept(lst->sc, MAX_SCHEDULE_TIMEOUT, &arg),
		 "accept gave a socket");
	AT_EQ(t, "accept on a dead listener", arg.err, -EINVAL);
}

/* On success the error stays as it was and is_empty tells what is left. */
static void life_accept_arg(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct proto_accept_arg arg = { .err = -EINVAL, .is_empty = -1 };
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct at_sock *cli = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	struct smbdirect_socket *sc;
	struct at_party *c;

	if (!lst || !cli)
		return;
	c = at_connect(t, cli, lst->port, false);
	t->waiting = "accept";
	sc = smbdirect_socket_accept(lst->sc, 10 * HZ, &arg);
	AT_CHECK(t, sc, "accept: %d", arg.err);
	at_adopt(t, "server", sc);
	AT_EQ(t, "arg->err after success", arg.err, -EINVAL);
	AT_EQ(t, "arg->is_empty", arg.is_empty, 1);
	if (c && at_join(c, AT_STEP_S))
		AT_EQ(t, "connect_sync", c->ret, 0);
}

/* Nothing is handed out before a negotiate request arrived. */
static void life_accept_needs_negotiate(struct at *t)
{
	struct proto_accept_arg arg = { .err = 0 };
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct raw_peer *r;

	if (!lst)
		return;
	r = raw_connect(t, lst->port, 4);
	if (!r)
		return;
	t->waiting = "accept with 1 s";
	AT_CHECK(t, !smbdirect_socket_accept(lst->sc, HZ, &arg), "accept gave a socket");
	AT_EQ(t, "accept", arg.err, -ETIMEDOUT);
}

/* A connection handed out survives its listener; waiting ones do not. */
static void life_listener_goes_first(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_sock *late = at_socket(t, "late client", &sp, IB_POLL_SOFTIRQ);
	struct at_party *c;
	struct at_pair p;

	if (!late || !at_pair_open(t, &p, NULL))
		return;
	c = at_connect(t, late, p.lst->port, false);
	at_sleep_ms(500);
	AT_CHECK(t, c && !at_done(c), "connected without accept");
	if (!at_release(t, p.lst) || !at_join(c, 8))
		return;
	AT_CHECK(t, c->ret < 0, "connected to a listener that went away");
	at_echo(t, &p, 3000);
}

/* The CM request is never answered. */
static void life_no_cm_answer(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_party *c;
	struct at_sock *s;
	u16 port;

	sp.rdma_connect_timeout_msec = 1500;
	s = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	if (!s || !raw_listen(t, &port, false))
		return;
	c = at_connect(t, s, port, false);
	if (c && at_join(c, 6))
		AT_EQ(t, "connect_sync without an answer", c->ret, -ETIMEDOUT);
}

static void life_create_release(struct at *t)
{
	struct at_sock *s;
	int i;

	for (i = 0; i < 50; i++) {
		struct smbdirect_socket_parameters sp = at_client_params();

		s = at_socket(t, "fresh", &sp, i & 1 ? IB_POLL_SOFTIRQ : IB_POLL_WORKQUEUE);
		if (!s || !at_release(t, s))
			return;
	}
}

/* Message logging at full level: formatted, newline, nothing after release. */
static void life_logging(struct at *t)
{
	struct at_opts o = { .log_info = true };
	struct at_pair p;
	int i;

	if (!at_pair_open(t, &p, &o))
		return;
	for (i = 0; i < 20; i++)
		if (!at_echo(t, &p, 4 + 300 * i))
			return;
	smbdirect_socket_shutdown(p.srv->sc);
	at_recv(p.cli, at_alloc(t, 4), 4);
}

const struct at_case at_cases_life[] = {
	{ "life_create_release", life_create_release },
	{ "life_connect", life_connect },
	{ "life_connect_v6", life_connect_v6, 0, AT_V6 },
	{ "life_connect_async", life_connect_async },
	{ "life_connect_bound", life_connect_bound },
	{ "life_many", life_many, 60 },
	{ "life_parallel", life_parallel, 60 },
	{ "life_refused", life_refused },
	{ "life_unreachable", life_unreachable },
	{ "life_wrong_port_type", life_wrong_port_type },
	{ "life_no_filter", life_no_filter },
	{ "life_bind_errors", life_bind_errors },
	{ "life_bad_backlog", life_bad_backlog },
	{ "life_listen_again", life_listen_again, 60 },
	{ "life_accept_timeouts", life_accept_timeouts },
	{ "life_accept_arg", life_accept_arg },
	{ "life_accept_needs_negotiate", life_accept_needs_negotiate },
	{ "life_listener_goes_first", life_listener_goes_first },
	{ "life_no_cm_answer", life_no_cm_answer, 0, AT_ROCE_ONLY },
	{ "life_logging", life_logging },
	{}
};
