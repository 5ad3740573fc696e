// SPDX-License-Identifier: GPL-2.0
/* A server without manners: what the client side takes and what it refuses. */
#include "raw.h"

struct fixture {
	struct raw_peer *raw;
	struct at_sock *cli;
	struct at_party *connect;
	struct raw_req req;
	u8 *buf;
};

/* A client that sent its request and waits for the answer. */
static bool asked(struct at *t, struct fixture *f)
{
	f->buf = at_alloc(t, 8192);
	f->raw = f->buf ? raw_asked(t, &f->cli, &f->connect, &f->req) : NULL;
	return f->raw;
}

/*
 * A client that refuses the response may end its queue pair before its device has
 * acknowledged the message, so only what it has to take must have been sent.
 */
static bool answer(struct at *t, struct fixture *f, const struct raw_resp *r, size_t len,
		   bool taken)
{
	u8 b[128] = {};
	int ret;

	raw_put_resp(b, r);
	ret = raw_send(f->raw, b, len);
	AT_CHECK_RET(t, !taken || !ret, false, "raw response: %d", ret);
	return at_join(f->connect, 8);
}

static void refused(struct at *t, const struct raw_resp *r, size_t len, int want)
{
	struct fixture f;

	if (!asked(t, &f) || !answer(t, &f, r, len, false))
		return;
	AT_EQ(t, "connect_sync", f.connect->ret, want);
	AT_CHECK(t, raw_wait_gone(f.raw, 4000), "the client did not disconnect");
}

/* Connected, and a message goes through in each direction. */
static void accepted(struct at *t, const struct raw_resp *r, size_t len)
{
	struct fixture f;
	struct raw_data d;
	u8 in[80];
	int ret;

	if (!asked(t, &f) || !answer(t, &f, r, len, true))
		return;
	AT_EQ(t, "connect_sync", f.connect->ret, 0);
	AT_CHECK(t, at_params(f.cli)->max_recv_size >= 128, "max_recv_size %u",
		 at_params(f.cli)->max_recv_size);
	AT_EQ(t, "send", at_send(f.cli, "0123456789", 10), 0);
	/* the server has no credits until the client's first message grants some */
	ret = raw_recv_data(f.raw, &d, in, sizeof(in), 3000);
	AT_CHECK(t, ret > 0, "nothing arrived: %d", ret);
	AT_CHECK(t, d.granted >= 1, "the first message grants nothing");
	while (ret > 0 && !d.length)
		ret = raw_recv_data(f.raw, &d, in, sizeof(in), 3000);
	AT_CHECK(t, ret > 0, "no message with a payload arrived: %d", ret);
	AT_CHECK(t, d.length == 10 && !memcmp(in, "0123456789", 10), "data differs");
	AT_EQ(t, "raw message", raw_send_message(f.raw, in, 80, 1), 0);
	AT_EQ(t, "message", at_recv_msg(f.cli, f.buf, 80), 80);
}

#define REFUSED(name, len, want, ...)				\
	static void badserver_##name(struct at *t)		\
	{							\
		struct raw_resp r = raw_good_resp();		\
								\
		__VA_ARGS__;					\
		refused(t, &r, len, want);			\
	}

#define ACCEPTED(name, len, ...)				\
	static void okserver_##name(struct at *t)		\
	{							\
		struct raw_resp r = raw_good_resp();		\
								\
		__VA_ARGS__;					\
		accepted(t, &r, len);				\
	}

REFUSED(short_31, 31, -ECONNABORTED, )
REFUSED(version_0101, 32, -ECONNREFUSED, r.version = 0x0101)
REFUSED(version_0, 32, -ECONNREFUSED, r.version = 0)
REFUSED(not_supported, 32, -ECONNREFUSED,
	memset(&r, 0, sizeof(r)); r.min = r.max = 0x0100; r.status = 0xc00000bb)
REFUSED(receive_127, 32, -ECONNABORTED, r.receive = 127)
REFUSED(fragmented_131071, 32, -ECONNABORTED, r.fragmented = 131071)
REFUSED(no_credits_granted, 32, -ECONNABORTED, r.credits_granted = 0)
REFUSED(no_credits_requested, 32, -ECONNABORTED, r.credits_requested = 0)
REFUSED(preferred_1365, 32, -ECONNABORTED, r.preferred = 1365)
/* No rule of the specification, but no registration of whole pages fits in it. */
REFUSED(read_write_0, 32, -ECONNABORTED, r.read_write = 0)
REFUSED(read_write_4095, 32, -ECONNABORTED, r.read_write = 4095)

ACCEPTED(plain, 32, )
ACCEPTED(padded_64, 64, )
ACCEPTED(receive_128, 32, r.receive = 128)
ACCEPTED(fragmented_131072, 32, r.fragmented = 131072)
ACCEPTED(preferred_1, 32, r.preferred = 1)
ACCEPTED(read_write_4096, 32, r.read_write = 4096)
ACCEPTED(large, 32, r.receive = U32_MAX; r.fragmented = U32_MAX; r.read_write = U32_MAX)

/* The request itself, and the smaller of both read/write sizes. */
static void okserver_read_write_size(struct at *t)
{
	struct raw_resp r = raw_good_resp();
	struct fixture f;

	r.read_write = 65536;
	if (!asked(t, &f))
		return;
	AT_CHECK(t, f.req.min == 0x0100 && f.req.max == 0x0100, "versions %#x %#x",
		 f.req.min, f.req.max);
	AT_EQ(t, "credits requested", f.req.credits, 255);
	AT_EQ(t, "preferred send size", f.req.preferred, 1364);
	AT_EQ(t, "max receive size", f.req.receive, 1364);
	AT_EQ(t, "max fragmented size", f.req.fragmented, 173910);
	if (!answer(t, &f, &r, 32, true))
		return;
	AT_EQ(t, "connect_sync", f.connect->ret, 0);
	AT_EQ(t, "max_read_write_size", at_params(f.cli)->max_read_write_size, 65536);
	AT_EQ(t, "max_frmr_depth", at_params(f.cli)->max_frmr_depth, 16);
	AT_EQ(t, "max_fragmented_send_size", at_params(f.cli)->max_fragmented_send_size, 1048576);
}

/* No response: the negotiate limit ends it, not earlier. */
static void badserver_silent(struct at *t)
{
	struct smbdirect_socket_parameters sp = at_client_params();
	struct at_sock *cli;
	struct at_party *c;
	ktime_t start = ktime_get();
	u16 port;

	sp.negotiate_timeout_msec = 3000;
	cli = at_socket(t, "client", &sp, IB_POLL_SOFTIRQ);
	if (!cli || !raw_listen(t, &port, true))
		return;
	c = at_connect(t, cli, port, false);
	if (!c || !at_join(c, 8))
		return;
	AT_EQ(t, "connect_sync", c->ret, -ETIMEDOUT);
	AT_CHECK(t, ktime_ms_delta(ktime_get(), start) >= 2800, "gave up early");
}

/* Too long for the server: a local error, and the connection stays. */
static void okserver_too_long(struct at *t)
{
	struct raw_resp r = raw_good_resp();
	struct fixture f;
	u8 *big = at_alloc(t, 131073);

	r.fragmented = 131072;
	if (!big || !asked(t, &f) || !answer(t, &f, &r, 32, true))
		return;
	AT_EQ(t, "connect_sync", f.connect->ret, 0);
	AT_EQ(t, "send of 131073", at_send(f.cli, big, 131073), -EMSGSIZE);
	AT_EQ(t, "send of 100", at_send(f.cli, big, 100), 0);
	AT_CHECK(t, !raw_gone(f.raw), "the connection ended");
}

/* After the handshake, the same rules hold for what the client receives. */
static void baddata_to_client(struct at *t, const struct raw_data *d, size_t len)
{
	struct raw_resp r = raw_good_resp();
	struct fixture f;

	if (!asked(t, &f) || !answer(t, &f, &r, 32, true))
		return;
	AT_EQ(t, "connect_sync", f.connect->ret, 0);
	AT_EQ(t, "send", at_send(f.cli, "hello", 5), 0);
	raw_put_data(f.buf, d);
	raw_send(f.raw, f.buf, len);
	AT_CHECK(t, raw_wait_gone(f.raw, 4000), "the client did not disconnect");
	t->waiting = "recvmsg";
	AT_EQ(t, "recvmsg", at_recv(f.cli, f.buf, 4), -ENOTCONN);
}

#define TO_CLIENT(name, len, ...)					\
	static void badserver_data_##name(struct at *t)			\
	{								\
		struct raw_data d = { 255, 1, 0, 0, 24, 100 };		\
									\
		__VA_ARGS__;						\
		baddata_to_client(t, &d, len);				\
	}

TO_CLIENT(short, 19, )
TO_CLIENT(no_credits_requested, 124, d.requested = 0)
TO_CLIENT(unaligned, 132, d.offset = 28)
TO_CLIENT(beyond, 124, d.length = 101)
TO_CLIENT(wraps, 124, d.length = 0xffffffff)
TO_CLIENT(remaining_over, 124, d.remaining = 173910)

#define BAD(name) { "badserver_" #name, badserver_##name }
#define OK(name) { "okserver_" #name, okserver_##name }

const struct at_case at_cases_badserver[] = {
	OK(plain), OK(padded_64), OK(receive_128), OK(fragmented_131072), OK(preferred_1),
	OK(read_write_4096), OK(large), OK(read_write_size), OK(too_long),
	BAD(short_31), BAD(version_0101), BAD(version_0), BAD(not_supported), BAD(receive_127),
	BAD(fragmented_131071), BAD(no_credits_granted), BAD(no_credits_requested),
	BAD(preferred_1365), BAD(read_write_0), BAD(read_write_4095), BAD(silent),
	BAD(data_short), BAD(data_no_credits_requested), BAD(data_unaligned), BAD(data_beyond),
	BAD(data_wraps), BAD(data_remaining_over),
	{}
};
