// SPDX-License-Identifier: GPL-2.0
/* Sockets of the module under test: making, connecting, accepting, releasing. */
#include <linux/seq_file.h>
#include "abitest.h"

/* What ksmbd and cifs set, with a shorter client negotiation limit. */
struct smbdirect_socket_parameters at_server_params(void)
{
	return (struct smbdirect_socket_parameters) {
		.flags = at_is_iwarp() ? SMBDIRECT_FLAG_PORT_RANGE_ONLY_IW :
					 SMBDIRECT_FLAG_PORT_RANGE_ONLY_IB,
		.negotiate_timeout_msec = 5000,
		.initiator_depth = 8,
		.responder_resources = 1,
		.recv_credit_max = 255,
		.send_credit_target = 255,
		.max_send_size = 1364,
		.max_recv_size = 1364,
		.max_fragmented_recv_size = 173910,
		.max_read_write_size = 8 << 20,
		.keepalive_interval_msec = 120000,
		.keepalive_timeout_msec = 5000,
	};
}

struct smbdirect_socket_parameters at_client_params(void)
{
	struct smbdirect_socket_parameters sp = at_server_params();

	sp.resolve_addr_timeout_msec = 5000;
	sp.resolve_route_timeout_msec = 5000;
	sp.rdma_connect_timeout_msec = 5000;
	sp.negotiate_timeout_msec = 15000;
	sp.initiator_depth = 1;
	sp.responder_resources = 32;
	sp.max_read_write_size = 0;
	sp.max_frmr_depth = 2048;
	return sp;
}

static bool log_needed(struct smbdirect_socket *sc, void *priv,
		       unsigned int lvl, unsigned int cls)
{
	struct at_sock *s = priv;

	/* accepted sockets log with what their listener was given */
	if (sc == s->sc && READ_ONCE(s->released))
		atomic_inc(&s->log_after_release);
	return lvl == SMBDIRECT_LOG_ERR || s->log_info;
}

static void log_print(struct smbdirect_socket *sc, const char *func, unsigned int line,
		      void *priv, unsigned int lvl, unsigned int cls,
		      struct va_format *vaf)
{
	struct at_sock *s = priv;
	char text[200];
	va_list va;
	int len;

	va_copy(va, *vaf->va);
	len = vsnprintf(text, sizeof(text), vaf->fmt, va);
	va_end(va);
	atomic_inc(&s->log_lines);
	if ((len == 0 || (len < sizeof(text) && text[len - 1] != '\n')) &&
	    !atomic_fetch_inc(&s->log_no_newline))
		strscpy(s->log_bad, text, sizeof(s->log_bad));
	if (sc == s->sc && READ_ONCE(s->released))
		atomic_inc(&s->log_after_release);
	if (at_verbose())
		pr_info("abitest: %s: %s", s->name, text);
}

struct at_sock *at_adopt(struct at *t, const char *name, struct smbdirect_socket *sc)
{
	struct at_sock *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s) {
		at_fail(t, "no memory");
		smbdirect_socket_release(sc);
		return NULL;
	}
	s->t = t;
	s->sc = sc;
	s->name = name;
	s->log_info = at_verbose();
	spin_lock(&t->lock);
	list_add(&s->list, &t->socks);
	spin_unlock(&t->lock);
	return s;
}

/* A fresh socket with logging, parameters and kernel settings. */
struct at_sock *at_socket(struct at *t, const char *name,
			  const struct smbdirect_socket_parameters *sp,
			  enum ib_poll_context poll)
{
	struct smbdirect_socket *sc = NULL;
	struct at_sock *s;
	int ret;

	ret = smbdirect_socket_create_kern(&init_net, &sc);
	AT_CHECK_RET(t, !ret && sc, NULL, "create_kern: %d", ret);
	s = at_adopt(t, name, sc);
	if (!s)
		return NULL;
	smbdirect_socket_set_logging(sc, s, log_needed, log_print);
	ret = smbdirect_socket_set_initial_parameters(sc, sp);
	AT_CHECK_RET(t, !ret, NULL, "set_initial_parameters: %d", ret);
	ret = smbdirect_socket_set_kernel_settings(sc, poll, GFP_KERNEL);
	AT_CHECK_RET(t, !ret, NULL, "set_kernel_settings: %d", ret);
	return s;
}

struct at_sock *at_listener(struct at *t,
			    const struct smbdirect_socket_parameters *sp,
			    int backlog, bool v6)
{
	struct smbdirect_socket_parameters def = at_server_params();
	struct sockaddr_storage ss;
	struct at_sock *s;
	int ret;

	s = at_socket(t, "listener", sp ?: &def, IB_POLL_WORKQUEUE);
	if (!s)
		return NULL;
	s->port = at_next_port();
	at_wildcard(&ss, s->port, v6);
	ret = smbdirect_socket_bind(s->sc, (struct sockaddr *)&ss);
	AT_CHECK_RET(t, !ret, NULL, "bind to port %u: %d", s->port, ret);
	ret = smbdirect_socket_listen(s->sc, backlog);
	AT_CHECK_RET(t, !ret, NULL, "listen on port %u: %d", s->port, ret);
	return s;
}

struct at_sock *at_accept(struct at *t, struct at_sock *lst, unsigned int ms)
{
	struct proto_accept_arg arg = { .err = -EINVAL };
	struct smbdirect_socket *sc;

	WRITE_ONCE(t->waiting, "accept");
	sc = smbdirect_socket_accept(lst->sc, msecs_to_jiffies(ms * at_slow()), &arg);
	WRITE_ONCE(t->waiting, NULL);
	AT_CHECK_RET(t, sc, NULL, "accept: %d", arg.err);
	return at_adopt(t, "server", sc);
}

struct connect_arg {
	struct at_sock *cli;
	struct sockaddr_storage ss;
};

static int connect_fn(struct at_party *p)
{
	struct connect_arg *a = p->arg;

	p->waiting = "connect_sync";
	return smbdirect_connect_sync(a->cli->sc, (struct sockaddr *)&a->ss);
}

struct at_party *at_connect(struct at *t, struct at_sock *cli, u16 port, bool v6)
{
	struct connect_arg *a = at_alloc(t, sizeof(*a));

	if (!a)
		return NULL;
	a->cli = cli;
	at_addr(&a->ss, port, v6);
	return at_spawn(t, "connect", connect_fn, a);
}

/* Connects a new client to p->lst and accepts it. */
bool at_pair_join(struct at *t, struct at_pair *p, const struct at_opts *o)
{
	struct smbdirect_socket_parameters def = at_client_params();
	struct at_party *c;

	p->cli = at_socket(t, "client", o->cli ?: &def, IB_POLL_SOFTIRQ);
	if (!p->cli)
		return false;
	p->cli->log_info |= o->log_info;
	c = at_connect(t, p->cli, p->lst->port, o->v6);
	if (!c)
		return false;
	p->srv = at_accept(t, p->lst, AT_STEP_S * 1000);
	if (!p->srv || !at_join(c, AT_STEP_S))
		return false;
	AT_CHECK_RET(t, !c->ret, false, "connect_sync: %d", c->ret);
	p->cli->peer = p->srv;
	AT_CHECK_RET(t, smbdirect_connection_is_connected(p->cli->sc), false,
		     "client not connected after connect_sync");
	AT_CHECK_RET(t, smbdirect_connection_is_connected(p->srv->sc), false,
		     "server not connected after accept");
	return o->cold || at_message(t, p->cli, p->srv, 64, AT_BATCH);
}

bool at_pair_open(struct at *t, struct at_pair *p, const struct at_opts *o)
{
	static const struct at_opts none;

	o = o ?: &none;
	p->lst = at_listener(t, o->srv, 10, o->v6);
	if (p->lst)
		p->lst->log_info |= o->log_info;
	return p->lst && at_pair_join(t, p, o);
}

static int release_fn(struct at_party *p)
{
	struct at_sock *s = p->arg;

	p->waiting = "release";
	smbdirect_socket_release(s->sc);
	WRITE_ONCE(s->released, true);
	return 0;
}

/*
 * Releases with a time limit; false if it did not end. Under the lock, because
 * at_shutdown_all() may come from another thread and must not meet a release.
 */
bool at_release(struct at *t, struct at_sock *s)
{
	bool first;

	spin_lock(&t->lock);
	first = !s->releasing;
	s->releasing = true;
	spin_unlock(&t->lock);
	if (first)
		s->release = at_spawn(t, "release", release_fn, s);
	return s->release && at_join(s->release, 20);
}

void at_shutdown_all(struct at *t)
{
	struct at_sock *s;

	spin_lock(&t->lock);
	list_for_each_entry(s, &t->socks, list)
		if (!s->releasing)
			smbdirect_socket_shutdown(s->sc);
	spin_unlock(&t->lock);
}

/* What the module says about each socket, into the log, when a case hangs. */
void at_dump_all(struct at *t)
{
	struct seq_file m = { .size = 2048, .buf = kzalloc(2049, GFP_KERNEL) };
	struct at_sock *s;

	spin_lock(&t->lock);
	list_for_each_entry(s, &t->socks, list) {
		if (s->releasing || !m.buf)
			continue;
		m.count = 0;
		smbdirect_connection_legacy_debug_proc_show(s->sc, 0, &m);
		pr_info("abitest: %s:%.*s\n", s->name, (int)m.count, m.buf);
	}
	spin_unlock(&t->lock);
	kfree(m.buf);
}

/* Newest first, so that the listener goes last. Checks the log callbacks too. */
bool at_release_all(struct at *t)
{
	struct at_sock *s, *next;
	bool clean = true;

	list_for_each_entry(s, &t->socks, list)
		clean &= at_release(t, s);
	if (!clean)
		return false;
	list_for_each_entry_safe(s, next, &t->socks, list) {
		if (atomic_read(&s->log_no_newline))
			at_fail(t, "%s logged without a newline: %s", s->name, s->log_bad);
		if (atomic_read(&s->log_after_release))
			at_fail(t, "%s logged after its release", s->name);
		kfree(s);
	}
	INIT_LIST_HEAD(&t->socks);
	return true;
}
