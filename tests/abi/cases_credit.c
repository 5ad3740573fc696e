// SPDX-License-Identifier: GPL-2.0
/* Credits and keepalive against a raw peer that plays with them. */
#include "raw.h"

struct fixture {
	struct at_sock *lst, *srv;
	struct raw_peer *raw;
	struct raw_resp resp;
	u8 *buf;
};

static bool fixture(struct at *t, struct fixture *f, const struct raw_req *q,
		    const struct smbdirect_socket_parameters *sp)
{
	f->buf = at_alloc(t, 8192);
	f->lst = at_listener(t, sp, 10, false);
	if (!f->buf || !f->lst)
		return false;
	f->raw = raw_client(t, f->lst, q, &f->srv, &f->resp);
	return f->raw;
}

struct sender {
	struct at_sock *s;
	u8 *buf;
	size_t len;
};

static int send_fn(struct at_party *p)
{
	struct sender *a = p->arg;

	p->waiting = "send_iter";
	return at_send(a->s, a->buf, a->len);
}

static struct at_party *sender(struct at *t, struct fixture *f, size_t len)
{
	struct sender *a = at_alloc(t, sizeof(*a));

	if (!a)
		return NULL;
	*a = (struct sender) { f->srv, at_alloc(t, len), len };
	return a->buf ? at_spawn(t, "sender", send_fn, a) : NULL;
}

/* The server has nothing to send with before the client granted something. */
static void credit_first_grant(struct at *t)
{
	struct raw_data d;
	struct fixture f;
	struct at_party *s;

	if (!fixture(t, &f, NULL, NULL))
		return;
	s = sender(t, &f, 100);
	at_sleep_ms(500);
	AT_CHECK(t, s && !at_done(s), "sent without a credit");
	AT_CHECK(t, !raw_queued(f.raw), "something arrived without a credit");
	AT_EQ(t, "grant", raw_send_empty(f.raw, 255, 5, 0), 0);
	if (!at_join(s, 5))
		return;
	AT_EQ(t, "send_iter", s->ret, 0);
	AT_CHECK(t, raw_recv_data(f.raw, &d, NULL, 0, 2000) > 0, "nothing arrived");
	AT_CHECK(t, d.requested >= 1, "no credits requested");
}

/* W10: no credits ever, and a word now and then: the sender must not wait for ever. */
static void credit_never_granted(struct at *t)
{
	struct fixture f;
	struct at_party *s;
	u8 b[64] = {};
	int i;

	if (!fixture(t, &f, NULL, NULL))
		return;
	AT_EQ(t, "raw message", raw_send_message(f.raw, b, 64, 0), 0);
	AT_EQ(t, "message", at_recv_msg(f.srv, b, 64), 64);
	s = sender(t, &f, 100);
	for (i = 0; s && i < 30 && !at_done(s); i++) {
		if (!raw_gone(f.raw))
			raw_send_empty(f.raw, 255, 0, 0);
		at_wait_party(s, 1000);
	}
	AT_CHECK(t, s && at_done(s), "hang: send_iter still waits for credits after 30 s");
	AT_CHECK(t, s->ret < 0, "sent without a credit");
	AT_CHECK(t, raw_wait_gone(f.raw, 3000), "the connection lives on");
}

/* A signal before anything was sent: nothing is sent, the connection is fine. */
static void credit_signal_before(struct at *t)
{
	struct raw_data d;
	struct fixture f;
	struct at_party *s;

	if (!fixture(t, &f, NULL, NULL))
		return;
	s = sender(t, &f, 100);
	at_sleep_ms(300);
	AT_CHECK(t, s && !at_done(s), "sent without a credit");
	at_signal(s);
	if (!at_join(s, 5))
		return;
	AT_EQ(t, "send_iter", s->ret, -ERESTARTSYS);
	AT_EQ(t, "grant", raw_send_empty(f.raw, 255, 5, 0), 0);
	AT_EQ(t, "next send_iter", at_send(f.srv, f.buf, 50), 0);
	AT_CHECK(t, raw_recv_data(f.raw, &d, NULL, 0, 2000) > 0, "nothing arrived");
	AT_EQ(t, "length", d.length, 50);
}

/* W17: a signal in the middle of a message must not tear the message apart. */
static void credit_signal_inside(struct at *t)
{
	struct raw_data d;
	struct fixture f;
	struct at_party *s;
	int got = 0, n;

	if (!fixture(t, &f, NULL, NULL))
		return;
	AT_EQ(t, "grant", raw_send_empty(f.raw, 255, 3, 0), 0);
	s = sender(t, &f, 10000);
	at_sleep_ms(300);
	AT_CHECK(t, s && !at_done(s), "sent without credits");
	at_signal(s);
	at_sleep_ms(300);
	AT_EQ(t, "grant", raw_send_empty(f.raw, 255, 20, 0), 0);
	while (got < 10000) {
		n = raw_recv_data(f.raw, &d, NULL, 0, 3000);
		AT_CHECK(t, n > 0, "the message stops after %d bytes: %d", got, n);
		got += d.length;
	}
	if (at_join(s, 5))
		AT_EQ(t, "send_iter", s->ret, 0);
}

/* One credit at a time is slow but enough; each message must bring credit back. */
static void credit_one_at_a_time(struct at *t)
{
	struct raw_req q = raw_good_req();
	struct raw_data d;
	struct fixture f;
	struct at_party *s;
	int i, got = 0, n;

	q.credits = 1;
	if (!fixture(t, &f, &q, NULL))
		return;
	AT_EQ(t, "credits granted", f.resp.credits_granted, 1);
	s = sender(t, &f, 10000);
	for (i = 0; i < 40 && got < 10000; i++) {
		AT_EQ(t, "grant", raw_send_empty(f.raw, 1, 1, 0), 0);
		n = raw_recv_data(f.raw, &d, NULL, 0, 3000);
		AT_CHECK(t, n > 0, "message %d: %d", i, n);
		/* our only credit went into the grant */
		AT_CHECK(t, d.granted >= 1, "message %d grants nothing to a peer without credits",
			 i);
		got += d.length;
	}
	AT_EQ(t, "bytes", got, 10000);
	if (s && at_join(s, 5))
		AT_EQ(t, "send_iter", s->ret, 0);
}

/* Somebody who only sends gets credits back although nothing goes the other way. */
static void credit_one_way_sender(struct at *t)
{
	struct fixture f;
	u32 credits;
	int i;

	if (!fixture(t, &f, NULL, NULL))
		return;
	credits = f.resp.credits_granted;
	for (i = 0; i < 700; i++) {
		struct raw_data d;
		int n;

		while (!credits || raw_queued(f.raw)) {
			n = raw_recv_data(f.raw, &d, NULL, 0, 5000);
			AT_CHECK(t, n > 0, "no credits after %d messages: %d", i, n);
			credits += d.granted;
		}
		AT_EQ(t, "raw message", raw_send_message(f.raw, f.buf, 100, i % 8 ? 0 : 1), 0);
		credits--;
		t->waiting = "recvmsg";
		AT_EQ(t, "message", at_recv_msg(f.srv, f.buf, 8192), 100);
	}
}

struct reader {
	struct at_sock *s;
	u8 *buf;
	size_t cap;		/* of the buffer, or messages to read */
};

static int read_fn(struct at_party *p)
{
	struct reader *a = p->arg;

	p->waiting = "recvmsg of a whole message";
	return at_recv_msg(a->s, a->buf, a->cap);
}

/* W15: a message in thousands of one-byte fragments, with somebody reading it. */
static void credit_tiny_fragments(struct at *t)
{
	struct raw_data d, in;
	struct fixture f;
	u32 credits, len = 3000, i;
	u8 *out = at_alloc(t, len), *all = at_alloc(t, len);
	struct reader *a = at_alloc(t, sizeof(*a));
	struct at_party *r;
	int n;

	if (!out || !all || !a || !fixture(t, &f, NULL, NULL))
		return;
	at_fill(out, len, 42);
	*a = (struct reader) { f.srv, all, len };
	r = at_spawn(t, "reader", read_fn, a);
	credits = f.resp.credits_granted;
	for (i = 0; i < len; i++) {
		d = (struct raw_data) { 255, i % 16 ? 0 : 1, 0, len - 1 - i, 24, 1 };
		while (!credits || raw_queued(f.raw)) {
			n = raw_recv_data(f.raw, &in, NULL, 0, 5000);
			AT_CHECK(t, n > 0, "no credits after %u fragments: %d", i, n);
			credits += in.granted;
		}
		AT_EQ(t, "fragment", raw_send_data(f.raw, &d, out + i, 1), 0);
		credits--;
	}
	if (!r || !at_join(r, 5))
		return;
	AT_EQ(t, "message", r->ret, len);
	AT_CHECK(t, !memcmp(all, out, len), "data differs");
}

static int read_many_fn(struct at_party *p)
{
	struct reader *a = p->arg;
	int i, ret;

	p->waiting = "recvmsg of many messages";
	for (i = 0; i < a->cap; i++) {
		ret = at_recv_msg(a->s, a->buf, 8192);
		if (ret != 64)
			return ret < 0 ? ret : -EPROTO;
	}
	return 0;
}

/*
 * A peer that uses all its credits and gives none, while the reader keeps up: the
 * server has more receives than before, and can grant them once it gets a credit.
 */
static void credit_dry_reader_ahead(struct at *t)
{
	struct reader *a = at_alloc(t, sizeof(*a));
	struct at_party *r;
	struct raw_data d;
	struct fixture f;
	u32 i, credits;

	if (!a || !fixture(t, &f, NULL, NULL))
		return;
	credits = f.resp.credits_granted;
	*a = (struct reader) { f.srv, at_alloc(t, 8192), credits };
	r = a->buf ? at_spawn(t, "reader", read_many_fn, a) : NULL;
	for (i = 0; i < credits; i++)
		AT_EQ(t, "raw message",
		      raw_send_message(f.raw, f.buf, 64, i == credits - 1), 0);
	if (!r || !at_join(r, 5))
		return;
	AT_EQ(t, "reader", r->ret, 0);
	for (credits = 0; credits * 2 < f.resp.credits_granted; credits += d.granted)
		AT_CHECK(t, raw_recv_data(f.raw, &d, NULL, 0, 2000) > 0,
			 "only %u credits came back", credits);
	/* what the server does next must end: it holds up the release otherwise */
	at_sleep_ms(300);
}

/* W12: grants that add up to more than an int can hold. */
static void credit_overflow(struct at *t)
{
	struct raw_data d;
	struct fixture f;
	u32 credits, i;
	struct at_party *s;
	int n;

	if (!fixture(t, &f, NULL, NULL))
		return;
	credits = f.resp.credits_granted;
	for (i = 0; i < 33000; i++) {
		while (!credits || raw_queued(f.raw)) {
			n = raw_recv_data(f.raw, &d, NULL, 0, 5000);
			if (n == -ENOTCONN)
				return;		/* ending it is an answer, too */
			AT_CHECK(t, n > 0, "no credits after %u messages: %d", i, n);
			credits += d.granted;
		}
		if (raw_send_empty(f.raw, 255, 65535, 0))
			break;
		credits--;
	}
	if (raw_gone(f.raw))
		return;
	s = sender(t, &f, 100);
	if (s && at_join(s, 5))
		AT_EQ(t, "send_iter", s->ret, 0);
}

/* The answer to a keepalive: one message, flag 0, with a credit in it. */
static void keepalive_answer(struct at *t)
{
	struct raw_data d;
	struct fixture f;
	int i, n;

	if (!fixture(t, &f, NULL, NULL))
		return;
	for (i = 0; i < 10; i++) {
		AT_EQ(t, "probe", raw_send_empty(f.raw, 255, i ? 1 : 10, RAW_KEEPALIVE), 0);
		n = raw_recv_data(f.raw, &d, NULL, 0, 4000);
		AT_CHECK(t, n == RAW_EMPTY_LEN, "answer %d: %d", i, n);
		AT_CHECK(t, d.flags == 0, "the answer has flags %#x", d.flags);
		AT_CHECK(t, d.granted >= 1, "answer %d grants nothing", i);
		AT_CHECK(t, !d.remaining && !d.length && !d.offset, "the answer is not empty");
		at_sleep_ms(50);
		AT_CHECK(t, !raw_queued(f.raw), "a second message after the answer");
	}
}

/* With data, the flag asks just the same. */
static void keepalive_with_data(struct at *t)
{
	struct raw_data d = { 255, 10, RAW_KEEPALIVE, 0, 24, 50 };
	struct fixture f;
	int n;

	if (!fixture(t, &f, NULL, NULL))
		return;
	AT_EQ(t, "raw send", raw_send_data(f.raw, &d, f.buf, 50), 0);
	AT_EQ(t, "message", at_recv_msg(f.srv, f.buf, 8192), 50);
	n = raw_recv_data(f.raw, &d, NULL, 0, 4000);
	AT_CHECK(t, n >= RAW_EMPTY_LEN && d.flags == 0, "answer: %d bytes, flags %#x", n,
		 n > 0 ? d.flags : 0);
}

static struct smbdirect_socket_parameters short_keepalive(void)
{
	struct smbdirect_socket_parameters sp = at_server_params();

	sp.keepalive_interval_msec = 1500;
	sp.keepalive_timeout_msec = 1000;
	return sp;
}

/* Nobody there: a probe after the interval, the end after the timeout. */
static void keepalive_dead_peer(struct at *t)
{
	struct smbdirect_socket_parameters sp = short_keepalive();
	struct raw_data d;
	struct fixture f;
	ktime_t start;
	int n;

	if (!fixture(t, &f, NULL, &sp))
		return;
	AT_EQ(t, "grant", raw_send_empty(f.raw, 255, 10, 0), 0);
	start = ktime_get();
	do {
		n = raw_recv_data(f.raw, &d, NULL, 0, 4000);
	} while (n > 0 && !(d.flags & RAW_KEEPALIVE));
	AT_CHECK(t, n > 0, "no probe: %d", n);
	AT_CHECK(t, ktime_ms_delta(ktime_get(), start) > 1000, "the probe came too early");
	AT_CHECK(t, raw_wait_gone(f.raw, 5000), "the connection lives on without an answer");
	AT_CHECK(t, ktime_ms_delta(ktime_get(), start) > 2200, "ended too early");
	AT_EQ(t, "recvmsg", at_recv(f.srv, f.buf, 4), -ENOTCONN);
}

/* The same when there is no credit to send the probe with. */
static void keepalive_no_credit(struct at *t)
{
	struct smbdirect_socket_parameters sp = short_keepalive();
	struct fixture f;

	if (!fixture(t, &f, NULL, &sp))
		return;
	AT_EQ(t, "no grant", raw_send_empty(f.raw, 255, 0, 0), 0);
	AT_CHECK(t, raw_stays(f.raw, 1400), "ended too early");
	AT_CHECK(t, raw_wait_gone(f.raw, 6000), "the connection lives on");
}

/* Answered, it goes on and on. */
static void keepalive_answered(struct at *t)
{
	struct smbdirect_socket_parameters sp = short_keepalive();
	int probes = 0, n;
	struct raw_data d;
	struct fixture f;
	ktime_t start;

	if (!fixture(t, &f, NULL, &sp))
		return;
	AT_EQ(t, "grant", raw_send_empty(f.raw, 255, 20, 0), 0);
	start = ktime_get();
	while (ktime_ms_delta(ktime_get(), start) < 8000) {
		n = raw_recv_data(f.raw, &d, NULL, 0, 500 / at_slow());
		AT_CHECK(t, n > 0 || n == -ETIMEDOUT, "the connection ended");
		if (n > 0 && d.flags & RAW_KEEPALIVE) {
			probes++;
			AT_EQ(t, "answer", raw_send_empty(f.raw, 255, 1, 0), 0);
		}
	}
	AT_CHECK(t, probes >= 3 && probes <= 8, "%d probes in 8 s", probes);
}

/* Idle with credits on both sides: not a word. */
static void credit_idle_is_silent(struct at *t)
{
	struct raw_data d;
	struct fixture f;
	int i;

	if (!fixture(t, &f, NULL, NULL))
		return;
	for (i = 0; i < 5; i++) {
		AT_EQ(t, "raw message", raw_send_message(f.raw, f.buf, 100, 10), 0);
		AT_EQ(t, "message", at_recv_msg(f.srv, f.buf, 8192), 100);
	}
	at_sleep_ms(300);
	while (raw_queued(f.raw))
		raw_recv_data(f.raw, &d, NULL, 0, 100);
	AT_CHECK(t, raw_recv_data(f.raw, &d, NULL, 0, 2000) == -ETIMEDOUT,
		 "an idle connection talks");
}

const struct at_case at_cases_credit[] = {
	{ "credit_first_grant", credit_first_grant },
	{ "credit_never_granted", credit_never_granted, 60 },
	{ "credit_signal_before", credit_signal_before },
	{ "credit_signal_inside", credit_signal_inside },
	{ "credit_one_at_a_time", credit_one_at_a_time, 60 },
	{ "credit_one_way_sender", credit_one_way_sender, 60 },
	{ "credit_tiny_fragments", credit_tiny_fragments, 60 },
	{ "credit_dry_reader_ahead", credit_dry_reader_ahead },
	{ "credit_overflow", credit_overflow, 120 },
	{ "credit_idle_is_silent", credit_idle_is_silent },
	{ "keepalive_answer", keepalive_answer },
	{ "keepalive_with_data", keepalive_with_data },
	{ "keepalive_dead_peer", keepalive_dead_peer },
	{ "keepalive_no_credit", keepalive_no_credit },
	{ "keepalive_answered", keepalive_answered },
	{}
};
