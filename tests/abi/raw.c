// SPDX-License-Identifier: GPL-2.0
/* The raw peer's connections: rdma_cm, one queue pair, a ring of receives. */
#include <linux/delay.h>
#include "raw_priv.h"

void raw_mark_gone(struct raw_peer *p)
{
	spin_lock_bh(&p->lock);
	p->gone = true;
	spin_unlock_bh(&p->lock);
	wake_up_all(&p->wq);
}

static int make_queues(struct raw_peer *p)
{
	struct ib_device *dev = p->id->device;
	struct ib_qp_init_attr attr = {
		.cap = {
			.max_send_wr = 16, .max_recv_wr = p->nrecv + 1,
			.max_send_sge = 1, .max_recv_sge = 1,
		},
		.sq_sig_type = IB_SIGNAL_REQ_WR,
		.qp_type = IB_QPT_RC,
	};
	unsigned int i;
	int ret;

	p->pd = ib_alloc_pd(dev, 0);
	if (IS_ERR(p->pd)) {
		ret = PTR_ERR(p->pd);
		p->pd = NULL;
		return ret;
	}
	p->cq = ib_alloc_cq(dev, p, p->nrecv + 20, 0, IB_POLL_WORKQUEUE);
	if (IS_ERR(p->cq)) {
		ret = PTR_ERR(p->cq);
		p->cq = NULL;
		return ret;
	}
	attr.send_cq = p->cq;
	attr.recv_cq = p->cq;
	ret = rdma_create_qp(p->id, p->pd, &attr);
	if (ret)
		return ret;
	for (i = 0; i < p->nrecv; i++) {
		struct raw_recv *r = kzalloc(sizeof(*r), GFP_KERNEL);

		if (!r)
			return -ENOMEM;
		p->recvs[i] = r;
		r->peer = p;
		r->dma = ib_dma_map_single(dev, r->data, RAW_BUF, DMA_FROM_DEVICE);
		if (ib_dma_mapping_error(dev, r->dma)) {
			r->dma = 0;
			return -EIO;
		}
		ret = raw_post_recv(p, r);
		if (ret)
			return ret;
	}
	return 0;
}

static struct rdma_conn_param conn_param(u8 ird, u8 ord)
{
	return (struct rdma_conn_param) {
		.responder_resources = ird, .initiator_depth = ord,
		.retry_count = 6, .rnr_retry_count = 0,
	};
}

static int peer_event(struct rdma_cm_id *id, struct rdma_cm_event *ev)
{
	struct raw_peer *p = id->context;

	p->status = ev->status;
	switch (ev->event) {
	case RDMA_CM_EVENT_ESTABLISHED:
		p->up = true;
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		rdma_disconnect(id);
		raw_mark_gone(p);
		break;
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		break;
	default:
		raw_mark_gone(p);
		break;
	}
	WRITE_ONCE(p->event, ev->event);
	wake_up_all(&p->wq);
	return 0;
}

static struct raw_peer *new_peer(struct at *t, unsigned int nrecv)
{
	struct raw_peer *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	p->recvs = kcalloc(nrecv, sizeof(*p->recvs), GFP_KERNEL);
	if (!p->recvs) {
		kfree(p);
		return NULL;
	}
	p->t = t;
	p->nrecv = nrecv;
	p->event = -1;
	spin_lock_init(&p->lock);
	INIT_LIST_HEAD(&p->got);
	INIT_LIST_HEAD(&p->fresh);
	init_waitqueue_head(&p->wq);
	init_completion(&p->sent);
	spin_lock(&t->lock);
	list_add(&p->list, &t->raws);
	spin_unlock(&t->lock);
	return p;
}

static int wait_event_kind(struct raw_peer *p, int kind)
{
	if (!wait_event_timeout(p->wq, READ_ONCE(p->event) == kind || READ_ONCE(p->gone),
				msecs_to_jiffies(RAW_WAIT_MS)))
		return -ETIMEDOUT;
	if (READ_ONCE(p->event) == kind)
		return 0;
	return p->event == RDMA_CM_EVENT_REJECTED ? -ECONNREFUSED : -ECONNABORTED;
}

static int do_connect(struct raw_peer *p, u16 port)
{
	struct rdma_conn_param param = conn_param(8, 8);
	struct sockaddr_storage ss;
	struct rdma_cm_id *id;
	int ret;

	at_addr(&ss, port, false);
	id = rdma_create_id(&init_net, peer_event, p, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	p->id = id;
	ret = rdma_resolve_addr(id, NULL, (struct sockaddr *)&ss, 5000);
	ret = ret ?: wait_event_kind(p, RDMA_CM_EVENT_ADDR_RESOLVED);
	ret = ret ?: rdma_resolve_route(id, 5000);
	ret = ret ?: wait_event_kind(p, RDMA_CM_EVENT_ROUTE_RESOLVED);
	ret = ret ?: make_queues(p);
	ret = ret ?: rdma_connect(id, &param);
	return ret ?: wait_event_kind(p, RDMA_CM_EVENT_ESTABLISHED);
}

/* NULL with *err, and no verdict. */
struct raw_peer *raw_try_connect(struct at *t, u16 port, unsigned int nrecv, int *err)
{
	struct raw_peer *p = new_peer(t, nrecv);

	*err = p ? do_connect(p, port) : -ENOMEM;
	return *err ? NULL : p;
}

struct raw_peer *raw_connect(struct at *t, u16 port, unsigned int nrecv)
{
	struct raw_peer *p;
	int err;

	WRITE_ONCE(t->waiting, "a raw connect");
	p = raw_try_connect(t, port, nrecv, &err);
	WRITE_ONCE(t->waiting, NULL);
	AT_CHECK_RET(t, p, NULL, "raw connect: %d", err);
	return p;
}

static int take_request(struct raw_listener *l, struct rdma_cm_id *id,
			struct rdma_cm_event *ev)
{
	struct rdma_conn_param param = conn_param(ev->param.conn.initiator_depth,
						  ev->param.conn.responder_resources);
	struct raw_peer *p = new_peer(l->t, 64);
	int ret;

	if (!p)
		return -ENOMEM;
	/*
	 * On an error the id belongs to rdma_cm, which destroys it; the peer
	 * then keeps the rest of what it made until the end of the case.
	 */
	p->id = id;
	id->context = p;
	id->event_handler = peer_event;
	if (l->answer) {
		ret = make_queues(p);
		if (!ret)
			ret = rdma_accept(id, &param);
		if (ret) {
			pr_err("abitest: raw accept: %d\n", ret);
			raw_mark_gone(p);
			return 0;
		}
	}
	spin_lock_bh(&l->lock);
	list_add_tail(&p->fresh, &l->fresh);
	spin_unlock_bh(&l->lock);
	wake_up_all(&l->wq);
	return 0;
}

static int listener_event(struct rdma_cm_id *id, struct rdma_cm_event *ev)
{
	struct raw_listener *l = id->context;

	if (ev->event == RDMA_CM_EVENT_CONNECT_REQUEST)
		return take_request(l, id, ev);
	return 0;
}

struct raw_listener *raw_listen(struct at *t, u16 *port, bool answer)
{
	struct raw_listener *l = kzalloc(sizeof(*l), GFP_KERNEL);
	struct sockaddr_storage ss;
	int ret;

	AT_CHECK_RET(t, l, NULL, "no memory");
	l->listener = true;
	l->t = t;
	l->answer = answer;
	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->fresh);
	init_waitqueue_head(&l->wq);
	*port = at_next_port();
	at_addr(&ss, *port, false);
	l->id = rdma_create_id(&init_net, listener_event, l, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(l->id)) {
		at_fail(t, "rdma_create_id: %ld", PTR_ERR(l->id));
		kfree(l);
		return NULL;
	}
	spin_lock(&t->lock);
	list_add_tail(&l->list, &t->raws);
	spin_unlock(&t->lock);
	ret = rdma_bind_addr(l->id, (struct sockaddr *)&ss);
	ret = ret ?: rdma_listen(l->id, 16);
	AT_CHECK_RET(t, !ret, NULL, "raw listen: %d", ret);
	return l;
}

struct raw_peer *raw_accept(struct at *t, struct raw_listener *l, unsigned int ms)
{
	struct raw_peer *p;

	WRITE_ONCE(t->waiting, "a raw accept");
	wait_event_timeout(l->wq, !list_empty_careful(&l->fresh),
			   msecs_to_jiffies(ms * at_slow()));
	WRITE_ONCE(t->waiting, NULL);
	spin_lock_bh(&l->lock);
	p = list_first_entry_or_null(&l->fresh, struct raw_peer, fresh);
	if (p)
		list_del_init(&p->fresh);
	spin_unlock_bh(&l->lock);
	AT_CHECK_RET(t, p, NULL, "nobody connected to the raw listener");
	return p;
}

bool raw_gone(struct raw_peer *p)
{
	return READ_ONCE(p->gone);
}

bool raw_wait_gone(struct raw_peer *p, unsigned int ms)
{
	return wait_event_timeout(p->wq, READ_ONCE(p->gone),
				  msecs_to_jiffies(ms * at_slow()));
}

/* Whether it lives on for that long: a lower limit, the same on any machine. */
bool raw_stays(struct raw_peer *p, unsigned int ms)
{
	return !wait_event_timeout(p->wq, READ_ONCE(p->gone), msecs_to_jiffies(ms));
}

void raw_close(struct raw_peer *p)
{
	if (!p->closed && p->id && p->id->qp)
		rdma_disconnect(p->id);
	p->closed = true;
}

void raw_disconnect_all(struct at *t)
{
	struct raw_peer *p;

	list_for_each_entry(p, &t->raws, list)
		if (!p->listener)
			raw_close(p);
}

static void destroy_peer(struct raw_peer *p)
{
	unsigned int i;

	if (p->id && p->id->qp) {
		ib_drain_qp(p->id->qp);
		rdma_destroy_qp(p->id);
	}
	raw_take_back(p);
	for (i = 0; i < p->nrecv; i++) {
		if (p->recvs[i] && p->recvs[i]->dma)
			ib_dma_unmap_single(p->id->device, p->recvs[i]->dma, RAW_BUF,
					    DMA_FROM_DEVICE);
		kfree(p->recvs[i]);
	}
	if (p->cq)
		ib_free_cq(p->cq);
	if (p->pd)
		ib_dealloc_pd(p->pd);
	if (p->id)
		rdma_destroy_id(p->id);
	kfree(p->recvs);
	kfree(p);
}

/* Listeners first: after that no new peer can appear. */
void raw_destroy_all(struct at *t)
{
	struct raw_peer *p, *next;

	list_for_each_entry_safe(p, next, &t->raws, list)
		if (p->listener) {
			struct raw_listener *l = (struct raw_listener *)p;

			list_del(&l->list);
			rdma_destroy_id(l->id);
			kfree(l);
		}
	list_for_each_entry_safe(p, next, &t->raws, list)
		destroy_peer(p);
	INIT_LIST_HEAD(&t->raws);
}
