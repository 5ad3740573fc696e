// SPDX-License-Identifier: GPL-2.0
/* What the raw peer posts, and what comes out of its completion queue. */
#include "raw_priv.h"

static void recv_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct raw_recv *r = container_of(wc->wr_cqe, struct raw_recv, cqe);
	struct raw_peer *p = r->peer;

	if (wc->status != IB_WC_SUCCESS) {
		raw_mark_gone(p);
		return;
	}
	r->len = wc->byte_len;
	spin_lock_bh(&p->lock);
	list_add_tail(&r->list, &p->got);
	spin_unlock_bh(&p->lock);
	wake_up_all(&p->wq);
}

static void send_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct raw_peer *p = container_of(wc->wr_cqe, struct raw_peer, send_cqe);

	p->send_status = wc->status;
	if (wc->status != IB_WC_SUCCESS)
		raw_mark_gone(p);
	complete(&p->sent);
}

int raw_post_recv(struct raw_peer *p, struct raw_recv *r)
{
	struct ib_sge sge = {
		.addr = r->dma, .length = RAW_BUF, .lkey = p->pd->local_dma_lkey,
	};
	struct ib_recv_wr wr = { .wr_cqe = &r->cqe, .sg_list = &sge, .num_sge = 1 };

	r->cqe.done = recv_done;
	return ib_post_recv(p->id->qp, &wr, NULL);
}

static int post_and_wait(struct raw_peer *p, struct ib_send_wr *wr)
{
	int ret;

	if (!p->id->qp)
		return -ENOTCONN;
	reinit_completion(&p->sent);
	p->send_cqe.done = send_done;
	wr->wr_cqe = &p->send_cqe;
	wr->send_flags = IB_SEND_SIGNALED;
	ret = ib_post_send(p->id->qp, wr, NULL);
	if (ret)
		return ret;
	if (!wait_for_completion_timeout(&p->sent, msecs_to_jiffies(RAW_WAIT_MS))) {
		ib_drain_sq(p->id->qp);
		return -ETIMEDOUT;
	}
	return p->send_status == IB_WC_SUCCESS ? 0 : -EIO;
}

static int with_buffer(struct raw_peer *p, struct ib_send_wr *wr, void *buf, size_t len,
		       enum dma_data_direction dir)
{
	struct ib_device *dev = p->id->device;
	struct ib_sge sge = { .length = len, .lkey = p->pd->local_dma_lkey };
	int ret;

	sge.addr = ib_dma_map_single(dev, buf, len, dir);
	if (ib_dma_mapping_error(dev, sge.addr))
		return -EIO;
	wr->sg_list = &sge;
	wr->num_sge = 1;
	ret = post_and_wait(p, wr);
	ib_dma_unmap_single(dev, sge.addr, len, dir);
	return ret;
}

/* Sends the bytes as they are; 0 when the other side's device took them. */
int raw_send(struct raw_peer *p, const void *buf, size_t len)
{
	struct ib_send_wr wr = { .opcode = IB_WR_SEND };
	void *copy = kmemdup(buf, len, GFP_KERNEL);
	int ret;

	if (!copy)
		return -ENOMEM;
	ret = with_buffer(p, &wr, copy, len, DMA_TO_DEVICE);
	kfree(copy);
	return ret;
}

/* buf must be kmalloc memory. */
int raw_rdma_read(struct raw_peer *p, u64 remote, u32 rkey, void *buf, u32 len)
{
	struct ib_rdma_wr wr = {
		.wr.opcode = IB_WR_RDMA_READ, .remote_addr = remote, .rkey = rkey,
	};

	return with_buffer(p, &wr.wr, buf, len, DMA_FROM_DEVICE);
}

int raw_rdma_write(struct raw_peer *p, u64 remote, u32 rkey, void *buf, u32 len)
{
	struct ib_rdma_wr wr = {
		.wr.opcode = IB_WR_RDMA_WRITE, .remote_addr = remote, .rkey = rkey,
	};

	return with_buffer(p, &wr.wr, buf, len, DMA_TO_DEVICE);
}

/* Registers memory, which must be kmalloc's, for the other side to read; once. */
int raw_lend(struct raw_peer *p, void *buf, u32 len, struct smbdirect_buffer_descriptor_v1 *desc)
{
	struct ib_reg_wr wr = {
		.wr.opcode = IB_WR_REG_MR, .access = IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_READ,
	};
	struct ib_mr *mr = ib_alloc_mr(p->pd, IB_MR_TYPE_MEM_REG, len / PAGE_SIZE + 2);
	int ret;

	if (IS_ERR(mr))
		return PTR_ERR(mr);
	sg_init_one(&p->lent, buf, len);
	if (!ib_dma_map_sg(p->id->device, &p->lent, 1, DMA_TO_DEVICE)) {
		ib_dereg_mr(mr);
		return -EIO;
	}
	p->mr = mr;
	ret = ib_map_mr_sg(mr, &p->lent, 1, NULL, PAGE_SIZE);
	if (ret != 1)
		return ret < 0 ? ret : -EINVAL;
	wr.mr = mr;
	wr.key = mr->rkey;
	ret = post_and_wait(p, &wr.wr);
	desc->offset = cpu_to_le64(mr->iova);
	desc->token = cpu_to_le32(mr->rkey);
	desc->length = cpu_to_le32(len);
	return ret;
}

/* When the queue pair is gone. */
void raw_take_back(struct raw_peer *p)
{
	if (!p->mr)
		return;
	ib_dereg_mr(p->mr);
	ib_dma_unmap_sg(p->id->device, &p->lent, 1, DMA_TO_DEVICE);
}

/* An RDMA write of nothing that still takes one of the peer's receives. */
int raw_write_imm(struct raw_peer *p)
{
	struct ib_rdma_wr wr = { .wr.opcode = IB_WR_RDMA_WRITE_WITH_IMM };

	return post_and_wait(p, &wr.wr);
}

/* The next received message; -ETIMEDOUT, or -ENOTCONN when it is all over. */
int raw_recv(struct raw_peer *p, void *buf, size_t cap, unsigned int ms)
{
	struct raw_recv *r;
	int len;

	wait_event_timeout(p->wq, !list_empty_careful(&p->got) || READ_ONCE(p->gone),
			   msecs_to_jiffies(ms * at_slow()));
	spin_lock_bh(&p->lock);
	r = list_first_entry_or_null(&p->got, struct raw_recv, list);
	if (r)
		list_del(&r->list);
	spin_unlock_bh(&p->lock);
	if (!r)
		return READ_ONCE(p->gone) ? -ENOTCONN : -ETIMEDOUT;
	len = min_t(size_t, r->len, cap);
	ib_dma_sync_single_for_cpu(p->id->device, r->dma, RAW_BUF, DMA_FROM_DEVICE);
	memcpy(buf, r->data, len);
	ib_dma_sync_single_for_device(p->id->device, r->dma, RAW_BUF, DMA_FROM_DEVICE);
	raw_post_recv(p, r);
	return len;
}

unsigned int raw_queued(struct raw_peer *p)
{
	struct raw_recv *r;
	unsigned int n = 0;

	spin_lock_bh(&p->lock);
	list_for_each_entry(r, &p->got, list)
		n++;
	spin_unlock_bh(&p->lock);
	return n;
}
