// SPDX-License-Identifier: GPL-2.0
/* RDMA devices that are not there, come, and go: hook_add= and hook_del= do it. */
#include <linux/kmod.h>
#include <linux/umh.h>
#include "abitest.h"

static int hook_fn(struct at_party *p)
{
	char *argv[] = { p->arg, NULL };
	char *envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", NULL };

	p->waiting = "the hook program";
	return call_usermodehelper(argv[0], argv, envp, UMH_WAIT_PROC);
}

static bool hook(struct at *t, const char *path)
{
	struct at_party *p;

	if (!*path || !*at_hook_add()) {
		at_skip(t, "no hook_add= and hook_del= given");
		return false;
	}
	p = at_spawn(t, "hook", hook_fn, (void *)path);
	if (!p || !at_join(p, 20))
		return false;
	AT_CHECK_RET(t, !p->ret, false, "%s: exit %d", path, p->ret);
	return true;
}

/* Must succeed on a machine without any RDMA device. */
static void nodev_listen(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct proto_accept_arg arg = { .err = 0 };
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct at_sock *cli = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(445) };
	int ret;

	if (!lst || !cli)
		return;
	t->waiting = "accept with 200 ms";
	AT_CHECK(t, !smbdirect_socket_accept(lst->sc, HZ / 5, &arg), "accept gave a socket");
	AT_EQ(t, "accept", arg.err, -ETIMEDOUT);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	t->waiting = "connect_sync without a device";
	ret = smbdirect_connect_sync(cli->sc, (struct sockaddr *)&sin);
	AT_CHECK(t, ret < 0, "connected without a device");
}

/* A listener older than the device serves it. */
static void hotplug_device_comes(struct at *t)
{
	static const struct at_opts none;
	struct at_pair p;

	if (!hook(t, at_hook_del()))
		return;
	p.lst = at_listener(t, NULL, 10, false);
	if (!hook(t, at_hook_add()))
		return;
	at_sleep_ms(1000);
	if (p.lst && at_pair_join(t, &p, &none))
		at_echo(t, &p, 1000);
}

static int read_fn(struct at_party *p)
{
	u8 b[4];

	p->waiting = "recvmsg";
	return at_recv(p->arg, b, 4);
}

/* The device goes under a live connection; the listener lives on. */
static void hotplug_device_goes(struct at *t)
{
	struct at_region *r = at_region(t, AT_BVEC, 20000, 0);
	struct at_party *a, *b;
	struct at_pair p;
	struct at_mr *m;

	if (!*at_hook_del()) {
		at_skip(t, "no hook_add= and hook_del= given");
		return;
	}
	if (!r || !at_pair_open(t, &p, NULL))
		return;
	m = at_mr(t, p.cli, r, true, false);
	a = at_spawn(t, "server reader", read_fn, p.srv);
	b = at_spawn(t, "client reader", read_fn, p.cli);
	if (!m || !a || !b)
		return;
	/*
	 * Removal waits until every user let the device go, so the consumers
	 * must learn of it and release while the removal is under way.
	 */
	{
		struct at_party *h = at_spawn(t, "hook", hook_fn, (void *)at_hook_del());

		if (!h || !at_join(a, 10) || !at_join(b, 10))
			return;
		AT_EQ(t, "server reader", a->ret, -ENOTCONN);
		AT_EQ(t, "client reader", b->ret, -ENOTCONN);
		if (!at_release(t, p.cli) || !at_release(t, p.srv) || !at_mr_drop(t, m) ||
		    !at_join(h, 20))
			return;
		AT_EQ(t, "hook_del", h->ret, 0);
	}
	if (!hook(t, at_hook_add()))
		return;
	at_sleep_ms(1000);
	{
		static const struct at_opts none;

		if (at_pair_join(t, &p, &none))
			at_echo(t, &p, 1000);
	}
}

const struct at_case at_cases_hotplug[] = {
	{ "nodev_listen", nodev_listen, 0, AT_NODEV },
	{ "hotplug_device_comes", hotplug_device_comes, 60 },
	{ "hotplug_device_goes", hotplug_device_goes, 60 },
	{}
};
