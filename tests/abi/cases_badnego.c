// SPDX-License-Identifier: GPL-2.0
/* Negotiate requests a listener must refuse, must take, or never gets. */
#include "raw.h"

#define STATUS_NOT_SUPPORTED 0xc00000bb

/* The next client is served, and so is one that was there before. */
struct witness {
	struct at_pair p;
};

static bool witness_open(struct at *t, struct witness *w)
{
	return at_pair_open(t, &w->p, NULL);
}

static bool witness_check(struct at *t, struct witness *w)
{
	static const struct at_opts none;
	struct at_pair next = { .lst = w->p.lst };

	return at_echo(t, &w->p, 3000) && at_pair_join(t, &next, &none) &&
	       at_echo(t, &next, 3000);
}

/* Sends len bytes as the request; the connection must end, without an answer. */
static void refused(struct at *t, const u8 *b, size_t len)
{
	struct raw_peer *r;
	struct witness w;
	u8 in[64];
	int ret;

	if (!witness_open(t, &w))
		return;
	r = raw_connect(t, w.p.lst->port, 8);
	if (!r)
		return;
	raw_send(r, b, len);
	AT_CHECK(t, raw_wait_gone(r, 4000), "the connection did not end within 4 s");
	ret = raw_recv(r, in, sizeof(in), 0);
	AT_CHECK(t, ret == -ENOTCONN, "an answer of %d bytes came", ret);
	witness_check(t, &w);
}

static void refused_req(struct at *t, const struct raw_req *q)
{
	u8 b[RAW_REQ_LEN];

	raw_put_req(b, q);
	refused(t, b, sizeof(b));
}

static void badnego_short(struct at *t)
{
	struct raw_req q = raw_good_req();
	u8 b[RAW_REQ_LEN];

	raw_put_req(b, &q);
	refused(t, b, 19);
}

static void badnego_one_byte(struct at *t)
{
	refused(t, "", 1);
}

static void badnego_no_credits(struct at *t)
{
	struct raw_req q = raw_good_req();

	q.credits = 0;
	refused_req(t, &q);
}

static void badnego_receive_127(struct at *t)
{
	struct raw_req q = raw_good_req();

	q.receive = 127;
	refused_req(t, &q);
}

static void badnego_fragmented_131071(struct at *t)
{
	struct raw_req q = raw_good_req();

	q.fragmented = 131071;
	refused_req(t, &q);
}

/* Longer than any receive buffer there can be for it. */
static void badnego_oversized(struct at *t)
{
	u8 *b = at_alloc(t, 8192);
	struct raw_req q = raw_good_req();

	if (!b)
		return;
	raw_put_req(b, &q);
	refused(t, b, 8192);
}

/* A version nobody speaks: an error response with zeroes, then the end. */
static void wrong_version(struct at *t, u16 min, u16 max)
{
	struct raw_req q = raw_good_req();
	struct raw_resp r;
	struct raw_peer *p;
	struct witness w;
	u8 b[RAW_RESP_LEN];
	int ret;

	q.min = min;
	q.max = max;
	if (!witness_open(t, &w))
		return;
	p = raw_connect(t, w.p.lst->port, 8);
	if (!p)
		return;
	raw_put_req(b, &q);
	AT_EQ(t, "raw send", raw_send(p, b, RAW_REQ_LEN), 0);
	ret = raw_recv(p, b, sizeof(b), 4000);
	AT_CHECK(t, ret == RAW_RESP_LEN, "no error response: %d", ret);
	raw_get_resp(&r, b);
	AT_CHECK(t, r.status == STATUS_NOT_SUPPORTED, "status %#x", r.status);
	AT_CHECK(t, r.min == 0x0100 && r.max == 0x0100, "versions %#x %#x", r.min, r.max);
	AT_CHECK(t, !r.version && !r.credits_requested && !r.credits_granted && !r.read_write &&
		 !r.preferred && !r.receive && !r.fragmented,
		 "the error response has fields that are not zero");
	AT_CHECK(t, raw_wait_gone(p, 6000), "the connection did not end");
	witness_check(t, &w);
}

static void badnego_version_high(struct at *t)
{
	wrong_version(t, 0x0101, 0x0200);
}

static void badnego_version_low(struct at *t)
{
	wrong_version(t, 0, 0x00ff);
}

static void badnego_version_reversed(struct at *t)
{
	wrong_version(t, 0x0200, 0x0001);
}

/* No request at all: gone after the server's limit, which is 5 s, and not before 4 s. */
static void badnego_silent(struct at *t)
{
	struct raw_peer *r;
	struct witness w;

	if (!witness_open(t, &w))
		return;
	r = raw_connect(t, w.p.lst->port, 8);
	if (!r)
		return;
	AT_CHECK(t, raw_stays(r, 4000), "gone before the limit");
	AT_CHECK(t, raw_wait_gone(r, 4000), "still there after 8 s");
	witness_check(t, &w);
}

static void badnego_late_is_good(struct at *t)
{
	struct raw_req q = raw_good_req();
	u8 b[RAW_RESP_LEN];
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	struct raw_peer *r;

	if (!lst)
		return;
	r = raw_connect(t, lst->port, 8);
	if (!r)
		return;
	at_sleep_ms(3500);
	raw_put_req(b, &q);
	AT_EQ(t, "raw send", raw_send(r, b, RAW_REQ_LEN), 0);
	if (!at_accept(t, lst, 4000))
		return;
	AT_EQ(t, "response", raw_recv(r, b, sizeof(b), 4000), RAW_RESP_LEN);
}

/* A hundred half-open connections: a real client still gets in quickly. */
static void badnego_flood(struct at *t)
{
	static const struct at_opts none;
	struct at_pair p = { .lst = at_listener(t, NULL, 10, false) };
	unsigned int in = 0;
	ktime_t start;
	int i, err;

	if (!p.lst)
		return;
	t->waiting = "raw connects";
	for (i = 0; i < 100; i++)
		in += !!raw_try_connect(t, p.lst->port, 1, &err);
	start = ktime_get();
	if (!at_pair_join(t, &p, &none))
		return;
	AT_CHECK(t, ktime_ms_delta(ktime_get(), start) < 3000 * at_slow(),
		 "%u half-open connections delay a client by %lld ms", in,
		 ktime_ms_delta(ktime_get(), start));
	at_echo(t, &p, 1000);
}

/* And they do not stay: after the limit each of them has been ended. */
static void badnego_flood_ends(struct at *t)
{
	struct raw_peer *r[30];
	struct at_sock *lst = at_listener(t, NULL, 10, false);
	int i, n = 0, gone = 0, err;

	if (!lst)
		return;
	t->waiting = "raw connects";
	for (i = 0; i < 30; i++) {
		r[n] = raw_try_connect(t, lst->port, 1, &err);
		n += !!r[n];
	}
	AT_CHECK(t, n > 0, "no raw connect worked: %d", err);
	at_sleep_ms(8000);
	for (i = 0; i < n; i++)
		gone += raw_gone(r[i]);
	AT_CHECK(t, gone == n, "%d of %d half-open connections still there after 8 s",
		 n - gone, n);
}

/* What is legal and must be taken; *want tells what the response has to say. */
static void taken(struct at *t, const struct raw_req *q, u32 preferred, u32 receive)
{
	struct at_sock *lst = at_listener(t, NULL, 10, false), *srv;
	u8 out[64], in[64];
	struct raw_peer *p;
	struct raw_resp r;

	if (!lst)
		return;
	p = raw_client(t, lst, q, &srv, &r);
	if (!p)
		return;
	AT_CHECK(t, r.status == 0 && r.min == 0x0100 && r.max == 0x0100 && r.version == 0x0100,
		 "response: status %#x version %#x", r.status, r.version);
	AT_CHECK(t, r.credits_granted >= 1 && r.credits_granted <= q->credits,
		 "granted %u of %u", r.credits_granted, q->credits);
	AT_CHECK(t, r.credits_requested >= 1, "requested no credits");
	AT_CHECK(t, r.preferred == preferred, "preferred send size %u", r.preferred);
	AT_CHECK(t, r.receive == receive, "max receive size %u", r.receive);
	AT_CHECK(t, r.fragmented >= 131072, "max fragmented size %u is below 131072",
		 r.fragmented);
	AT_CHECK(t, r.read_write == 8 << 20, "max read/write size %u", r.read_write);
	at_fill(out, sizeof(out), 6);
	AT_EQ(t, "raw message", raw_send_message(p, out, 64, 10), 0);
	AT_EQ(t, "message", at_recv_msg(srv, in, 64), 64);
	AT_CHECK(t, !memcmp(in, out, 64), "data differs");
}

static void nego_raw_defaults(struct at *t)
{
	struct raw_req q = raw_good_req();

	taken(t, &q, 1364, 1364);
}

static void nego_raw_version_range(struct at *t)
{
	struct raw_req q = raw_good_req();

	q.min = 0;
	q.max = 0xffff;
	taken(t, &q, 1364, 1364);
}

static void nego_raw_preferred_0(struct at *t)
{
	struct raw_req q = raw_good_req();

	q.preferred = 0;
	taken(t, &q, 1364, 128);
}

static void nego_raw_boundaries(struct at *t)
{
	struct raw_req q = raw_good_req();

	q.receive = 128;
	q.fragmented = 131072;
	q.credits = 1;
	taken(t, &q, 128, 1364);
}

static void nego_raw_size_1024(struct at *t)
{
	struct raw_req q = raw_good_req();

	q.preferred = 1024;
	q.receive = 1024;
	taken(t, &q, 1024, 1024);
}

static void nego_raw_huge(struct at *t)
{
	struct raw_req q = raw_good_req();

	q.preferred = U32_MAX;
	q.receive = U32_MAX;
	q.fragmented = U32_MAX;
	q.credits = U16_MAX;
	taken(t, &q, 1364, 1364);
}

const struct at_case at_cases_badnego[] = {
	{ "nego_raw_defaults", nego_raw_defaults },
	{ "nego_raw_version_range", nego_raw_version_range },
	{ "nego_raw_preferred_0", nego_raw_preferred_0 },
	{ "nego_raw_boundaries", nego_raw_boundaries },
	{ "nego_raw_size_1024", nego_raw_size_1024 },
	{ "nego_raw_huge", nego_raw_huge },
	{ "badnego_short", badnego_short },
	{ "badnego_one_byte", badnego_one_byte },
	{ "badnego_oversized", badnego_oversized },
	{ "badnego_no_credits", badnego_no_credits },
	{ "badnego_receive_127", badnego_receive_127 },
	{ "badnego_fragmented_131071", badnego_fragmented_131071 },
	{ "badnego_version_high", badnego_version_high },
	{ "badnego_version_low", badnego_version_low },
	{ "badnego_version_reversed", badnego_version_reversed },
	{ "badnego_silent", badnego_silent },
	{ "badnego_late_is_good", badnego_late_is_good },
	{ "badnego_flood", badnego_flood, 120 },
	{ "badnego_flood_ends", badnego_flood_ends, 90 },
	{}
};
