// SPDX-License-Identifier: GPL-2.0
/* The parameters both sides hold after negotiation, by the formulas. */
#include "abitest.h"

static void common(struct at *t, const struct smbdirect_socket_parameters *s0,
		   const struct smbdirect_socket_parameters *c0)
{
	struct at_opts o = { .srv = s0, .cli = c0 };
	const struct smbdirect_socket_parameters *s, *c;
	u32 s_recv, c_recv, pages, depth;
	struct at_pair p;

	if (!at_pair_open(t, &p, &o))
		return;
	s = at_params(p.srv);
	c = at_params(p.cli);

	s_recv = max(128u, min(s0->max_recv_size, c0->max_send_size));
	AT_EQ(t, "server max_recv_size", s->max_recv_size, s_recv);
	AT_EQ(t, "server max_send_size", s->max_send_size,
	      min(s0->max_send_size, c0->max_recv_size));
	AT_EQ(t, "server max_fragmented_send_size", s->max_fragmented_send_size,
	      c0->max_fragmented_recv_size);
	AT_CHECK(t, s->max_fragmented_recv_size >= 131072,
		 "server max_fragmented_recv_size %u is below the legal minimum",
		 s->max_fragmented_recv_size);
	AT_CHECK(t, s->max_fragmented_recv_size < 1 << 24,
		 "server max_fragmented_recv_size %u does not fit three bytes",
		 s->max_fragmented_recv_size);
	AT_EQ(t, "server max_read_write_size", s->max_read_write_size, s0->max_read_write_size);

	c_recv = max(128u, min(c0->max_recv_size, s->max_send_size));
	AT_EQ(t, "client max_recv_size", c->max_recv_size, c_recv);
	AT_EQ(t, "client max_send_size", c->max_send_size, min(c0->max_send_size, s_recv));
	AT_EQ(t, "client max_fragmented_send_size", c->max_fragmented_send_size,
	      s->max_fragmented_recv_size);
	AT_EQ(t, "client max_fragmented_recv_size", c->max_fragmented_recv_size,
	      c0->max_fragmented_recv_size);

	/* soft RoCE and soft iWARP allow fewer pages than cifs asks for */
	depth = c->max_frmr_depth;
	AT_CHECK(t, depth >= 1 && depth <= c0->max_frmr_depth, "client max_frmr_depth %u", depth);
	pages = c->max_read_write_size / PAGE_SIZE;
	AT_EQ(t, "client max_frmr_depth against max_read_write_size", depth, pages);
	AT_CHECK(t, c->max_read_write_size <= s0->max_read_write_size,
		 "client max_read_write_size %u above the server's", c->max_read_write_size);

	AT_EQ(t, "server initiator_depth", s->initiator_depth,
	      min(s0->initiator_depth, c0->responder_resources));
	AT_EQ(t, "client responder_resources", c->responder_resources,
	      min(s0->initiator_depth, c0->responder_resources));
	AT_EQ(t, "server responder_resources", s->responder_resources,
	      min(s0->responder_resources, c0->initiator_depth));
	AT_EQ(t, "client initiator_depth", c->initiator_depth,
	      min(s0->responder_resources, c0->initiator_depth));
	AT_EQ(t, "server recv_credit_max", s->recv_credit_max, s0->recv_credit_max);
	AT_EQ(t, "client recv_credit_max", c->recv_credit_max, c0->recv_credit_max);
	AT_EQ(t, "client keepalive_interval", c->keepalive_interval_msec,
	      c0->keepalive_interval_msec);

	at_echo(t, &p, 20000);
}

static void nego_defaults(struct at *t)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();

	common(t, &s, &c);
}

static void nego_server_smaller(struct at *t)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();

	s.max_send_size = 1200;
	s.max_recv_size = 1100;
	s.max_read_write_size = 1 << 20;
	s.initiator_depth = 4;
	common(t, &s, &c);
}

static void nego_client_smaller(struct at *t)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();

	c.max_send_size = 1100;
	c.max_recv_size = 1200;
	c.responder_resources = 3;
	common(t, &s, &c);
}

static void nego_client_large(struct at *t)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();

	c.max_recv_size = 8192;
	c.max_fragmented_recv_size = 1048576;
	s.max_send_size = 8192;
	common(t, &s, &c);
}

/* 1,024 bytes and below: the announced fragmented size must stay legal. */
static void nego_size_1024(struct at *t)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();

	c.max_send_size = 1024;
	c.max_recv_size = 1024;
	common(t, &s, &c);
}

static void nego_size_512(struct at *t)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();

	c.max_send_size = 512;
	c.max_recv_size = 512;
	common(t, &s, &c);
}

static void nego_size_128(struct at *t)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();

	c.max_send_size = 128;
	c.max_recv_size = 128;
	common(t, &s, &c);
}

/* Few credits in both directions must slow things down, not stop them. */
static void credits(struct at *t, u16 n)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();
	struct at_opts o = { .srv = &s, .cli = &c };
	struct at_pair p;
	int i;

	s.recv_credit_max = n;
	s.send_credit_target = n;
	c.recv_credit_max = n;
	c.send_credit_target = n;
	if (n < 200) {
		s.max_fragmented_recv_size = 131072;
		c.max_fragmented_recv_size = 131072;
	}
	if (!at_pair_open(t, &p, &o))
		return;
	AT_CHECK(t, at_params(p.cli)->max_fragmented_send_size >= 131072,
		 "peer announced max_fragmented_size %u",
		 at_params(p.cli)->max_fragmented_send_size);
	for (i = 0; i < 20; i++)
		if (!at_echo(t, &p, 4 + i * 97))
			return;
	at_echo(t, &p, 131072);
}

static void nego_credits_1(struct at *t)
{
	credits(t, 1);
}

static void nego_credits_2(struct at *t)
{
	credits(t, 2);
}

static void nego_credits_17(struct at *t)
{
	credits(t, 17);
}

/* The client's page limit decides what it can take in one registration. */
static void nego_mr_depth_limit(struct at *t)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();

	c.max_frmr_depth = 64;
	common(t, &s, &c);
}

/* An idle connection stays, and both ends may sit silent with short intervals. */
static void nego_keepalive(struct at *t)
{
	struct smbdirect_socket_parameters s = at_server_params(), c = at_client_params();
	struct at_opts o = { .srv = &s, .cli = &c };
	struct at_pair p;

	s.keepalive_interval_msec = 1000;
	s.keepalive_timeout_msec = 1000;
	c.keepalive_interval_msec = 1000;
	c.keepalive_timeout_msec = 1000;
	if (!at_pair_open(t, &p, &o))
		return;
	at_sleep_ms(6000);
	AT_CHECK(t, smbdirect_connection_is_connected(p.cli->sc), "client gave up");
	AT_CHECK(t, smbdirect_connection_is_connected(p.srv->sc), "server gave up");
	at_echo(t, &p, 100);
}

const struct at_case at_cases_nego[] = {
	{ "nego_defaults", nego_defaults },
	{ "nego_server_smaller", nego_server_smaller },
	{ "nego_client_smaller", nego_client_smaller },
	{ "nego_client_large", nego_client_large },
	{ "nego_size_1024", nego_size_1024 },
	{ "nego_size_512", nego_size_512 },
	{ "nego_size_128", nego_size_128 },
	{ "nego_credits_1", nego_credits_1, 60 },
	{ "nego_credits_2", nego_credits_2, 60 },
	{ "nego_credits_17", nego_credits_17 },
	{ "nego_mr_depth_limit", nego_mr_depth_limit },
	{ "nego_keepalive", nego_keepalive },
	{}
};
