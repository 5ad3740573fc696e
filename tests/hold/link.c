// SPDX-License-Identifier: GPL-2.0
/* One connection: its parameters, and whole messages on it. */
#include "hold.h"

/* Only errors, and those to the kernel log. */
static bool log_wanted(struct smbdirect_socket *sc, void *priv, unsigned int level,
		       unsigned int class)
{
	return level == SMBDIRECT_LOG_ERR;
}

static void log_line(struct smbdirect_socket *sc, const char *func, unsigned int line,
		     void *priv, unsigned int level, unsigned int class,
		     struct va_format *vaf)
{
	pr_info("hold: %pV", vaf);
}

/* A socket with the values that ksmbd (server) or cifs sets by default. */
struct smbdirect_socket *hold_socket(bool server, bool iwarp)
{
	struct smbdirect_socket_parameters sp = {
		.flags = iwarp ? SMBDIRECT_FLAG_PORT_RANGE_ONLY_IW :
				 SMBDIRECT_FLAG_PORT_RANGE_ONLY_IB,
		.resolve_addr_timeout_msec = server ? 0 : 5000,
		.resolve_route_timeout_msec = server ? 0 : 5000,
		.rdma_connect_timeout_msec = server ? 0 : 5000,
		.negotiate_timeout_msec = 120000,
		.initiator_depth = server ? 8 : 1,
		.responder_resources = server ? 1 : 32,
		.recv_credit_max = 255,
		.send_credit_target = 255,
		.max_send_size = 1364,
		.max_recv_size = 1364,
		.max_fragmented_recv_size = 173910,
		.max_read_write_size = server ? 8 << 20 : 0,
		.max_frmr_depth = server ? 0 : 2048,
		.keepalive_interval_msec = 120000,
		.keepalive_timeout_msec = 5000,
	};
	enum ib_poll_context poll = server ? IB_POLL_WORKQUEUE : IB_POLL_SOFTIRQ;
	struct smbdirect_socket *sc;
	int ret;

	ret = smbdirect_socket_create_kern(&init_net, &sc);
	if (ret)
		return ERR_PTR(ret);
	smbdirect_socket_set_logging(sc, NULL, log_wanted, log_line);
	ret = smbdirect_socket_set_initial_parameters(sc, &sp);
	if (!ret)
		ret = smbdirect_socket_set_kernel_settings(sc, poll, GFP_KERNEL);
	if (ret) {
		smbdirect_socket_release(sc);
		return ERR_PTR(ret);
	}
	return sc;
}

int hold_send(struct smbdirect_socket *sc, void *data, u32 len)
{
	__be32 prefix = cpu_to_be32(len);
	struct kvec part[] = {
		{ .iov_base = &prefix, .iov_len = sizeof(prefix) },
		{ .iov_base = data, .iov_len = len },
	};
	struct iov_iter iter;
	int ret;

	iov_iter_kvec(&iter, ITER_SOURCE, part, ARRAY_SIZE(part), sizeof(prefix) + len);
	ret = smbdirect_connection_send_iter(sc, &iter, 0, false, 0);
	return ret < 0 ? ret : 0;
}

static int read_all(struct smbdirect_socket *sc, void *data, size_t len)
{
	struct kvec part = { .iov_base = data, .iov_len = len };
	struct msghdr msg = {};
	unsigned long end = jiffies + 120 * HZ;

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &part, 1, len);
	while (msg_data_left(&msg)) {
		int ret = smbdirect_connection_recvmsg(sc, &msg, 0);

		/* A client's reader comes back now and then: busy machines are slow. */
		if (ret == -EAGAIN && time_before(jiffies, end))
			continue;
		if (ret <= 0)
			return ret ?: -ECONNRESET;
	}
	return 0;
}

/* The length of the message, or an error. */
int hold_receive(struct smbdirect_socket *sc, void *data, u32 room)
{
	__be32 prefix;
	u32 len;
	int ret;

	ret = read_all(sc, &prefix, sizeof(prefix));
	if (ret)
		return ret;
	len = be32_to_cpu(prefix);
	if (len > room)
		return -EMSGSIZE;
	return read_all(sc, data, len) ?: len;
}
