/* SPDX-License-Identifier: GPL-2.0 */
/* What raw.c (connections) and raw_io.c (work requests) share. */
#ifndef SMBDIRECT_ABITEST_RAW_PRIV_H
#define SMBDIRECT_ABITEST_RAW_PRIV_H

#include "raw.h"

#define RAW_BUF		8192
#define RAW_WAIT_MS	20000

struct raw_recv {
	struct list_head list;
	struct ib_cqe cqe;
	struct raw_peer *peer;
	u64 dma;
	u32 len;
	u8 data[RAW_BUF];
};

struct raw_listener {
	struct list_head list;		/* struct at, raws */
	bool listener;
	struct at *t;
	struct rdma_cm_id *id;
	struct list_head fresh;		/* connected, not yet handed out */
	wait_queue_head_t wq;
	spinlock_t lock;
	bool answer;
};

struct raw_peer {
	struct list_head list;		/* struct at, raws; first, like above */
	bool listener;
	struct list_head fresh;
	struct at *t;
	struct rdma_cm_id *id;
	struct ib_pd *pd;
	struct ib_cq *cq;
	struct raw_recv **recvs;
	unsigned int nrecv;
	spinlock_t lock;
	struct list_head got;
	wait_queue_head_t wq;
	int event;			/* the last CM event */
	int status;
	bool up, gone, closed;
	struct ib_cqe send_cqe;
	struct completion sent;
	enum ib_wc_status send_status;
	struct ib_mr *mr;		/* raw_lend() */
	struct scatterlist lent;
};

void raw_mark_gone(struct raw_peer *p);
int raw_post_recv(struct raw_peer *p, struct raw_recv *r);
void raw_take_back(struct raw_peer *p);

#endif
