// SPDX-License-Identifier: GPL-2.0
/*
 * One RDMA READ between two machines, of memory that its owner takes back meanwhile.
 * Uses the RDMA core and the connection manager, nothing else.
 *
 *	late.ko lend=ADDRESS	registers memory full of BEFORE, listens, lends it to who connects;
 *				`act`: end the connection, deregister, then fill it with AFTER
 *	late.ko borrow=ADDRESS	connects; `act`: post the READ, of `len` bytes
 *				`result`: its status, how many bytes are AFTER, and BEFORE, in words
 */
#include <linux/inet.h>
#include <linux/module.h>
#include <rdma/rdma_cm.h>

/* An answer of this size goes into TCP's first send buffer as a whole. */
#define PAGES 32
#define SIZE (PAGES * PAGE_SIZE)
#define PORT 4791
#define BEFORE 0x11
#define AFTER 0x22
#define STEP_MS 20000

static char *lend, *borrow;
static uint len = SIZE;
module_param(lend, charp, 0444);
module_param(borrow, charp, 0444);
module_param(len, uint, 0444);

static struct rdma_cm_id *listener, *cm_id;
static struct ib_pd *pd;
static struct ib_cq *cq;
static struct ib_mr *mr;
static struct scatterlist sg;
static u8 *memory;
static int step_status;
static enum ib_wc_status read_status;
static DECLARE_COMPLETION(stepped);
static DECLARE_COMPLETION(read_done);

/* where the memory is, and its key; the connection manager carries it */
static struct {
	__be64 at;
	__be32 key;
} __packed told;
static struct rdma_conn_param param = {
	.private_data = &told, .private_data_len = sizeof(told),
	.responder_resources = 1, .initiator_depth = 1,
};

/* of the READ, or of a registration that has failed */
static void on_done(struct ib_cq *q, struct ib_wc *wc)
{
	read_status = wc->status;
	complete(&read_done);
}
static struct ib_cqe cqe = { .done = on_done };

/* Register the memory, then do `next`. */
static int post(int access, struct ib_send_wr *next)
{
	struct ib_reg_wr reg = {
		.wr = { .opcode = IB_WR_REG_MR, .wr_cqe = &cqe, .next = next },
		.mr = mr, .key = mr->rkey, .access = access,
	};

	return ib_post_send(cm_id->qp, &reg.wr, NULL);
}

static int post_read(void)
{
	struct ib_sge sge = { .addr = mr->iova, .length = len, .lkey = mr->lkey };
	struct ib_rdma_wr read = {
		.wr = {
			.opcode = IB_WR_RDMA_READ, .send_flags = IB_SEND_SIGNALED,
			.wr_cqe = &cqe, .sg_list = &sge, .num_sge = 1,
		},
		.remote_addr = be64_to_cpu(told.at), .rkey = be32_to_cpu(told.key),
	};

	/* iWARP: the answer is a write to us */
	return post(IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE, &read.wr);
}

static int make(void)
{
	struct ib_qp_init_attr attr = {
		.cap = { .max_send_wr = 8, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1 },
		.sq_sig_type = IB_SIGNAL_REQ_WR, .qp_type = IB_QPT_RC,
	};

	pd = ib_alloc_pd(cm_id->device, 0);
	if (IS_ERR(pd))
		return PTR_ERR(pd);
	cq = ib_alloc_cq_any(cm_id->device, NULL, 32, IB_POLL_WORKQUEUE);
	if (IS_ERR(cq))
		return PTR_ERR(cq);
	attr.send_cq = cq;
	attr.recv_cq = cq;
	mr = ib_alloc_mr(pd, IB_MR_TYPE_MEM_REG, PAGES);
	if (IS_ERR(mr))
		return PTR_ERR(mr);
	sg_init_one(&sg, memory, SIZE);
	if (ib_dma_map_sg(cm_id->device, &sg, 1, DMA_BIDIRECTIONAL) != 1 ||
	    ib_map_mr_sg(mr, &sg, 1, NULL, PAGE_SIZE) != 1)
		return -EIO;
	told.at = cpu_to_be64(mr->iova);
	told.key = cpu_to_be32(mr->rkey);
	return rdma_create_qp(cm_id, pd, &attr);
}

/* Nothing of ours is left that another machine could name; then the memory is used again. */
static void take_back(void)
{
	if (cm_id && cm_id->qp) {
		/* to ERR; all work requests are done afterwards */
		ib_drain_qp(cm_id->qp);
		rdma_destroy_qp(cm_id);
	}
	if (!IS_ERR_OR_NULL(mr)) {
		ib_dereg_mr(mr);
		ib_dma_unmap_sg(cm_id->device, &sg, 1, DMA_BIDIRECTIONAL);
	}
	mr = NULL;
	memset(memory, AFTER, SIZE);
}

static int on_event(struct rdma_cm_id *id, struct rdma_cm_event *ev)
{
	int ret = 0;

	if (ev->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
		if (cm_id)
			return -EBUSY;
		cm_id = id;
		ret = make() ?: rdma_accept(id, &param);
	} else if (ev->event == RDMA_CM_EVENT_ESTABLISHED && lend) {
		ret = post(IB_ACCESS_REMOTE_READ, NULL);
	} else if (ev->event == RDMA_CM_EVENT_ESTABLISHED) {
		memcpy(&told, ev->param.conn.private_data, sizeof(told));
	} else if (ev->event != RDMA_CM_EVENT_ADDR_RESOLVED &&
		   ev->event != RDMA_CM_EVENT_ROUTE_RESOLVED) {
		ret = -ECONNABORTED;
	}
	pr_info("late: %s: %d\n", rdma_event_msg(ev->event), ret);
	step_status = ret;
	complete(&stepped);
	return 0;
}

static int step(int ret)
{
	if (!ret && !wait_for_completion_timeout(&stepped, msecs_to_jiffies(STEP_MS)))
		return -ETIMEDOUT;
	return ret ?: step_status;
}

static int start(struct rdma_cm_id *id, struct sockaddr_in at)
{
	if (!in4_pton(lend ?: borrow, -1, (u8 *)&at.sin_addr, -1, NULL))
		return -EINVAL;
	if (lend)
		return rdma_bind_addr(id, (struct sockaddr *)&at) ?: rdma_listen(id, 1);
	return step(rdma_resolve_addr(id, NULL, (struct sockaddr *)&at, STEP_MS)) ?:
	       step(rdma_resolve_route(id, STEP_MS)) ?: make() ?: step(rdma_connect(id, &param));
}

static int act_set(const char *text, const struct kernel_param *kp)
{
	if (IS_ERR_OR_NULL(mr))
		return -ENOTCONN;
	if (!lend)
		return post_read();
	take_back();
	return 0;
}

static int result_get(char *text, const struct kernel_param *kp)
{
	unsigned int i, after = 0, before = 0;

	if (!wait_for_completion_timeout(&read_done, msecs_to_jiffies(3 * STEP_MS)))
		return -ETIMEDOUT;
	for (i = 0; i < len; i++) {
		after += memory[i] == AFTER;
		before += memory[i] == BEFORE;
	}
	return sysfs_emit(text, "%d %u %u %s\n", read_status, after, before,
			  ib_wc_status_msg(read_status));
}

static const struct kernel_param_ops act = { .set = act_set }, result = { .get = result_get };
module_param_cb(act, &act, NULL, 0200);
module_param_cb(result, &result, NULL, 0400);

static void late_exit(void)
{
	if (listener)
		rdma_destroy_id(listener);
	take_back();
	if (!IS_ERR_OR_NULL(cq))
		ib_free_cq(cq);
	if (!IS_ERR_OR_NULL(pd))
		ib_dealloc_pd(pd);
	if (cm_id)
		rdma_destroy_id(cm_id);
	free_pages_exact(memory, SIZE);
}
module_exit(late_exit);

static int __init late_init(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct rdma_cm_id *id;
	int ret;

	if (!lend == !borrow || len > SIZE)
		return -EINVAL;
	id = rdma_create_id(&init_net, on_event, NULL, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	*(lend ? &listener : &cm_id) = id;
	/* single pages: siw would copy the others instead of handing them to TCP */
	memory = alloc_pages_exact(SIZE, GFP_KERNEL | __GFP_ZERO);
	if (!memory) {
		rdma_destroy_id(id);
		return -ENOMEM;
	}
	if (lend)
		memset(memory, BEFORE, SIZE);
	ret = start(id, at);
	if (ret)
		late_exit();
	return ret;
}
module_init(late_init);

MODULE_DESCRIPTION("An RDMA READ of memory that is taken back meanwhile");
MODULE_LICENSE("GPL");
