// SPDX-License-Identifier: GPL-2.0
/* What every function answers in a state it is not meant for. */
#include "abitest.h"

static void fresh(struct at *t, struct at_sock **s)
{
	struct smbdirect_socket_parameters sp = at_client_params();

	*s = at_socket(t, "fresh", &sp, IB_POLL_SOFTIRQ);
}

/* Every data function on a socket that is not connected. */
static bool no_data(struct at *t, struct at_sock *s, const char *state)
{
	struct smbdirect_buffer_descriptor_v1 desc = { .length = cpu_to_le32(16) };
	struct at_region *r = at_region(t, AT_KVEC, 4096, 0);
	u8 *buf = at_alloc(t, 4096);
	struct at_xmit *x = at_alloc(t, sizeof(*x));
	struct smbdirect_mr_io *mr;
	struct iov_iter iter;
	struct kvec v = { .iov_base = buf, .iov_len = 16 };
	int ret;

	if (!r || !buf || !x)
		return false;
	ret = at_recv(s, buf, 4);
	AT_CHECK_RET(t, ret == -ENOTCONN, false, "%s: recvmsg %d", state, ret);
	ret = at_send(s, buf, 16);
	AT_CHECK_RET(t, ret == -ENOTCONN, false, "%s: send_iter %d", state, ret);
	iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, 16);
	ret = at_send_batch(s, &iter, 1);
	AT_CHECK_RET(t, ret == -ENOTCONN, false, "%s: send_single_iter %d", state, ret);
	ret = smbdirect_connection_send_single_iter(s->sc, NULL, NULL, 0, 0);
	AT_CHECK_RET(t, ret == -ENOTCONN, false, "%s: empty send_single_iter %d", state, ret);
	ret = smbdirect_connection_send_wait_zero_pending(s->sc);
	AT_CHECK_RET(t, ret == -ENOTCONN, false, "%s: wait_zero_pending %d", state, ret);
	*x = (struct at_xmit) { s, buf, 16, &desc, 1, true };
	ret = at_xmit(t, x);
	AT_CHECK_RET(t, ret == -ENOTCONN, false, "%s: rdma_xmit %d", state, ret);
	/* a socket that never could register anything would warn */
	if (!at_params(s)->max_frmr_depth)
		return true;
	at_region_iter(r, &iter, ITER_DEST);
	mr = smbdirect_connection_register_mr_io(s->sc, &iter, true, true);
	AT_CHECK_RET(t, !mr, false, "%s: register_mr_io gave an MR", state);
	AT_CHECK_RET(t, !smbdirect_connection_is_connected(s->sc), false,
		     "%s: is_connected", state);
	return true;
}

static void state_created(struct at *t)
{
	struct proto_accept_arg arg = { .err = 0 };
	struct smbdirect_socket *sc;
	struct at_sock *s;

	fresh(t, &s);
	if (!s || !no_data(t, s, "CREATED"))
		return;
	sc = smbdirect_socket_accept(s->sc, 0, &arg);
	AT_CHECK(t, !sc && arg.err == -EINVAL, "accept on CREATED: %d", arg.err);
	AT_CHECK(t, !smbdirect_connection_is_connected(NULL), "is_connected(NULL)");
}

static void state_listening(struct at *t)
{
	struct at_sock *s = at_listener(t, NULL, 10, false);
	struct sockaddr_storage ss;
	int ret;

	if (!s || !no_data(t, s, "LISTENING"))
		return;
	at_addr(&ss, at_next_port(), false);
	ret = smbdirect_socket_bind(s->sc, (struct sockaddr *)&ss);
	AT_EQ(t, "bind while listening", ret, -EINVAL);
	ret = smbdirect_socket_listen(s->sc, 10);
	AT_EQ(t, "listen twice", ret, -EINVAL);
	ret = smbdirect_connect(s->sc, (struct sockaddr *)&ss);
	AT_EQ(t, "connect while listening", ret, -EALREADY);
	ret = smbdirect_connect_sync(s->sc, (struct sockaddr *)&ss);
	AT_EQ(t, "connect_sync while listening", ret, -EALREADY);
}

static void state_shut_down(struct at *t)
{
	struct sockaddr_storage ss;
	struct at_sock *s;
	int ret;

	fresh(t, &s);
	if (!s)
		return;
	smbdirect_socket_shutdown(s->sc);
	smbdirect_socket_shutdown(s->sc);
	if (!no_data(t, s, "shut down"))
		return;
	at_addr(&ss, at_next_port(), false);
	ret = smbdirect_connect(s->sc, (struct sockaddr *)&ss);
	AT_EQ(t, "connect after shutdown", ret, -ENOTCONN);
	ret = smbdirect_connect_sync(s->sc, (struct sockaddr *)&ss);
	AT_EQ(t, "connect_sync after shutdown", ret, -ENOTCONN);
	ret = smbdirect_socket_listen(s->sc, 10);
	AT_EQ(t, "listen after shutdown", ret, -EINVAL);
}

static void state_connected(struct at *t)
{
	struct proto_accept_arg arg = { .err = 0 };
	struct sockaddr_storage ss;
	struct at_pair p;

	if (!at_pair_open(t, &p, NULL))
		return;
	at_addr(&ss, p.lst->port, false);
	AT_EQ(t, "connect twice", smbdirect_connect(p.cli->sc, (struct sockaddr *)&ss), -EALREADY);
	AT_EQ(t, "bind connected", smbdirect_socket_bind(p.cli->sc, (struct sockaddr *)&ss),
	      -EINVAL);
	AT_EQ(t, "listen connected", smbdirect_socket_listen(p.cli->sc, 1), -EINVAL);
	AT_CHECK(t, !smbdirect_socket_accept(p.cli->sc, 0, &arg) && arg.err == -EINVAL,
		 "accept on a connection: %d", arg.err);
	AT_EQ(t, "wait_for_connected", smbdirect_connection_wait_for_connected(p.cli->sc), 0);
	at_echo(t, &p, 100);
}

static void state_disconnected(struct at *t)
{
	struct at_pair p;

	if (!at_pair_open(t, &p, NULL))
		return;
	smbdirect_socket_shutdown(p.cli->sc);
	if (!no_data(t, p.cli, "client after its shutdown"))
		return;
	if (!at_release(t, p.cli))
		return;
	/* the other side learns it by itself */
	AT_EQ(t, "reader after the peer left", at_recv(p.srv, at_alloc(t, 4), 4), -ENOTCONN);
	no_data(t, p.srv, "server after the peer left");
}

static void state_bad_params(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_sock *s;

	fresh(t, &s);
	if (!s)
		return;
	sp.flags = 0x4;
	AT_EQ(t, "unknown flag", smbdirect_socket_set_initial_parameters(s->sc, &sp), -EINVAL);
	sp.flags = 0x8000000000000000ULL;
	AT_EQ(t, "unknown high flag", smbdirect_socket_set_initial_parameters(s->sc, &sp), -EINVAL);
	sp.flags = SMBDIRECT_FLAG_PORT_RANGE_MASK;
	AT_EQ(t, "both port ranges", smbdirect_socket_set_initial_parameters(s->sc, &sp), -EINVAL);
	sp = at_client_params();
	sp.initiator_depth = 256;
	AT_EQ(t, "initiator_depth 256", smbdirect_socket_set_initial_parameters(s->sc, &sp),
	      -EINVAL);
	sp = at_client_params();
	sp.responder_resources = 256;
	AT_EQ(t, "responder_resources 256", smbdirect_socket_set_initial_parameters(s->sc, &sp),
	      -EINVAL);
	sp = at_client_params();
	sp.initiator_depth = 255;
	sp.responder_resources = 255;
	AT_EQ(t, "depths of 255", smbdirect_socket_set_initial_parameters(s->sc, &sp), 0);
	sp.flags = 0;
	AT_EQ(t, "no flags", smbdirect_socket_set_initial_parameters(s->sc, &sp), 0);
}

/* The parameters are copied: the caller's memory does not matter afterwards. */
static void state_params_copied(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params(), same = sp;
	const struct smbdirect_socket_parameters *cur;
	struct at_sock *s = at_socket(t, "fresh", &sp, IB_POLL_SOFTIRQ);

	if (!s)
		return;
	memset(&sp, 0xff, sizeof(sp));
	cur = at_params(s);
	AT_CHECK(t, cur != &sp, "the caller's memory was kept");
	AT_CHECK(t, !memcmp(cur, &same, sizeof(same)), "the parameters read back differ");
	AT_CHECK(t, cur == at_params(s), "the pointer is not stable");
}

/* These may warn, by contract. */
static void state_set_late(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_server_params();
	struct at_sock *s = at_listener(t, NULL, 10, false);

	if (!s)
		return;
	AT_EQ(t, "set_initial_parameters while listening",
	      smbdirect_socket_set_initial_parameters(s->sc, &sp), -EINVAL);
	AT_EQ(t, "set_kernel_settings while listening",
	      smbdirect_socket_set_kernel_settings(s->sc, IB_POLL_SOFTIRQ, GFP_KERNEL), -EINVAL);
}

static void state_send_misuse(struct at *t)
{
	struct smbdirect_send_batch_storage storage;
	struct kvec v = { .iov_base = at_alloc(t, 64), .iov_len = 64 };
	struct iov_iter iter;
	struct msghdr msg = {};
	struct at_pair p;

	if (!v.iov_base || !at_pair_open(t, &p, NULL))
		return;
	iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, 64);
	AT_EQ(t, "send_iter with flags",
	      smbdirect_connection_send_iter(p.srv->sc, &iter, 1, false, 0), -EINVAL);
	AT_EQ(t, "send_single_iter with flags",
	      smbdirect_connection_send_single_iter(p.cli->sc, NULL, &iter, 1, 64), -EINVAL);
	AT_EQ(t, "remaining 0 with an iterator",
	      smbdirect_connection_send_single_iter(p.cli->sc, NULL, &iter, 0, 0), -EINVAL);
	AT_EQ(t, "iterator longer than remaining",
	      smbdirect_connection_send_single_iter(p.cli->sc, NULL, &iter, 0, 63), -EINVAL);
	AT_EQ(t, "remaining without an iterator",
	      smbdirect_connection_send_single_iter(p.cli->sc, NULL, NULL, 0, 1), -EINVAL);
	iov_iter_kvec(&iter, ITER_DEST, &v, 1, 64);
	AT_EQ(t, "send_iter from a destination",
	      smbdirect_connection_send_iter(p.srv->sc, &iter, 0, false, 0), -EINVAL);
	AT_EQ(t, "send_single_iter from a destination",
	      smbdirect_connection_send_single_iter(p.cli->sc,
			smbdirect_init_send_batch_storage(&storage, false, 0), &iter, 0, 64),
	      -EINVAL);
	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &v, 1, 64);
	AT_EQ(t, "recvmsg into a source",
	      smbdirect_connection_recvmsg(p.cli->sc, &msg, 0), -EINVAL);
	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &v, 1, 64);
	AT_EQ(t, "recvmsg with flags",
	      smbdirect_connection_recvmsg(p.cli->sc, &msg, 1), -EINVAL);
	at_echo(t, &p, 500);
}

const struct at_case at_cases_state[] = {
	{ "state_created", state_created },
	{ "state_listening", state_listening },
	{ "state_shut_down", state_shut_down },
	{ "state_connected", state_connected },
	{ "state_disconnected", state_disconnected },
	{ "state_bad_params", state_bad_params },
	{ "state_params_copied", state_params_copied },
	{ "state_set_late", state_set_late, 0, AT_MISUSE },
	{ "state_send_misuse", state_send_misuse, 0, AT_MISUSE },
	{}
};
