// SPDX-License-Identifier: GPL-2.0
/*
 * What the KUnit suites need of C; not in the module that is installed.
 */
#include <linux/inetdevice.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>
#include <net/net_namespace.h>
#include <rdma/ib_verbs.h>

bool smbd_test_in_softirq(void);
void smbd_test_signal(void);
void smbd_test_no_signal(void);
struct net *smbd_test_net(void);
bool smbd_test_address(struct ib_device *dev, u16 port, struct sockaddr_in *addr);
void smbd_test_iter(struct iov_iter *iter, struct kvec *vec, void *buf, size_t len, bool source);

bool smbd_test_in_softirq(void)
{
	return in_serving_softirq();
}

/* A signal for the calling kernel thread. */
void smbd_test_signal(void)
{
	allow_signal(SIGUSR1);
	send_sig(SIGUSR1, current, 0);
}

void smbd_test_no_signal(void)
{
	flush_signals(current);
	disallow_signal(SIGUSR1);
}

struct net *smbd_test_net(void)
{
	return &init_net;
}

/* An IPv4 address that @dev can be reached at. */
bool smbd_test_address(struct ib_device *dev, u16 port, struct sockaddr_in *addr)
{
	struct net_device *netdev = ib_device_get_netdev(dev, 1);

	if (!netdev)
		return false;
	*addr = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = inet_select_addr(netdev, 0, RT_SCOPE_UNIVERSE),
	};
	dev_put(netdev);
	return addr->sin_addr.s_addr != 0;
}

void smbd_test_iter(struct iov_iter *iter, struct kvec *vec, void *buf, size_t len, bool source)
{
	*vec = (struct kvec){ .iov_base = buf, .iov_len = len };
	iov_iter_kvec(iter, source ? ITER_SOURCE : ITER_DEST, vec, 1, len);
}
