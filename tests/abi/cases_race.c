// SPDX-License-Identifier: GPL-2.0
/* One thread blocked in a call, another one that ends the connection. */
#include <linux/sched/signal.h>
#include "abitest.h"
#include "raw.h"

static int read_fn(struct at_party *p)
{
	u8 b[4];

	p->waiting = "recvmsg";
	return at_recv(p->arg, b, 4);
}

static int accept_fn(struct at_party *p)
{
	struct proto_accept_arg arg = { .err = -EINVAL };
	struct at_sock *lst = p->arg;
	struct smbdirect_socket *sc;

	p->waiting = "accept";
	sc = smbdirect_socket_accept(lst->sc, MAX_SCHEDULE_TIMEOUT, &arg);
	if (!sc)
		return arg.err;
	at_adopt(p->t, "accepted", sc);
	return 0;
}

static bool returns(struct at *t, struct at_party *p, ktime_t since, int want)
{
	if (!at_join(p, 8))
		return false;
	AT_CHECK_RET(t, p->ret == want, false, "%s: %d instead of %d", p->name, p->ret, want);
	AT_CHECK_RET(t, ktime_ms_delta(p->end, since) < AT_PROMPT_MS * at_slow(), false,
		     "%s took %lld ms to return", p->name, ktime_ms_delta(p->end, since));
	return true;
}

/* Blocked for long enough that it really sleeps. */
static bool blocked(struct at *t, struct at_party *p)
{
	if (!p)
		return false;
	at_sleep_ms(300);
	AT_CHECK_RET(t, !at_done(p), false, "%s returned %d at once", p->name, p->ret);
	return true;
}

static void race_shutdown_recvmsg(struct at *t)
{
	struct at_party *a, *b;
	struct at_pair p;
	ktime_t now;

	if (!at_pair_open(t, &p, NULL))
		return;
	a = at_spawn(t, "server reader", read_fn, p.srv);
	b = at_spawn(t, "client reader", read_fn, p.cli);
	if (!blocked(t, a) || !blocked(t, b))
		return;
	now = ktime_get();
	smbdirect_socket_shutdown(p.srv->sc);
	if (returns(t, a, now, -ENOTCONN))
		returns(t, b, now, -ENOTCONN);
}

static void race_release_peer_recvmsg(struct at *t)
{
	struct at_party *a;
	struct at_pair p;
	ktime_t now;

	if (!at_pair_open(t, &p, NULL))
		return;
	a = at_spawn(t, "server reader", read_fn, p.srv);
	if (!blocked(t, a))
		return;
	now = ktime_get();
	if (at_release(t, p.cli))
		returns(t, a, now, -ENOTCONN);
}

static void race_shutdown_accept(struct at *t)
{
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct at_party *a;
	ktime_t now;

	if (!lst)
		return;
	a = at_spawn(t, "accept", accept_fn, lst);
	if (!blocked(t, a))
		return;
	now = ktime_get();
	smbdirect_socket_shutdown(lst->sc);
	returns(t, a, now, -EINVAL);
}

static void race_shutdown_connect(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct at_sock *cli = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	struct at_party *c;
	ktime_t now;

	if (!lst || !cli)
		return;
	c = at_connect(t, cli, lst->port, false);	/* nobody accepts */
	if (!blocked(t, c))
		return;
	now = ktime_get();
	smbdirect_socket_shutdown(cli->sc);
	returns(t, c, now, -ESHUTDOWN);
}

static void race_signal_recvmsg(struct at *t)
{
	struct at_party *a;
	struct at_pair p;
	ktime_t now;

	if (!at_pair_open(t, &p, NULL))
		return;
	a = at_spawn(t, "reader", read_fn, p.srv);
	if (!blocked(t, a))
		return;
	now = ktime_get();
	at_signal(a);
	/* nothing was consumed, and the connection is fine */
	if (returns(t, a, now, -ERESTARTSYS))
		at_echo(t, &p, 5000);
}

static void race_signal_accept(struct at *t)
{
	static const struct at_opts none;
	struct at_party *a;
	struct at_pair p;
	ktime_t now;

	p.lst = at_listener(t, NULL, 10, false);
	if (!p.lst)
		return;
	a = at_spawn(t, "accept", accept_fn, p.lst);
	if (!blocked(t, a))
		return;
	now = ktime_get();
	at_signal(a);
	if (returns(t, a, now, -ERESTARTSYS) && at_pair_join(t, &p, &none))
		at_echo(t, &p, 64);
}

static void race_signal_connect(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct at_sock *cli = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	struct at_party *c;
	ktime_t now;

	if (!lst || !cli)
		return;
	c = at_connect(t, cli, lst->port, false);
	if (!blocked(t, c))
		return;
	now = ktime_get();
	at_signal(c);
	returns(t, c, now, -ERESTARTSYS);
}

static int stop_fn(struct at_party *p)
{
	struct at_party *victim = p->arg;

	p->waiting = "kthread_stop";
	kthread_stop(victim->task);
	return 0;
}

/* ksmbd stops its threads so; the wait must notice without any other help. */
static void kthread_stops(struct at *t, struct at_party *victim, ktime_t now)
{
	struct at_party *s;

	if (!blocked(t, victim))
		return;
	now = ktime_get();
	s = at_spawn(t, "stopper", stop_fn, victim);
	if (s && returns(t, victim, now, -ERESTARTSYS))
		at_join(s, 5);
}

static void race_kthread_stop_accept(struct at *t)
{
	struct at_sock *lst = at_listener(t, NULL, 10, false);

	if (lst)
		kthread_stops(t, at_spawn(t, "accept", accept_fn, lst), ktime_get());
}

static void race_kthread_stop_recvmsg(struct at *t)
{
	struct at_pair p;

	if (at_pair_open(t, &p, NULL))
		kthread_stops(t, at_spawn(t, "reader", read_fn, p.srv), ktime_get());
}

struct sender {
	struct at_sock *s;
	u8 *buf;
	size_t len;
};

static int send_fn(struct at_party *p)
{
	struct sender *a = p->arg;

	p->waiting = "send_iter";
	return at_send(a->s, a->buf, a->len);
}

/* A sender out of credits: the raw peer never gives any. */
static bool starved(struct at *t, struct sender *a, struct at_party **w)
{
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct raw_peer *r;
	u8 b[64] = {};

	if (!lst)
		return false;
	r = raw_client(t, lst, NULL, &a->s, NULL);
	if (!r)
		return false;
	AT_CHECK_RET(t, !raw_send_message(r, b, sizeof(b), 0), false, "raw send");
	a->len = 100;
	a->buf = at_alloc(t, 100);
	AT_CHECK_RET(t, at_recv_msg(a->s, b, sizeof(b)) == sizeof(b), false, "no first message");
	*w = at_spawn(t, "sender", send_fn, a);
	return blocked(t, *w);
}

static void race_shutdown_send(struct at *t)
{
	struct sender *a = at_alloc(t, sizeof(*a));
	struct at_party *w;
	ktime_t now;

	if (!a || !starved(t, a, &w))
		return;
	now = ktime_get();
	smbdirect_socket_shutdown(a->s->sc);
	returns(t, w, now, -ENOTCONN);
}

static void race_peer_gone_send(struct at *t)
{
	struct sender *a = at_alloc(t, sizeof(*a));
	struct at_party *w;
	ktime_t now;

	if (!a || !starved(t, a, &w))
		return;
	now = ktime_get();
	raw_disconnect_all(t);
	returns(t, w, now, -ENOTCONN);
}

/* With everything at hand nobody sleeps, and a pending signal does not matter. */
static int pending_fn(struct at_party *p)
{
	struct at_pair *pair = p->arg;
	u8 *buf = kzalloc(20000, GFP_KERNEL);
	struct kvec v = { buf, 20000 };
	struct iov_iter iter;
	int ret;

	if (!buf)
		return -ENOMEM;
	p->waiting = "calls with a signal pending";
	while (!signal_pending(current))
		at_sleep_ms(10);
	iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, 20000);
	ret = at_send_batch(pair->cli, &iter, 1);
	at_sleep_ms(200);
	ret = ret ?: at_recv_len(pair->srv) == 20000 ? 0 : -EPROTO;
	ret = ret ?: at_recv(pair->srv, buf, 20000);
	ret = ret ?: at_send(pair->srv, buf, 20000);
	kfree(buf);
	return ret;
}

static void race_signal_pending(struct at *t)
{
	struct at_pair *pair = at_alloc(t, sizeof(*pair));
	struct at_party *p;

	if (!pair || !at_pair_open(t, pair, NULL))
		return;
	p = at_spawn(t, "caller", pending_fn, pair);
	if (!p)
		return;
	at_sleep_ms(100);
	at_signal(p);
	if (at_join(p, 8))
		AT_EQ(t, "calls with a signal pending", p->ret, 0);
}

static int shut_fn(struct at_party *p)
{
	struct at_sock *s = p->arg;
	int i;

	p->waiting = "shutdown";
	for (i = 0; i < 200; i++) {
		smbdirect_socket_shutdown(s->sc);
		cond_resched();
	}
	return 0;
}

static void race_many_shutdowns(struct at *t)
{
	struct at_party *w[6];
	struct at_pair p;
	int i;

	if (!at_pair_open(t, &p, NULL))
		return;
	for (i = 0; i < 6; i++)
		w[i] = at_spawn(t, "shutdown", shut_fn,
				i % 3 == 0 ? p.lst : i % 3 == 1 ? p.srv : p.cli);
	for (i = 0; i < 6; i++)
		if (!w[i] || !at_join(w[i], 5))
			return;
	AT_CHECK(t, !smbdirect_connection_is_connected(p.srv->sc), "still connected");
}

/* Shutdown is for atomic context too. */
static void race_shutdown_atomic(struct at *t)
{
	static DEFINE_SPINLOCK(lock);
	struct at_party *a;
	struct at_pair p;
	ktime_t now;

	if (!at_pair_open(t, &p, NULL))
		return;
	a = at_spawn(t, "reader", read_fn, p.cli);
	if (!blocked(t, a))
		return;
	now = ktime_get();
	spin_lock_bh(&lock);
	smbdirect_socket_shutdown(p.cli->sc);
	spin_unlock_bh(&lock);
	returns(t, a, now, -ENOTCONN);
}

/* Clients that come and go while the listener is shut down and released. */
static void race_listener_release(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_party *c[8];
	struct at_sock *cli[8], *lst;
	int round, i;

	for (round = 0; round < 5; round++) {
		lst = at_listener(t, NULL, 10, false);
		if (!lst)
			return;
		for (i = 0; i < 8; i++) {
			cli[i] = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
			if (!cli[i])
				return;
			c[i] = at_connect(t, cli[i], lst->port, false);
		}
		at_sleep_ms(round * 10);
		if (!at_release(t, lst))
			return;
		for (i = 0; i < 8; i++) {
			if (!c[i] || !at_join(c[i], AT_STEP_S) || !at_release(t, cli[i]))
				return;
			AT_CHECK(t, c[i]->ret < 0, "connected to a released listener");
		}
	}
}

const struct at_case at_cases_race[] = {
	{ "race_shutdown_recvmsg", race_shutdown_recvmsg },
	{ "race_release_peer_recvmsg", race_release_peer_recvmsg },
	{ "race_shutdown_accept", race_shutdown_accept },
	{ "race_shutdown_connect", race_shutdown_connect },
	{ "race_shutdown_send", race_shutdown_send },
	{ "race_peer_gone_send", race_peer_gone_send },
	{ "race_shutdown_atomic", race_shutdown_atomic },
	{ "race_signal_recvmsg", race_signal_recvmsg },
	{ "race_signal_accept", race_signal_accept },
	{ "race_signal_connect", race_signal_connect },
	{ "race_signal_pending", race_signal_pending },
	{ "race_kthread_stop_accept", race_kthread_stop_accept },
	{ "race_kthread_stop_recvmsg", race_kthread_stop_recvmsg },
	{ "race_many_shutdowns", race_many_shutdowns },
	{ "race_listener_release", race_listener_release, 90 },
	{}
};
