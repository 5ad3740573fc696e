// SPDX-License-Identifier: GPL-2.0
/*
 * Commands are written to /sys/kernel/debug/smbdirect_hold/command (each write
 * returns when the command is done; `echo` and `talk` may run at the same time):
 *
 *   listen          accept whatever comes, on all addresses, and keep it
 *   mute            listen on the port after the next, and accept nothing: whoever connects
 *                   there is not answered
 *   connect N       N connections to `addr`
 *   connect mute N  to that port: how it ends, and when, is what the write returns; several may
 *                   wait at the same time
 *   echo N          the server receives and sends back N messages on each connection
 *   talk N          the client sends N messages on each connection and checks what returns
 *   burst N         like talk, but all messages are sent before the first is read
 *   storm N         N messages on all connections at once, a thread for each end
 *   storm rdma N    the same with N pairs of RDMA transfers: the server reads memory of the
 *                   client and writes what it read, inverted, to other memory of the client
 *   half N          N connections to `addr` that end with the handshake of the CM
 *   ask N           N that end with its first message: the reply is not answered (InfiniBand
 *                   and RoCE; on iWARP the second message is the last)
 *   drip N          N that send the first byte of a negotiate request as their first message
 *   flood N         N of these kinds in turn; one that is refused is counted, and no error
 *   bare listen C   a listener on the next port, for connections with C completion
 *                   queues and without smbdirect.ko
 *   bare N C M      N connections to it, with C completion queues and M regions each
 *   drop clients    release all handles of this side: clients, servers, listener, mute,
 *                   bare, bare listener
 *
 * Reading it gives "clients N connected N servers N connected N bare N accepted N", of
 * the latter those that are connected, and "storm least N most N": the messages that
 * connections had carried when the first of them had carried all; and "flood half N drip N
 * ask N refused N".
 */
#include <linux/debugfs.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include "hold.h"

#define ROOM 100000

static char *addr = "";
module_param(addr, charp, 0444);
MODULE_PARM_DESC(addr, "address to connect to; its family is that of the listener, too");
static ushort port = 4450;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "port");
static uint longest = ROOM;
module_param(longest, uint, 0644);
MODULE_PARM_DESC(longest, "length of the longest message, at most 100000");
static int backlog = 10;
module_param(backlog, int, 0444);
MODULE_PARM_DESC(backlog, "of the listener");
static bool iwarp;
module_param(iwarp, bool, 0444);
MODULE_PARM_DESC(iwarp, "iWARP devices instead of InfiniBand and RoCE ones");

static struct hold_set clients, servers;
static struct smbdirect_socket *listener, *mute;
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

int hold_parse(struct sockaddr_storage *ss, const char *text, u16 at)
{
	char number[8];

	snprintf(number, sizeof(number), "%u", at);
	return inet_pton_with_scope(&init_net, AF_UNSPEC, text, number, ss);
}

static int wildcard(struct sockaddr_storage *ss, u16 at)
{
	return hold_parse(ss, strchr(addr, ':') ? "::" : "0.0.0.0", at);
}

static int listen_at(struct smbdirect_socket **to, u16 at)
{
	struct sockaddr_storage ss;
	struct smbdirect_socket *sc;
	int ret;

	if (*to)
		return -EBUSY;
	ret = wildcard(&ss, at);
	if (ret)
		return ret;
	sc = hold_socket(true, iwarp);
	if (IS_ERR(sc))
		return PTR_ERR(sc);
	ret = smbdirect_socket_bind(sc, (struct sockaddr *)&ss) ?:
	      smbdirect_socket_listen(sc, backlog);
	if (ret)
		smbdirect_socket_release(sc);
	else
		*to = sc;
	return ret;
}

static int do_listen(void)
{
	int ret = listen_at(&listener, port);

	if (ret)
		return ret;
	acceptor = kthread_run(accept_all, NULL, "smbdirect-hold");
	ret = PTR_ERR_OR_ZERO(acceptor);
	if (ret) {
		acceptor = NULL;
		smbdirect_socket_release(listener);
		listener = NULL;
	}
	return ret;
}

static int do_connect(u16 at, unsigned int count)
{
	struct sockaddr_storage ss;
	int ret = hold_parse(&ss, addr, at);

	while (!ret && count--) {
		struct smbdirect_socket *sc = hold_socket(false, iwarp);

		if (IS_ERR(sc))
			return PTR_ERR(sc);
		ret = smbdirect_connect_sync(sc, (struct sockaddr *)&ss);
		if (!ret && !add(&clients, sc))
			ret = -ENOSPC;
		if (ret) {
			pr_err("hold: connection %u: %d\n", clients.n + 1, ret);
			smbdirect_socket_release(sc);
		}
	}
	return ret;
}

static int do_bare_listen(unsigned int cqs)
{
	struct sockaddr_storage ss;

	return wildcard(&ss, port + 1) ?: bare_listen(&ss, cqs);
}

static int do_crowd(u16 at, unsigned int count, enum hold_kind kind, unsigned int cqs,
		    unsigned int mrs)
{
	struct sockaddr_storage to;

	return hold_parse(&to, addr, at) ?: hold_crowd(&to, count, kind, cqs, mrs);
}

static int do_flood(unsigned int count)
{
	struct sockaddr_storage to;

	return hold_parse(&to, addr, port) ?: hold_flood(&to, count, iwarp);
}

static int do_echo(u8 *buf, unsigned int count)
{
	unsigned int i, j, n = smp_load_acquire(&servers.n);
	int len, ret;

	for (i = 0; i < n; i++) {
		for (j = 0; j < count; j++) {
			len = hold_receive(servers.sc[i], buf, ROOM);
			if (len < 0)
				return len;
			ret = hold_send(servers.sc[i], buf, len);
			if (ret)
				return ret;
		}
	}
	return 0;
}

unsigned int hold_longest(void)
{
	return clamp(READ_ONCE(longest), 1u, ROOM);
}

/* Message j of connection i; every byte depends on all of its coordinates. */
u32 hold_compose(u8 *buf, unsigned int i, unsigned int j)
{
	u32 most = hold_longest(), len = most - (j * 7919 + i) % most, at;

	for (at = 0; at < len; at++)
		buf[at] = (at * 2654435761u + i * 40503 + j * 977) >> 11;
	return len;
}

int hold_say(struct smbdirect_socket *sc, u8 *buf, unsigned int i, unsigned int j)
{
	return hold_send(sc, buf, hold_compose(buf, i, j));
}

int hold_hear(struct smbdirect_socket *sc, u8 *buf, unsigned int i, unsigned int j)
{
	u8 *want = buf + hold_longest();
	u32 len = hold_compose(want, i, j);
	int ret = hold_receive(sc, buf, hold_longest());

	if (ret < 0)
		return ret;
	return ret == len && !memcmp(buf, want, len) ? 0 : -EBADMSG;
}

static int say(u8 *buf, unsigned int i, unsigned int j)
{
	return hold_say(clients.sc[i], buf, i, j);
}

static int hear(u8 *buf, unsigned int i, unsigned int j)
{
	return hold_hear(clients.sc[i], buf, i, j);
}

static int do_talk(u8 *buf, unsigned int count)
{
	unsigned int i, j;
	int ret = 0;

	for (i = 0; !ret && i < clients.n; i++)
		for (j = 0; !ret && j < count; j++)
			ret = say(buf, i, j) ?: hear(buf, i, j);
	return ret;
}

static int do_burst(u8 *buf, unsigned int count)
{
	unsigned int i, j;
	int ret = 0;

	for (i = 0; !ret && i < clients.n; i++) {
		for (j = 0; !ret && j < count; j++)
			ret = say(buf, i, j);
		for (j = 0; !ret && j < count; j++)
			ret = hear(buf, i, j);
	}
	return ret;
}

static int with_buffer(int (*fn)(u8 *buf, unsigned int count), unsigned int count)
{
	u8 *buf = kvmalloc(2 * ROOM, GFP_KERNEL);
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

static void drop_mute(void)
{
	if (mute)
		smbdirect_socket_release(mute);
	mute = NULL;
}

static int do_drop(const char *what)
{
	if (sysfs_streq(what, "clients"))
		drop(&clients);
	else if (sysfs_streq(what, "servers"))
		drop(&servers);
	else if (sysfs_streq(what, "listener"))
		stop_listening();
	else if (sysfs_streq(what, "mute"))
		drop_mute();
	else if (sysfs_streq(what, "bare"))
		bare_drop();
	else if (sysfs_streq(what, "bare listener"))
		bare_drop_listener();
	else
		return -EINVAL;
	return 0;
}

static int command(const char *text)
{
	unsigned int n, cqs, mrs;

	if (sysfs_streq(text, "listen"))
		return do_listen();
	if (sysfs_streq(text, "mute"))
		return listen_at(&mute, port + 2);
	if (sscanf(text, "connect %u", &n) == 1)
		return do_connect(port, n);
	if (sscanf(text, "connect mute %u", &n) == 1)
		return do_connect(port + 2, n);
	if (sscanf(text, "echo %u", &n) == 1)
		return with_buffer(do_echo, n);
	if (sscanf(text, "talk %u", &n) == 1)
		return with_buffer(do_talk, n);
	if (sscanf(text, "burst %u", &n) == 1)
		return with_buffer(do_burst, n);
	if (sscanf(text, "storm %u", &n) == 1)
		return hold_storm(&clients, &servers, n, false);
	if (sscanf(text, "storm rdma %u", &n) == 1)
		return hold_storm(&clients, &servers, n, true);
	if (sscanf(text, "half %u", &n) == 1)
		return do_crowd(port, n, HOLD_HALF, 1, 0);
	if (sscanf(text, "drip %u", &n) == 1)
		return do_crowd(port, n, HOLD_DRIP, 1, 0);
	if (sscanf(text, "ask %u", &n) == 1)
		return do_crowd(port, n, HOLD_ASK, 1, 0);
	if (sscanf(text, "flood %u", &n) == 1)
		return do_flood(n);
	if (sscanf(text, "bare listen %u", &n) == 1)
		return do_bare_listen(n);
	if (sscanf(text, "bare %u %u %u", &n, &cqs, &mrs) == 3)
		return do_crowd(port + 1, n, HOLD_HALF, cqs, mrs);
	if (strstarts(text, "drop "))
		return do_drop(text + 5);
	return -EINVAL;
}

static ssize_t command_write(struct file *file, const char __user *text, size_t len,
			     loff_t *pos)
{
	char copy[64] = "";
	sigset_t most, old;
	int ret;

	if (len >= sizeof(copy))
		return -EINVAL;
	if (copy_from_user(copy, text, len))
		return -EFAULT;
	/*
	 * A shell gets a signal when another command of its ends. Sleeps of the sockets
	 * would be interrupted by it, and the write restarted: the command done twice.
	 */
	siginitsetinv(&most, sigmask(SIGKILL));
	sigprocmask(SIG_BLOCK, &most, &old);
	ret = command(copy);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ret == -ERESTARTSYS ? -EINTR : ret ?: len;
}

static ssize_t command_read(struct file *file, char __user *text, size_t len, loff_t *pos)
{
	unsigned int own, peers, least, most;
	char line[256];
	int n;

	bare_counts(&own, &peers);
	hold_storm_progress(&least, &most);
	n = scnprintf(line, sizeof(line),
		      "clients %u connected %u servers %u connected %u bare %u accepted %u storm least %u most %u flood ",
		      clients.n, connected(&clients), servers.n, connected(&servers),
		      own, peers, least, most);
	n += hold_flood_progress(line + n, sizeof(line) - n - 1);
	line[n++] = '\n';
	return simple_read_from_buffer(text, len, pos, line, n);
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.read = command_read,
	.write = command_write,
};
static struct dentry *dir;

static int __init hold_init(void)
{
	dir = debugfs_create_dir("smbdirect_hold", NULL);
	debugfs_create_file("command", 0600, dir, NULL, &command_fops);
	return 0;
}

static void __exit hold_exit(void)
{
	debugfs_remove(dir);
	stop_listening();
	drop_mute();
	bare_drop_listener();
	drop(&clients);
	drop(&servers);
	bare_drop();
}

module_init(hold_init);
module_exit(hold_exit);
MODULE_DESCRIPTION("Test of smbdirect: connections kept as told");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("SMBDIRECT");
