// SPDX-License-Identifier: GPL-2.0
/*
 * The memory that an RDMA read goes to. On iWARP the request for the read carries a
 * key for it, with which the peer may write to it, as its answer does. The peer
 * here is raw, and has the key from the region itself, as one has it from the wire.
 */
#include <linux/kprobes.h>
#include "raw.h"

#define LEN 40000

/* The regions that were mapped while we look. */
static struct ib_mr *mapped[8];
static atomic_t count;

static int note_region(struct kprobe *kp, struct pt_regs *regs)
{
	unsigned int n = atomic_inc_return(&count) - 1;

	if (n < ARRAY_SIZE(mapped))
		mapped[n] = (struct ib_mr *)regs_get_kernel_argument(regs, 0);
	return 0;
}

static struct kprobe look = { .symbol_name = "ib_map_mr_sg", .pre_handler = note_region };

static bool look_begin(struct at *t)
{
	int ret;

	atomic_set(&count, 0);
	/* it may have been registered before */
	look.addr = NULL;
	look.flags = 0;
	ret = register_kprobe(&look);
	AT_CHECK_RET(t, !ret, false, "no probe at %s: %d", look.symbol_name, ret);
	return true;
}

/* How many regions there were. */
static int look_end(void)
{
	unregister_kprobe(&look);
	return atomic_read(&count);
}

/* The server reads what the raw client lends; how many regions it needed, or -1. */
static int read_once(struct at *t, struct at_sock *srv, const struct smbdirect_buffer_descriptor_v1 *desc,
		     struct at_xmit *x)
{
	int ret, n;

	*x = (struct at_xmit) { srv, at_alloc(t, LEN), LEN, at_alloc(t, sizeof(*desc)), 1, true };
	if (!x->buf || !x->desc)
		return -1;
	*x->desc = *desc;
	if (!look_begin(t))
		return -1;
	ret = at_xmit(t, x);
	n = look_end();
	AT_CHECK_RET(t, !ret, -1, "RDMA read: %d", ret);
	AT_CHECK_RET(t, at_differs(x->buf, LEN, 3) < 0, -1, "the read data differs");
	return n;
}

static struct raw_peer *lender(struct at *t, struct at_sock **srv, struct smbdirect_buffer_descriptor_v1 *desc)
{
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct raw_peer *p = lst ? raw_client(t, lst, NULL, srv, NULL) : NULL;
	u8 *lent = at_alloc_kind(t, LEN, AT_KMALLOC);
	int ret;

	if (!p || !lent)
		return NULL;
	at_fill(lent, LEN, 3);
	ret = raw_lend(p, lent, LEN, desc);
	AT_CHECK_RET(t, !ret, NULL, "registration by the raw peer: %d", ret);
	return p;
}

/* RoCE and InfiniBand show nothing; over iWARP the key is dead before the read returns. */
static void sink_key_is_dead(struct at *t)
{
	struct smbdirect_buffer_descriptor_v1 desc;
	struct at_xmit *x = at_alloc(t, sizeof(*x));
	u8 *noise = at_alloc_kind(t, LEN, AT_KMALLOC);
	struct raw_peer *p;
	struct at_sock *srv;
	int n;

	p = x && noise ? lender(t, &srv, &desc) : NULL;
	if (!p)
		return;
	n = read_once(t, srv, &desc, x);
	if (n < 0)
		return;
	if (!at_is_iwarp()) {
		AT_EQ(t, "regions for a read", n, 0);
		return;
	}
	AT_CHECK(t, n >= 1 && n <= ARRAY_SIZE(mapped), "%d regions for a read", n);
	AT_CHECK(t, raw_stays(p, 100), "the connection ended after the read");
	memset(noise, 0xa5, LEN);
	raw_rdma_write(p, mapped[0]->iova, mapped[0]->rkey, noise, mapped[0]->length);
	/* the write is on its way; a key that is alive would let it in */
	AT_CHECK(t, raw_wait_gone(p, 8000), "the connection goes on after a write to the key %#x of a read that is over: "
		 "the memory %s", mapped[0]->rkey, at_differs(x->buf, LEN, 3) < 0 ? "is as it was" : "differs");
	AT_CHECK(t, at_differs(x->buf, LEN, 3) < 0, "the memory of a read that is over differs");
}

/* That the raw peer finds the key of a region, and that a write to one that is alive arrives. */
static void sink_live_key_is_found(struct at *t)
{
	u8 *noise = at_alloc_kind(t, LEN, AT_KMALLOC);
	struct at_region *r;
	struct raw_peer *p;
	struct at_sock *cli;
	struct raw_data d;
	struct at_mr *m;
	u8 in[80];
	int n;

	p = noise ? raw_server(t, &cli) : NULL;
	r = p ? at_region(t, AT_BVEC, LEN, 0) : NULL;
	if (!r || !look_begin(t))
		return;
	m = at_mr(t, cli, r, true, true);
	n = look_end();
	if (!m)
		return;
	AT_EQ(t, "regions for a registration", n, 1);
	AT_EQ(t, "key", mapped[0]->rkey, le32_to_cpu(m->desc.token));
	AT_CHECK(t, mapped[0]->iova == le64_to_cpu(m->desc.offset), "address %#llx", mapped[0]->iova);
	/* the key is good for what is sent later */
	AT_EQ(t, "send", at_send(cli, "hello", 5), 0);
	do {
		n = raw_recv_data(p, &d, in, sizeof(in), 3000);
	} while (n > 0 && !d.length);
	AT_CHECK(t, n > 0, "nothing arrived: %d", n);
	at_fill(noise, LEN, 9);
	AT_EQ(t, "write", raw_rdma_write(p, mapped[0]->iova, mapped[0]->rkey, noise, LEN), 0);
	/* over iWARP it is complete when it has been sent: an answer comes behind it */
	AT_EQ(t, "raw message", raw_send_message(p, noise, 80, 1), 0);
	AT_EQ(t, "message", at_recv_msg(cli, in, sizeof(in)), 80);
	AT_CHECK(t, !raw_gone(p), "the connection ended");
	if (at_mr_drop(t, m))
		AT_CHECK(t, at_region_differs(r, 9) < 0, "the written data differs at %ld", at_region_differs(r, 9));
}

const struct at_case at_cases_sink[] = {
	{ "sink_live_key_is_found", sink_live_key_is_found },
	{ "sink_key_is_dead", sink_key_is_dead },
	{}
};
