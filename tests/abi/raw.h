/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A peer that speaks plain verbs and knows no manners: it sends whatever bytes a
 * case asks for, as a client or as a server, and tells what came back.
 */
#ifndef SMBDIRECT_ABITEST_RAW_H
#define SMBDIRECT_ABITEST_RAW_H

#include "abitest.h"

struct raw_peer;
struct raw_listener;

/* ---- connections (raw.c) ---- */

struct raw_peer *raw_connect(struct at *t, u16 port, unsigned int nrecv);
struct raw_peer *raw_try_connect(struct at *t, u16 port, unsigned int nrecv, int *err);
struct raw_listener *raw_listen(struct at *t, u16 *port, bool answer);
struct raw_peer *raw_accept(struct at *t, struct raw_listener *l, unsigned int ms);

int raw_send(struct raw_peer *p, const void *buf, size_t len);
int raw_recv(struct raw_peer *p, void *buf, size_t cap, unsigned int ms);
int raw_rdma_read(struct raw_peer *p, u64 remote, u32 rkey, void *buf, u32 len);
int raw_rdma_write(struct raw_peer *p, u64 remote, u32 rkey, void *buf, u32 len);
int raw_write_imm(struct raw_peer *p);
int raw_lend(struct raw_peer *p, void *buf, u32 len, struct smbdirect_buffer_descriptor_v1 *desc);
bool raw_gone(struct raw_peer *p);
bool raw_wait_gone(struct raw_peer *p, unsigned int ms);
bool raw_stays(struct raw_peer *p, unsigned int ms);
unsigned int raw_queued(struct raw_peer *p);

void raw_close(struct raw_peer *p);
void raw_disconnect_all(struct at *t);
void raw_destroy_all(struct at *t);

/* ---- protocol data units (raw_pdu.c) ---- */

struct raw_req {
	u16 min, max, credits;
	u32 preferred, receive, fragmented;
};

struct raw_resp {
	u16 min, max, version, credits_requested, credits_granted;
	u32 status, read_write, preferred, receive, fragmented;
};

struct raw_data {
	u16 requested, granted, flags;
	u32 remaining, offset, length;
};

#define RAW_REQ_LEN	20
#define RAW_RESP_LEN	32
#define RAW_DATA_LEN	24	/* with a payload */
#define RAW_EMPTY_LEN	20
#define RAW_KEEPALIVE	1

struct raw_req raw_good_req(void);
struct raw_resp raw_good_resp(void);
void raw_put_req(u8 *b, const struct raw_req *q);
void raw_put_resp(u8 *b, const struct raw_resp *r);
void raw_put_data(u8 *b, const struct raw_data *d);
void raw_get_resp(struct raw_resp *r, const u8 *b);
void raw_get_req(struct raw_req *q, const u8 *b);
void raw_get_data(struct raw_data *d, const u8 *b);

int raw_send_data(struct raw_peer *p, const struct raw_data *d, const void *payload,
		  size_t len);
int raw_send_empty(struct raw_peer *p, u16 requested, u16 granted, u16 flags);
int raw_send_message(struct raw_peer *p, const void *payload, u32 len, u16 granted);
int raw_recv_data(struct raw_peer *p, struct raw_data *d, void *buf, size_t cap,
		  unsigned int ms);

struct raw_peer *raw_client(struct at *t, struct at_sock *lst, const struct raw_req *q,
			    struct at_sock **srv, struct raw_resp *r);
struct raw_peer *raw_asked(struct at *t, struct at_sock **cli, struct at_party **connect,
			   struct raw_req *q);
struct raw_peer *raw_server(struct at *t, struct at_sock **cli);

#endif
