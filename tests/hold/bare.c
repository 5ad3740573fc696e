// SPDX-License-Identifier: GPL-2.0
/*
 * What the RDMA stack needs for one connection, and nothing else: protection
 * domain, completion queues, queue pair, regions. No buffers.
 */
#include "bare.h"

/* Entries of a queue, and pages of a region as cifs asks for them. */
#define DEPTH 64
#define PAGES 2048

int bare_make(struct bare *b, unsigned int cqs, unsigned int mrs)
{
	struct ib_device *dev = b->id->device;
	struct ib_qp_init_attr attr = {
		.cap = {
			.max_send_wr = DEPTH, .max_recv_wr = DEPTH,
			.max_send_sge = 1, .max_recv_sge = 1, .max_inline_data = 1,
		},
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
	};
	unsigned int i, pages;

	if (!cqs || cqs > BARE_CQS || mrs > BARE_MRS)
		return -EINVAL;
	b->pd = ib_alloc_pd(dev, 0);
	if (IS_ERR(b->pd)) {
		int ret = PTR_ERR(b->pd);

		b->pd = NULL;
		return ret;
	}
	for (i = 0; i < cqs; i++) {
		struct ib_cq *cq = ib_alloc_cq_any(dev, b, 2 * DEPTH, IB_POLL_SOFTIRQ);

		if (IS_ERR(cq))
			return PTR_ERR(cq);
		b->cq[i] = cq;
	}
	attr.send_cq = b->cq[0];
	attr.recv_cq = b->cq[cqs - 1];
	pages = min_t(unsigned int, PAGES, dev->attrs.max_fast_reg_page_list_len);
	for (i = 0; i < mrs; i++) {
		struct ib_mr *mr = ib_alloc_mr(b->pd, IB_MR_TYPE_MEM_REG, pages);

		if (IS_ERR(mr))
			return PTR_ERR(mr);
		b->mr[i] = mr;
	}
	return rdma_create_qp(b->id, b->pd, &attr);
}

/* Nobody hears what becomes of it. */
int bare_send_byte(struct bare *b, u8 byte)
{
	struct ib_sge sge = { .addr = (uintptr_t)&byte, .length = 1 };
	struct ib_send_wr wr = {
		.sg_list = &sge, .num_sge = 1,
		.opcode = IB_WR_SEND, .send_flags = IB_SEND_INLINE,
	};

	return ib_post_send(b->id->qp, &wr, NULL);
}

/* In process context, not in the handler of the id. */
void bare_free(struct bare *b)
{
	unsigned int i;

	if (b->id && b->id->qp) {
		rdma_disconnect(b->id);
		ib_drain_qp(b->id->qp);
		rdma_destroy_qp(b->id);
	}
	for (i = 0; i < BARE_MRS; i++)
		if (b->mr[i])
			ib_dereg_mr(b->mr[i]);
	for (i = 0; i < BARE_CQS; i++)
		if (b->cq[i])
			ib_free_cq(b->cq[i]);
	if (b->pd)
		ib_dealloc_pd(b->pd);
	if (b->id)
		rdma_destroy_id(b->id);
	memset(b, 0, sizeof(*b));
}
