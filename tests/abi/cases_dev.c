// SPDX-License-Identifier: GPL-2.0
/* Devices: node types of netdevs, the capability test, and the DebugData text. */
#include <linux/ctype.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include "abitest.h"

static char *dev_plain = "";
module_param(dev_plain, charp, 0444);
static char *dev_vlan = "";
module_param(dev_vlan, charp, 0444);
static char *dev_bridge = "";
module_param(dev_bridge, charp, 0444);
static char *dev_bond = "";
module_param(dev_bond, charp, 0444);
static char *dev_team = "";
module_param(dev_team, charp, 0444);
static char *dev_macvlan = "";
module_param(dev_macvlan, charp, 0444);
static char *dev_vlan_bridge = "";
module_param(dev_vlan_bridge, charp, 0444);
static char *dev_none = "";
module_param(dev_none, charp, 0444);

/* As ksmbd calls it: with rtnl held. */
static void node_type(struct at *t, const char *name, const char *kind, bool capable)
{
	u8 want = !capable ? RDMA_NODE_UNSPECIFIED :
		  at_is_iwarp() ? RDMA_NODE_RNIC : RDMA_NODE_IB_CA, got = 0;
	struct net_device *dev;

	if (!*name) {
		at_skip(t, "no %s= given", kind);
		return;
	}
	rtnl_lock();
	dev = __dev_get_by_name(&init_net, name);
	if (dev)
		got = smbdirect_netdev_rdma_capable_node_type(dev);
	rtnl_unlock();
	AT_CHECK(t, dev, "no netdev %s", name);
	AT_CHECK(t, got == want, "%s (%s): node type %u instead of %u", name, kind, got, want);
}

#define NODE_TYPE(kind, capable)						\
	static void dev_node_type_##kind(struct at *t)				\
	{									\
		node_type(t, dev_##kind, "dev_" #kind, capable);		\
	}

NODE_TYPE(plain, true)
NODE_TYPE(vlan, true)
NODE_TYPE(bridge, true)
NODE_TYPE(bond, true)
NODE_TYPE(team, true)
NODE_TYPE(macvlan, true)
NODE_TYPE(vlan_bridge, true)
NODE_TYPE(none, false)

static void dev_frwr(struct at *t)
{
	struct ib_device_attr a = {};

	AT_CHECK(t, !smbdirect_frwr_is_supported(&a), "nothing set");
	a.device_cap_flags = IB_DEVICE_MEM_MGT_EXTENSIONS;
	AT_CHECK(t, !smbdirect_frwr_is_supported(&a), "no pages");
	a.max_fast_reg_page_list_len = 1;
	AT_CHECK(t, smbdirect_frwr_is_supported(&a), "both set");
	a.device_cap_flags = ~(u64)IB_DEVICE_MEM_MGT_EXTENSIONS;
	AT_CHECK(t, !smbdirect_frwr_is_supported(&a), "no flag");
}

/* %u decimal, %x hexadecimal, %s capitals and underscores; the rest literal. */
static bool matches(const char *text, const char *form, u64 *values)
{
	while (*form) {
		if (*form != '%') {
			if (*text++ != *form++)
				return false;
			continue;
		}
		if (form[1] == 's') {
			if (!isupper(*text))
				return false;
			while (isupper(*text) || *text == '_')
				text++;
		} else {
			unsigned int base = form[1] == 'x' ? 16 : 10;
			char *end;

			if (!isxdigit(*text))
				return false;
			*values++ = simple_strtoull(text, &end, base);
			text = end;
		}
		form += 2;
	}
	return !*text;
}

static const char debug_form[] =
	"\nSMBDirect protocol version: 0x%x transport status: %s (%u)"
	"\nConn receive_credit_max: %u send_credit_target: %u max_send_size: %u"
	"\nConn max_fragmented_recv_size: %u max_fragmented_send_size: %u max_receive_size:%u"
	"\nConn keep_alive_interval: %u max_readwrite_size: %u rdma_readwrite_threshold: %u"
	"\nDebug count_get_receive_buffer: %u count_put_receive_buffer: %u count_send_empty: %u"
	"\nRead Queue count_enqueue_reassembly_queue: %u count_dequeue_reassembly_queue: %u"
	" reassembly_data_length: %u reassembly_queue_length: %u"
	"\nCurrent Credits send_credits: %u receive_credits: %u receive_credit_target: %u"
	"\nPending send_pending: %u "
	"\nMR responder_resources: %u max_frmr_depth: %u mr_type: 0x%x"
	"\nMR mr_ready_count: %u mr_used_count: %u";

enum {
	D_VERSION, D_STATUS, D_RECV_MAX, D_SEND_TARGET, D_MAX_SEND, D_FRAG_RECV, D_FRAG_SEND,
	D_MAX_RECV, D_KEEPALIVE, D_RW, D_THRESHOLD, D_GET, D_PUT, D_EMPTY, D_ENQ, D_DEQ,
	D_DATA, D_QUEUE, D_SEND_CREDITS, D_RECV_CREDITS, D_TARGET, D_PENDING, D_RESPONDER,
	D_DEPTH, D_MR_TYPE, D_READY, D_USED, D_COUNT,
};

/* Under a spinlock, as cifs calls it. */
static bool debug_text(struct at *t, struct at_sock *s, u64 *v)
{
	static DEFINE_SPINLOCK(lock);
	struct seq_file m = { .size = 4096, .buf = at_alloc(t, 4096) };

	if (!m.buf)
		return false;
	spin_lock(&lock);
	smbdirect_connection_legacy_debug_proc_show(s->sc, 4711, &m);
	spin_unlock(&lock);
	AT_CHECK_RET(t, m.count < m.size, false, "text too long");
	m.buf[m.count] = 0;
	if (!matches(m.buf, debug_form, v)) {
		pr_info("abitest: DebugData:%s\n", m.buf);
		at_fail(t, "the DebugData text has another form");
		return false;
	}
	return true;
}

static void dev_debug_text(struct at *t)
{
	const struct smbdirect_socket_parameters *sp;
	struct at_region *r = at_region(t, AT_BVEC, 4096, 0);
	struct seq_file none = {};
	u64 v[D_COUNT], w[D_COUNT];
	struct at_pair p;
	struct at_mr *m;

	smbdirect_connection_legacy_debug_proc_show(NULL, 0, &none);
	AT_EQ(t, "text for no socket", none.count, 0);
	if (!r || !at_pair_open(t, &p, NULL) || !debug_text(t, p.cli, v))
		return;
	sp = at_params(p.cli);
	AT_EQ(t, "version", v[D_VERSION], 0x100);
	AT_EQ(t, "status", v[D_STATUS], 14);
	AT_EQ(t, "receive_credit_max", v[D_RECV_MAX], sp->recv_credit_max);
	AT_EQ(t, "send_credit_target", v[D_SEND_TARGET], sp->send_credit_target);
	AT_EQ(t, "max_send_size", v[D_MAX_SEND], sp->max_send_size);
	AT_EQ(t, "max_fragmented_recv_size", v[D_FRAG_RECV], sp->max_fragmented_recv_size);
	AT_EQ(t, "max_fragmented_send_size", v[D_FRAG_SEND], sp->max_fragmented_send_size);
	AT_EQ(t, "max_receive_size", v[D_MAX_RECV], sp->max_recv_size);
	AT_EQ(t, "keep_alive_interval", v[D_KEEPALIVE], sp->keepalive_interval_msec / 1000);
	AT_EQ(t, "max_readwrite_size", v[D_RW], sp->max_read_write_size);
	AT_EQ(t, "rdma_readwrite_threshold", v[D_THRESHOLD], 4711);
	AT_EQ(t, "responder_resources", v[D_RESPONDER], sp->responder_resources);
	AT_EQ(t, "max_frmr_depth", v[D_DEPTH], sp->max_frmr_depth);
	AT_EQ(t, "mr_used_count", v[D_USED], 0);
	AT_CHECK(t, v[D_SEND_CREDITS] > 0, "send_credits 0 on an idle connection");
	AT_CHECK(t, v[D_TARGET] > 0, "receive_credit_target 0");

	m = at_mr(t, p.cli, r, true, true);
	if (!m || !at_message(t, p.srv, p.cli, 5000, AT_ITER) || !debug_text(t, p.cli, w))
		return;
	AT_EQ(t, "mr_used_count with one registration", w[D_USED], 1);
	AT_CHECK(t, w[D_ENQ] > v[D_ENQ], "count_enqueue_reassembly_queue did not move");
	AT_EQ(t, "enqueued and dequeued", w[D_ENQ] - v[D_ENQ], w[D_DEQ] - v[D_DEQ]);
	AT_EQ(t, "reassembly_data_length when all is read", w[D_DATA], 0);
	/* sends without a completion of their own may count until a later one has it */
	AT_CHECK(t, w[D_PENDING] <= sp->send_credit_target, "send_pending %llu", w[D_PENDING]);
}

static void dev_debug_text_states(struct at *t)
{
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_sock *s = at_socket(t, "fresh", &sp, IB_POLL_SOFTIRQ);
	u64 v[D_COUNT];

	if (!lst || !s || !debug_text(t, lst, v))
		return;
	AT_EQ(t, "status of a listener", v[D_STATUS], 1);
	if (!debug_text(t, s, v))
		return;
	AT_EQ(t, "status of a fresh socket", v[D_STATUS], 0);
	smbdirect_socket_shutdown(lst->sc);
	smbdirect_socket_shutdown(s->sc);
	at_sleep_ms(300);
	if (!debug_text(t, s, v))
		return;
	AT_EQ(t, "status after shutdown", v[D_STATUS], 17);
}

static int reader_fn(struct at_party *p)
{
	struct at_sock *s = p->arg;
	struct seq_file m = { .size = 4096, .buf = kmalloc(4096, GFP_KERNEL) };
	int i;

	for (i = 0; m.buf && i < 2000; i++) {
		m.count = 0;
		smbdirect_connection_legacy_debug_proc_show(s->sc, i, &m);
		cond_resched();
	}
	kfree(m.buf);
	return 0;
}

static void dev_debug_text_busy(struct at *t)
{
	struct at_party *r;
	struct at_pair p;

	if (!at_pair_open(t, &p, NULL))
		return;
	r = at_spawn(t, "DebugData", reader_fn, p.cli);
	while (r && !at_done(r))
		if (!at_echo(t, &p, 5000))
			return;
}

const struct at_case at_cases_dev[] = {
	{ "dev_node_type_plain", dev_node_type_plain, 0, AT_NODEV },
	{ "dev_node_type_vlan", dev_node_type_vlan, 0, AT_NODEV },
	{ "dev_node_type_bridge", dev_node_type_bridge, 0, AT_NODEV },
	{ "dev_node_type_bond", dev_node_type_bond, 0, AT_NODEV },
	{ "dev_node_type_team", dev_node_type_team, 0, AT_NODEV },
	{ "dev_node_type_macvlan", dev_node_type_macvlan, 0, AT_NODEV },
	{ "dev_node_type_vlan_bridge", dev_node_type_vlan_bridge, 0, AT_NODEV },
	{ "dev_node_type_none", dev_node_type_none, 0, AT_NODEV },
	{ "dev_frwr", dev_frwr, 0, AT_NODEV },
	{ "dev_debug_text", dev_debug_text },
	{ "dev_debug_text_states", dev_debug_text_states },
	{ "dev_debug_text_busy", dev_debug_text_busy },
	{}
};
