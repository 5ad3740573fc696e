// SPDX-License-Identifier: GPL-2.0
/*
 * All connections at work at once: a thread for each end of each. Clients send
 * messages, or lend memory, and check what comes back; whoever is first says how far the
 * others are.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include "hold.h"

static struct storm {
	struct hold_set *clients, *servers;
	/* memory is lent instead of sending messages */
	bool rdma;
	unsigned int n, count, room;
	unsigned int done[HOLD_MAX];
	unsigned int least, most;
	atomic_t finished;
	int ret;
	struct completion start, ended;
} storm;

static struct storm_end {
	unsigned int index;
	bool server;
} ends[2 * HOLD_MAX];

static int send_back(struct smbdirect_socket *sc, u8 *buf)
{
	int ret = hold_receive(sc, buf, storm.room);

	return ret < 0 ? ret : hold_send(sc, buf, ret);
}

static int serve(unsigned int i, u8 *buf)
{
	struct smbdirect_socket *sc = storm.servers->sc[i];
	unsigned int j;
	int ret = 0;

	for (j = 0; !ret && j < storm.count; j++)
		ret = storm.rdma ? hold_borrow(sc, buf) : send_back(sc, buf);
	return ret;
}

static void look_around(void)
{
	unsigned int i;

	storm.least = storm.count;
	storm.most = 0;
	for (i = 0; i < storm.n; i++) {
		storm.least = min(storm.least, READ_ONCE(storm.done[i]));
		storm.most = max(storm.most, READ_ONCE(storm.done[i]));
	}
}

static int ask(unsigned int i, u8 *buf)
{
	struct smbdirect_socket *sc = storm.clients->sc[i];
	unsigned int j;
	int ret;

	for (j = 0; j < storm.count; j++) {
		if (storm.rdma)
			ret = hold_lend(sc, buf, i, j);
		else
			ret = hold_say(sc, buf, i, j) ?: hold_hear(sc, buf, i, j);
		if (ret)
			return ret;
		WRITE_ONCE(storm.done[i], j + 1);
	}
	if (atomic_inc_return(&storm.finished) == 1)
		look_around();
	return 0;
}

static int end_fn(void *arg)
{
	struct storm_end *end = arg;
	u8 *buf = kvmalloc(2 * storm.room, GFP_KERNEL);
	int ret = -ENOMEM;

	wait_for_completion(&storm.start);
	if (buf)
		ret = end->server ? serve(end->index, buf) : ask(end->index, buf);
	kvfree(buf);
	if (ret) {
		pr_err("hold: storm: %s %u: %d\n", end->server ? "server" : "client",
		       end->index, ret);
		WRITE_ONCE(storm.ret, ret);
		/* the other end waits for what does not come */
		smbdirect_socket_shutdown(end->server ? storm.servers->sc[end->index] :
							storm.clients->sc[end->index]);
	}
	/* without a return to code that may be gone */
	kthread_complete_and_exit(&storm.ended, 0);
}

/* Returns when all threads are done, with the last error of any. */
int hold_storm(struct hold_set *clients, struct hold_set *servers, unsigned int count,
	       bool rdma)
{
	unsigned int i, running = 0, n = clients->n;

	if (smp_load_acquire(&servers->n) != n || !n || !count)
		return -EINVAL;
	storm = (struct storm) {
		.clients = clients, .servers = servers, .rdma = rdma, .n = n, .count = count,
		.room = hold_longest(),
	};
	init_completion(&storm.ended);
	init_completion(&storm.start);
	for (i = 0; i < 2 * n; i++) {
		struct task_struct *task;

		ends[i] = (struct storm_end) { i / 2, i % 2 == 0 };
		task = kthread_run(end_fn, &ends[i], "hold-storm/%u", i / 2);
		if (IS_ERR(task)) {
			storm.ret = PTR_ERR(task);
			smbdirect_socket_shutdown(clients->sc[i / 2]);
			smbdirect_socket_shutdown(servers->sc[i / 2]);
		} else {
			running++;
		}
	}
	complete_all(&storm.start);
	while (running--)
		wait_for_completion(&storm.ended);
	return storm.ret;
}

/* How far the others were when the first was through: messages, of how many. */
void hold_storm_progress(unsigned int *least, unsigned int *most)
{
	*least = storm.least;
	*most = storm.most;
}
