// SPDX-License-Identifier: GPL-2.0
/*
 * Commands are written to /sys/module/smbdirect_hold/parameters/command:
 *
 *   listen          accept whatever comes, on all addresses, and keep it
 *   connect N       N connections to `addr`
 *   echo N          the server receives and sends back N messages on each connection
 *   talk N          the client sends N messages on each connection and checks what returns
 *   drop clients    release all handles of this side: clients, servers, listener
 *
 * Reading it gives "clients N connected N servers N connected N".
 */
#include <linux/kthread.h>
#include "hold.h"

#define LONGEST 100000

static char *addr = "";
module_param(addr, charp, 0444);
MODULE_PARM_DESC(addr, "address to connect to; its family is that of the listener, too");
static ushort port = 4450;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "port");
static bool iwarp;
module_param(iwarp, bool, 0444);
MODULE_PARM_DESC(iwarp, "iWARP devices instead of InfiniBand and RoCE ones");

static struct hold_set clients, servers;
static struct smbdirect_socket *listener;
static struct task_struct *acceptor;

static bool add(struct hold_set *set, struct smbdirect_socket *sc)
{
	unsigned int n = set->n;

	if (n == HOLD_MAX)
		return false;
	set->sc[n] = sc;
	smp_store_release(&set->n, n + 1);
	return true;
}

static void drop(struct hold_set *set)
{
	while (set->n)
		smbdirect_socket_release(set->sc[--set->n]);
}

static unsigned int connected(struct hold_set *set)
{
	unsigned int i, n = smp_load_acquire(&set->n), count = 0;

	for (i = 0; i < n; i++)
		count += smbdirect_connection_is_connected(set->sc[i]);
	return count;
}

static int accept_all(void *unused)
{
	while (!kthread_should_stop()) {
		struct proto_accept_arg arg = { .err = -EINVAL };
		struct smbdirect_socket *sc;

		sc = smbdirect_socket_accept(listener, HZ, &arg);
		if (sc && !add(&servers, sc))
			smbdirect_socket_release(sc);
		if (!sc && arg.err != -EAGAIN && arg.err != -ETIMEDOUT)
			schedule_timeout_interruptible(HZ / 10);
	}
	return 0;
}

static int wildcard_or_peer(struct sockaddr_storage *ss, const char *text)
{
	char number[8];

	snprintf(number, sizeof(number), "%u", port);
	return inet_pton_with_scope(&init_net, AF_UNSPEC, text, number, ss);
}

static int do_listen(void)
{
	struct sockaddr_storage ss;
	int ret;

	if (listener)
		return -EBUSY;
	ret = wildcard_or_peer(&ss, strchr(addr, ':') ? "::" : "0.0.0.0");
	if (ret)
		return ret;
	listener = hold_socket(true, iwarp);
	if (IS_ERR(listener)) {
		ret = PTR_ERR(listener);
		listener = NULL;
		return ret;
	}
	ret = smbdirect_socket_bind(listener, (struct sockaddr *)&ss) ?:
	      smbdirect_socket_listen(listener, 10);
	if (!ret) {
		acceptor = kthread_run(accept_all, NULL, "smbdirect-hold");
		ret = PTR_ERR_OR_ZERO(acceptor);
	}
	if (ret) {
		acceptor = NULL;
		smbdirect_socket_release(listener);
		listener = NULL;
	}
	return ret;
}

static int do_connect(unsigned int count)
{
	struct sockaddr_storage ss;
	int ret = wildcard_or_peer(&ss, addr);

	while (!ret && count--) {
		struct smbdirect_socket *sc = hold_socket(false, iwarp);

		if (IS_ERR(sc))
			return PTR_ERR(sc);
		ret = smbdirect_connect_sync(sc, (struct sockaddr *)&ss);
		if (!ret && !add(&clients, sc))
			ret = -ENOSPC;
		if (ret)
			smbdirect_socket_release(sc);
	}
	return ret;
}

static int do_echo(u8 *buf, unsigned int count)
{
	unsigned int i, j, n = smp_load_acquire(&servers.n);
	int len, ret;

	for (i = 0; i < n; i++) {
		for (j = 0; j < count; j++) {
			len = hold_receive(servers.sc[i], buf, LONGEST);
			if (len < 0)
				return len;
			ret = hold_send(servers.sc[i], buf, len);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* Every byte of every message depends on all of its coordinates. */
static u8 pattern(unsigned int i, unsigned int j, u32 at)
{
	return (at * 2654435761u + i * 40503 + j * 977) >> 11;
}

static int do_talk(u8 *buf, unsigned int count)
{
	unsigned int i, j;
	u32 at, len;
	int ret;

	for (i = 0; i < clients.n; i++) {
		for (j = 0; j < count; j++) {
			len = 1 + (j * 7919 + i) % LONGEST;
			for (at = 0; at < len; at++)
				buf[at] = pattern(i, j, at);
			ret = hold_send(clients.sc[i], buf, len);
			if (ret)
				return ret;
			memset(buf, 0, len);
			ret = hold_receive(clients.sc[i], buf, LONGEST);
			if (ret != len)
				return ret < 0 ? ret : -EBADMSG;
			for (at = 0; at < len; at++)
				if (buf[at] != pattern(i, j, at))
					return -EBADMSG;
		}
	}
	return 0;
}

static int with_buffer(int (*fn)(u8 *buf, unsigned int count), unsigned int count)
{
	u8 *buf = kvmalloc(LONGEST, GFP_KERNEL);
	int ret = buf ? fn(buf, count) : -ENOMEM;

	kvfree(buf);
	return ret;
}

static void stop_listening(void)
{
	if (!listener)
		return;
	/* let the thread out first: nobody may accept from a released socket */
	smbdirect_socket_shutdown(listener);
	kthread_stop(acceptor);
	smbdirect_socket_release(listener);
	listener = NULL;
}

static int command(const char *text, const struct kernel_param *kp)
{
	unsigned int n;

	if (sysfs_streq(text, "listen"))
		return do_listen();
	if (sscanf(text, "connect %u", &n) == 1)
		return do_connect(n);
	if (sscanf(text, "echo %u", &n) == 1)
		return with_buffer(do_echo, n);
	if (sscanf(text, "talk %u", &n) == 1)
		return with_buffer(do_talk, n);
	if (sysfs_streq(text, "drop clients"))
		drop(&clients);
	else if (sysfs_streq(text, "drop servers"))
		drop(&servers);
	else if (sysfs_streq(text, "drop listener"))
		stop_listening();
	else
		return -EINVAL;
	return 0;
}

static int show(char *out, const struct kernel_param *kp)
{
	return sysfs_emit(out, "clients %u connected %u servers %u connected %u\n",
			  clients.n, connected(&clients), servers.n, connected(&servers));
}

static const struct kernel_param_ops command_ops = { .set = command, .get = show };
module_param_cb(command, &command_ops, NULL, 0644);
MODULE_PARM_DESC(command, "listen, connect N, echo N, talk N, drop clients|servers|listener");

static int __init hold_init(void)
{
	return 0;
}

static void __exit hold_exit(void)
{
	stop_listening();
	drop(&clients);
	drop(&servers);
}

module_init(hold_init);
module_exit(hold_exit);
MODULE_DESCRIPTION("Test of smbdirect: connections kept as told");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("SMBDIRECT");
