// SPDX-License-Identifier: GPL-2.0
/*
 * C wrappers of inline functions, macros and varargs; see helpers.h.
 */
#include <linux/ctype.h>
#include <linux/if_arp.h>
#include <linux/inet.h>
#include <linux/inetdevice.h>
#include <linux/in6.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include <linux/uio.h>
#include <linux/unicode.h>
#include <linux/vmalloc.h>
#include <net/addrconf.h>
#include <net/net_namespace.h>
#include "helpers.h"

int smbd_post_send(struct ib_qp *qp, struct ib_send_wr *wr, const struct ib_send_wr **bad_wr)
{
	return ib_post_send(qp, wr, bad_wr);
}

int smbd_post_recv(struct ib_qp *qp, struct ib_recv_wr *wr, const struct ib_recv_wr **bad_wr)
{
	return ib_post_recv(qp, wr, bad_wr);
}

u64 smbd_dma_map_single(struct ib_device *dev, void *addr, size_t size, int dir)
{
	return ib_dma_map_single(dev, addr, size, dir);
}

void smbd_dma_unmap_single(struct ib_device *dev, u64 addr, size_t size, int dir)
{
	ib_dma_unmap_single(dev, addr, size, dir);
}

int smbd_dma_mapping_error(struct ib_device *dev, u64 addr)
{
	return ib_dma_mapping_error(dev, addr);
}

void smbd_dma_sync_for_cpu(struct ib_device *dev, u64 addr, size_t size, int dir)
{
	ib_dma_sync_single_for_cpu(dev, addr, size, dir);
}

void smbd_dma_sync_for_device(struct ib_device *dev, u64 addr, size_t size, int dir)
{
	ib_dma_sync_single_for_device(dev, addr, size, dir);
}

int smbd_dma_map_sg(struct ib_device *dev, struct scatterlist *sg, int nents, int dir)
{
	return ib_dma_map_sg(dev, sg, nents, dir);
}

void smbd_dma_unmap_sg(struct ib_device *dev, struct scatterlist *sg, int nents, int dir)
{
	ib_dma_unmap_sg(dev, sg, nents, dir);
}

void smbd_mr_next_key(struct ib_mr *mr)
{
	ib_update_fast_reg_key(mr, (mr->rkey & 0xff) + 1 + get_random_u32_below(255));
}

bool smbd_port_is_iwarp(struct ib_device *dev, u32 port)
{
	return rdma_protocol_iwarp(dev, port);
}

bool smbd_port_is_infiniband(struct ib_device *dev, u32 port)
{
	return rdma_protocol_ib(dev, port);
}

bool smbd_port_is_ib_or_roce(struct ib_device *dev, u32 port)
{
	return rdma_ib_or_roce(dev, port);
}

u64 smbd_device_cap_flags(struct ib_device *dev)
{
	return dev->attrs.device_cap_flags;
}

u64 smbd_device_kernel_cap_flags(struct ib_device *dev)
{
	return dev->attrs.kernel_cap_flags;
}

static struct page *smbd_page_of(const void *addr)
{
	return is_vmalloc_addr(addr) ? vmalloc_to_page(addr) : virt_to_page(addr);
}

/*
 * The longest piece of memory that can be mapped for a device, in whole pages;
 * where all DMA is bounced that is some 256 KiB.
 */
size_t smbd_sg_longest(struct ib_device *dev)
{
	size_t longest = SZ_1G;

	if (!ib_uses_virt_dma(dev))
		longest = min(longest, dma_max_mapping_size(dev->dma_device));
	return max(round_down(longest, PAGE_SIZE), PAGE_SIZE);
}

/* Upper bound of the entries smbd_sg_from_buf() needs. */
unsigned int smbd_sg_bound(const void *buf, size_t len, size_t longest)
{
	return DIV_ROUND_UP(offset_in_page(buf) + len, is_vmalloc_addr(buf) ? PAGE_SIZE : longest);
}

/*
 * Describes @len bytes at @buf (linear map or vmalloc), merging physically
 * contiguous pages to at most @longest bytes. Returns the number of entries, or
 * -EINVAL if @max is too small or a page is not mapped.
 */
int smbd_sg_from_buf(struct scatterlist *sg, unsigned int max, void *buf, size_t len,
		     size_t longest)
{
	size_t piece = is_vmalloc_addr(buf) ? PAGE_SIZE : longest;
	unsigned int n = 0;

	if (!max || !len)
		return -EINVAL;
	sg_init_table(sg, max);
	while (len) {
		size_t part = min_t(size_t, len, piece - offset_in_page(buf));
		struct page *page = smbd_page_of(buf);

		if (!page)
			return -EINVAL;
		if (n && sg_phys(&sg[n - 1]) + sg[n - 1].length == page_to_phys(page) + offset_in_page(buf) &&
		    sg[n - 1].offset + sg[n - 1].length + part <= longest) {
			sg[n - 1].length += part;
		} else {
			if (n == max)
				return -EINVAL;
			sg_set_page(&sg[n++], page, part, offset_in_page(buf));
		}
		buf += part;
		len -= part;
	}
	sg_mark_end(&sg[n - 1]);
	return n;
}

void smbd_sg_mark_end(struct scatterlist *sg, unsigned int nents)
{
	sg_mark_end(&sg[nents - 1]);
}

size_t smbd_iov_count(const struct iov_iter *iter)
{
	return iov_iter_count(iter);
}

u64 smbd_now_ms(void)
{
	return jiffies64_to_msecs(get_jiffies_64());
}

unsigned int smbd_nofs_save(void)
{
	return memalloc_nofs_save();
}

void smbd_nofs_restore(unsigned int flags)
{
	memalloc_nofs_restore(flags);
}

unsigned int smbd_noio_save(void)
{
	return memalloc_noio_save();
}

void smbd_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}

/* A thread that kthread_stop() may be called for: workers are nobody's to stop. */
bool smbd_awaits_stop(void)
{
	return (current->flags & (PF_KTHREAD | PF_WQ_WORKER)) == PF_KTHREAD && !kthread_should_stop();
}

bool smbd_log_ratelimit(unsigned int source)
{
	static struct ratelimit_state rs[SMBD_LOG_SOURCES] = {
		[0 ... SMBD_LOG_SOURCES - 1] = RATELIMIT_STATE_INIT(rs, DEFAULT_RATELIMIT_INTERVAL,
								    DEFAULT_RATELIMIT_BURST),
	};

	return __ratelimit(&rs[source % SMBD_LOG_SOURCES]);
}

static __printf(8, 9) void smbd_log_format(smbd_log_vaprintf_fn vaprintf, struct smbdirect_socket *sc,
					   const char *func, unsigned int line, void *priv, unsigned int lvl,
					   unsigned int cls, const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	vaprintf(sc, func, line, priv, lvl, cls, &vaf);
	va_end(args);
}

void smbd_log_text(smbd_log_vaprintf_fn vaprintf, struct smbdirect_socket *sc, const char *func, unsigned int line,
		   void *priv, unsigned int lvl, unsigned int cls, const char *text, int len)
{
	smbd_log_format(vaprintf, sc, func, line, priv, lvl, cls, "%.*s\n", len, text);
}

bool smbd_log_needed(smbd_log_needed_fn needed, struct smbdirect_socket *sc, void *priv, unsigned int lvl,
		     unsigned int cls)
{
	return needed(sc, priv, lvl, cls);
}

struct smbd_walk {
	smbd_netdev_fn fn;
	void *arg;
};

static int smbd_walk_one(struct net_device *lower, struct netdev_nested_priv *priv)
{
	struct smbd_walk *walk = priv->data;

	return walk->fn(lower, walk->arg);
}

/* Whether @fn holds for any device below @dev, at any depth. Takes RCU, not rtnl. */
bool smbd_netdev_any_lower(struct net_device *dev, smbd_netdev_fn fn, void *arg)
{
	struct smbd_walk walk = { .fn = fn, .arg = arg };
	struct netdev_nested_priv priv = { .data = &walk };
	bool found;

	rcu_read_lock();
	found = netdev_walk_all_lower_dev_rcu(dev, smbd_walk_one, &priv);
	rcu_read_unlock();
	return found;
}

bool smbd_netdev_is_ipoib(struct net_device *dev)
{
	return dev->type == ARPHRD_INFINIBAND;
}

void smbd_netdev_put(struct net_device *dev)
{
	dev_put(dev);
}

void smbd_netdev_name(const struct net_device *dev, char *name, size_t size)
{
	strscpy(name, dev->name, size);
}

/* Calls @fn for each address of @dev, under RCU. */
void smbd_netdev_each_addr(struct net_device *dev, smbd_addr_fn fn, void *arg)
{
	const struct in_device *in;
	const struct in_ifaddr *ifa;

	rcu_read_lock();
	in = __in_dev_get_rcu(dev);
	if (in) {
		in_dev_for_each_ifa_rcu(ifa, in) {
			struct in6_addr mapped;

			ipv6_addr_set_v4mapped(ifa->ifa_local, &mapped);
			fn(mapped.s6_addr, arg);
		}
	}
#if IS_ENABLED(CONFIG_IPV6)
	{
		const struct inet6_dev *in6 = __in6_dev_get(dev);
		const struct inet6_ifaddr *ifa6;

		if (in6)
			list_for_each_entry_rcu(ifa6, &in6->addr_list, if_list)
				fn(ifa6->addr.s6_addr, arg);
	}
#endif
	rcu_read_unlock();
}

/*
 * Where the CM sends its answers to a connect request, if a path has been made
 * for that (InfiniBand, RoCE): the address in the id is just what the peer says.
 */
bool smbd_cm_peer_gid(struct rdma_cm_id *id, u8 gid[16])
{
	if (!rdma_cap_ib_cm(id->device, id->port_num) || !id->route.path_rec)
		return false;
	memcpy(gid, id->route.path_rec->dgid.raw, 16);
	return true;
}

/* The network device that a connection came in on; not written if there is none. */
void smbd_cm_netdev_name(struct rdma_cm_id *id, char *name, size_t size)
{
	const struct rdma_dev_addr *addr = &id->route.addr.dev_addr;
	const struct net_device *dev;

	rcu_read_lock();
	dev = addr->bound_dev_if ? dev_get_by_index_rcu(addr->net, addr->bound_dev_if) : NULL;
	if (dev)
		strscpy(name, dev->name, size);
	rcu_read_unlock();
}

/*
 * The name of a share as ksmbd compares it: what it keeps of one fits 64 bytes,
 * and ASCII is what is left if Unicode does not take it. May sleep.
 */
int smbd_casefold(const char *name, char *folded, size_t size)
{
#if IS_ENABLED(CONFIG_UNICODE)
	struct unicode_map *um = utf8_load(UNICODE_AGE(12, 1, 0));
	const char *c;

	/* without the tables, one name must not become another than with them */
	if (IS_ERR(um)) {
		for (c = name; *c; c++)
			if (!isascii(*c))
				return PTR_ERR(um);
	} else {
		const struct qstr q = QSTR_INIT(name, strlen(name));
		int len = utf8_casefold(um, &q, folded, size);

		utf8_unload(um);
		if (len >= 0)
			return 0;
	}
#endif
	if (strscpy(folded, name, size) < 0)
		return -E2BIG;
	for (; *folded; folded++)
		*folded = isascii(*folded) ? tolower(*folded) : *folded;
	return 0;
}

/* Length of an IPv4 or IPv6 socket address, or 0 for any other family. */
int smbd_sockaddr_len(const struct sockaddr *addr)
{
	switch (addr->sa_family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return sizeof(struct sockaddr_in6);
	default:
		return 0;
	}
}

/* The IPv4 or IPv6 address that @text names, without a port; @addr has room for either. */
int smbd_addr_parse(struct net *net, const char *text, struct sockaddr_in6 *addr)
{
	struct sockaddr_storage storage = {};
	int ret = inet_pton_with_scope(net, AF_UNSPEC, text, NULL, &storage);

	if (!ret)
		memcpy(addr, &storage, sizeof(*addr));
	return ret;
}

/* The network namespace of the current task, with a reference. In a system call. */
struct net *smbd_current_net(void)
{
	return get_net(current->nsproxy->net_ns);
}

void smbd_net_put(struct net *net)
{
	put_net(net);
}

/* A read-only file of everybody. All such attributes are of one class for lockdep. */
void smbd_attribute_init(struct attribute *attr, const char *name)
{
	sysfs_attr_init(attr);
	attr->name = name;
	attr->mode = 0444;
}
