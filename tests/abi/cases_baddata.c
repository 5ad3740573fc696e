// SPDX-License-Identifier: GPL-2.0
/* Data messages a server must end the connection for, and odd ones it must take. */
#include "raw.h"

struct fixture {
	struct at_pair witness;
	struct raw_peer *raw;
	struct at_sock *srv;
	struct raw_resp resp;
	u8 *buf;
};

static bool fixture(struct at *t, struct fixture *f)
{
	f->buf = at_alloc(t, 8192);
	if (!f->buf || !at_pair_open(t, &f->witness, NULL))
		return false;
	f->raw = raw_client(t, f->witness.lst, NULL, &f->srv, &f->resp);
	return f->raw;
}

/* That connection, only that connection, and the next one is served. */
static bool ended(struct at *t, struct fixture *f)
{
	static const struct at_opts none;
	struct at_pair next = { .lst = f->witness.lst };
	int ret;

	AT_CHECK_RET(t, raw_wait_gone(f->raw, 4000), false,
		     "the connection did not end within 4 s");
	WRITE_ONCE(t->waiting, "recvmsg after the end");
	do {
		ret = at_recv(f->srv, f->buf, 1);
	} while (!ret);
	AT_CHECK_RET(t, ret == -ENOTCONN, false, "recvmsg after the end: %d", ret);
	return at_echo(t, &f->witness, 3000) && at_pair_join(t, &next, &none) &&
	       at_echo(t, &next, 3000);
}

/* One message of len bytes in all with header *d, whatever it says. */
static void one(struct at *t, const struct raw_data *d, size_t len)
{
	struct fixture f;

	if (!fixture(t, &f))
		return;
	raw_put_data(f.buf, d);
	raw_send(f.raw, f.buf, len);
	ended(t, &f);
}

#define GOOD { .requested = 255, .granted = 10, .offset = 24, .length = 100 }

#define ONE(name, len, ...)					\
	static void baddata_##name(struct at *t)		\
	{							\
		struct raw_data d = GOOD;			\
								\
		__VA_ARGS__;					\
		one(t, &d, len);				\
	}

ONE(empty_send, 1, )
ONE(short_19, 19, d.offset = 0; d.length = 0)
ONE(no_credits_requested, 124, d.requested = 0)
ONE(empty_no_credits_requested, 20, d.requested = 0; d.offset = 0; d.length = 0)
ONE(offset_unaligned, 132, d.offset = 28)
ONE(offset_unaligned_empty, 24, d.offset = 20; d.length = 0)
ONE(offset_beyond, 124, d.offset = 128; d.length = 0)
ONE(offset_huge, 124, d.offset = 0xfffffff8)
ONE(length_one_over, 124, d.length = 101)
ONE(length_huge, 124, d.length = 0xffffffff)
ONE(length_wraps, 124, d.length = 0xffffffe8)
ONE(remaining_huge, 124, d.remaining = 0xffffffff)
ONE(remaining_wraps, 124, d.remaining = 0xffffffff - 99)
ONE(remaining_over, 124, d.remaining = 1048577)

/* Exactly one byte above what the server announced as the largest message. */
static void baddata_fragmented_one_over(struct at *t)
{
	struct raw_data d = GOOD;
	struct fixture f;

	if (!fixture(t, &f))
		return;
	d.remaining = f.resp.fragmented - 100 + 1;
	raw_send_data(f.raw, &d, NULL, 100);
	ended(t, &f);
}

static void baddata_longer_than_receive_size(struct at *t)
{
	struct raw_data d = GOOD;
	struct fixture f;

	if (!fixture(t, &f))
		return;
	d.length = f.resp.receive - 24 + 1;
	raw_send_data(f.raw, &d, NULL, d.length);
	ended(t, &f);
}

/* A small negotiated size must be checked even if buffers are larger. */
static void baddata_longer_than_negotiated(struct at *t)
{
	struct raw_req q = raw_good_req();
	struct raw_data d = GOOD;
	struct fixture f;

	q.preferred = 256;
	f.buf = at_alloc(t, 8192);
	if (!f.buf || !at_pair_open(t, &f.witness, NULL))
		return;
	f.raw = raw_client(t, f.witness.lst, &q, &f.srv, &f.resp);
	if (!f.raw)
		return;
	AT_EQ(t, "negotiated receive size", f.resp.receive, 256);
	d.length = 256 - 24 + 1;
	raw_send_data(f.raw, &d, NULL, d.length);
	ended(t, &f);
}

/* A sequence of (length, remaining) pairs that does not add up. */
static void sequence(struct at *t, const u32 (*seq)[2], int n)
{
	struct fixture f;
	int i;

	if (!fixture(t, &f))
		return;
	for (i = 0; i < n; i++) {
		struct raw_data d = GOOD;

		d.length = seq[i][0];
		d.remaining = seq[i][1];
		raw_send_data(f.raw, &d, NULL, seq[i][0]);
	}
	ended(t, &f);
}

static void baddata_ends_early(struct at *t)
{
	static const u32 seq[][2] = { { 1000, 2000 }, { 1000, 0 } };

	sequence(t, seq, ARRAY_SIZE(seq));
}

static void baddata_over_run(struct at *t)
{
	static const u32 seq[][2] = { { 1000, 500 }, { 600, 0 } };

	sequence(t, seq, ARRAY_SIZE(seq));
}

static void baddata_more_than_announced(struct at *t)
{
	static const u32 seq[][2] = { { 1000, 1000 }, { 1000, 1000 } };

	sequence(t, seq, ARRAY_SIZE(seq));
}

/* Every message alone looks valid, together they never end. */
static void baddata_endless_fragments(struct at *t)
{
	static const u32 seq[][2] = {
		{ 1000, 1500 }, { 1000, 1000 }, { 1000, 1000 }, { 1000, 1000 },
	};

	sequence(t, seq, ARRAY_SIZE(seq));
}

/* The peer goes in the middle of a message: the reader learns, nothing is left. */
static void baddata_vanish_mid_message(struct at *t)
{
	struct raw_data d = GOOD;
	struct fixture f;

	if (!fixture(t, &f))
		return;
	d.length = 1000;
	d.remaining = 5000;
	AT_EQ(t, "raw send", raw_send_data(f.raw, &d, NULL, 1000), 0);
	AT_EQ(t, "length", at_recv_len(f.srv), 6000);
	raw_close(f.raw);
	ended(t, &f);
}

/* An RDMA write of nothing with immediate data takes a receive (W13). */
static void baddata_write_with_immediate(struct at *t)
{
	struct fixture f;

	if (!fixture(t, &f))
		return;
	raw_write_imm(f.raw);
	ended(t, &f);
}

static void badnego_write_with_immediate(struct at *t)
{
	static const struct at_opts none;
	struct at_pair p = { .lst = at_listener(t, NULL, 10, false) };
	struct raw_peer *r;

	if (!p.lst)
		return;
	r = raw_connect(t, p.lst->port, 8);
	if (!r)
		return;
	raw_write_imm(r);
	AT_CHECK(t, raw_wait_gone(r, 4000), "the connection did not end");
	if (at_pair_join(t, &p, &none))
		at_echo(t, &p, 100);
}

/* ---- odd, but legal ---- */

static bool gets(struct at *t, struct fixture *f, const void *want, int len)
{
	int ret;

	WRITE_ONCE(t->waiting, "recvmsg");
	ret = at_recv_msg(f->srv, f->buf, 8192);
	AT_CHECK_RET(t, ret == len, false, "received %d instead of %d", ret, len);
	AT_CHECK_RET(t, !memcmp(f->buf, want, len), false, "data differs");
	return true;
}

static void odd_trailing_bytes(struct at *t)
{
	u8 out[300];
	struct raw_data d = GOOD;
	struct fixture f;

	at_fill(out, sizeof(out), 1);
	if (!fixture(t, &f))
		return;
	AT_EQ(t, "raw send", raw_send_data(f.raw, &d, out, 300), 0);
	gets(t, &f, out, 100);
}

static void odd_data_offset(struct at *t)
{
	u8 out[300];
	struct raw_data d = GOOD;
	struct fixture f;

	at_fill(out, sizeof(out), 2);
	if (!fixture(t, &f))
		return;
	d.offset = 64;
	AT_EQ(t, "raw send", raw_send_data(f.raw, &d, out, 300), 0);
	gets(t, &f, out + 40, 100);
}

static void odd_unknown_flags(struct at *t)
{
	u8 out[100];
	struct raw_data d = GOOD;
	struct fixture f;

	at_fill(out, sizeof(out), 3);
	if (!fixture(t, &f))
		return;
	d.flags = 0xfffe;
	AT_EQ(t, "raw send", raw_send_data(f.raw, &d, out, 100), 0);
	gets(t, &f, out, 100);
}

/* Empty messages, empty fragments, and one in the middle of a sequence. */
static void odd_empty_fragments(struct at *t)
{
	struct raw_data d = GOOD;
	u8 out[300];
	struct fixture f;

	at_fill(out, sizeof(out), 4);
	if (!fixture(t, &f))
		return;
	AT_EQ(t, "empty", raw_send_empty(f.raw, 255, 5, 0), 0);
	d.length = 0;
	AT_EQ(t, "empty with offset", raw_send_data(f.raw, &d, NULL, 0), 0);
	d.remaining = 300;
	AT_EQ(t, "empty first", raw_send_data(f.raw, &d, NULL, 0), 0);
	d.length = 100;
	d.remaining = 200;
	AT_EQ(t, "first", raw_send_data(f.raw, &d, out, 100), 0);
	d.length = 0;
	AT_EQ(t, "empty inside", raw_send_data(f.raw, &d, NULL, 0), 0);
	AT_EQ(t, "empty message inside", raw_send_empty(f.raw, 255, 1, 0), 0);
	d.length = 100;
	d.remaining = 100;
	AT_EQ(t, "second", raw_send_data(f.raw, &d, out + 100, 100), 0);
	d.remaining = 0;
	AT_EQ(t, "third", raw_send_data(f.raw, &d, out + 200, 100), 0);
	gets(t, &f, out, 300);
}

/* Exactly the limits: message size, and the largest message. */
static void odd_exact_limits(struct at *t)
{
	struct fixture f;
	struct raw_data d = GOOD;
	u8 *out;
	u32 most;

	if (!fixture(t, &f))
		return;
	most = f.resp.receive - 24;
	out = at_alloc(t, most);
	if (!out)
		return;
	at_fill(out, most, 5);
	d.length = most;
	AT_EQ(t, "raw send", raw_send_data(f.raw, &d, out, most), 0);
	if (!gets(t, &f, out, most))
		return;
	d.length = 100;
	d.remaining = f.resp.fragmented - 100;
	AT_EQ(t, "raw send", raw_send_data(f.raw, &d, out, 100), 0);
	AT_EQ(t, "length of the largest message", at_recv_len(f.srv), f.resp.fragmented);
	AT_CHECK(t, !raw_gone(f.raw), "the connection ended");
}

#define BAD(name) { "baddata_" #name, baddata_##name }

const struct at_case at_cases_baddata[] = {
	BAD(empty_send), BAD(short_19), BAD(no_credits_requested),
	BAD(empty_no_credits_requested), BAD(offset_unaligned), BAD(offset_unaligned_empty),
	BAD(offset_beyond), BAD(offset_huge), BAD(length_one_over), BAD(length_huge),
	BAD(length_wraps), BAD(remaining_huge), BAD(remaining_wraps), BAD(remaining_over),
	BAD(fragmented_one_over), BAD(longer_than_receive_size), BAD(longer_than_negotiated),
	BAD(ends_early), BAD(over_run), BAD(more_than_announced), BAD(endless_fragments),
	BAD(vanish_mid_message),
	{ "odd_trailing_bytes", odd_trailing_bytes },
	{ "odd_data_offset", odd_data_offset },
	{ "odd_unknown_flags", odd_unknown_flags },
	{ "odd_empty_fragments", odd_empty_fragments },
	{ "odd_exact_limits", odd_exact_limits },
	/* last: the C module answers these with a WARNING */
	{ "baddata_write_with_immediate", baddata_write_with_immediate, 0, AT_ROCE_ONLY },
	{ "badnego_write_with_immediate", badnego_write_with_immediate, 0, AT_ROCE_ONLY },
	{}
};
