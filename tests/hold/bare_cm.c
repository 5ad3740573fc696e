// SPDX-License-Identifier: GPL-2.0
/*
 * Bare connections: the connection manager's part. `own` are those made here,
 * `peers` those that were accepted.
 *
 * A device is not removed before the last id over it is gone, and an id cannot be
 * destroyed by its own handler: the work item `leave` frees those whose device goes.
 * `freeing` has whoever frees one; it is not taken by a handler.
 */
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include "bare.h"

#define STEP_MS 10000

static struct bare own[HOLD_MAX], peers[HOLD_MAX];
static unsigned int n_own, n_peers;
static struct rdma_cm_id *listener;
static unsigned int listener_cqs;
static DEFINE_MUTEX(freeing);
static void leave_fn(struct work_struct *work);
static DECLARE_WORK(leave, leave_fn);

/* The depths of an SMB Direct client, and of the server's answer. */
static struct rdma_conn_param depths(u8 serve, u8 issue)
{
	return (struct rdma_conn_param) {
		.responder_resources = serve, .initiator_depth = issue,
		.retry_count = 6, .rnr_retry_count = 0,
	};
}

static int on_event(struct rdma_cm_id *id, struct rdma_cm_event *ev)
{
	struct bare *b = id->context;

	switch (ev->event) {
	case RDMA_CM_EVENT_ESTABLISHED:
		b->up = true;
		fallthrough;
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
	/* comes only if there is no queue pair: nobody answers it (see bare_connect) */
	case RDMA_CM_EVENT_CONNECT_RESPONSE:
		b->status = 0;
		break;
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		return 0;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		WRITE_ONCE(b->leaving, true);
		schedule_work(&leave);
		fallthrough;
	case RDMA_CM_EVENT_DISCONNECTED:
		b->up = false;
		fallthrough;
	default:
		b->status = ev->status < 0 ? ev->status : -ECONNABORTED;
	}
	complete(&b->step);
	return 0;
}

static int step(struct bare *b, int ret)
{
	if (ret)
		return ret;
	if (!wait_for_completion_timeout(&b->step, msecs_to_jiffies(STEP_MS)))
		return -ETIMEDOUT;
	return READ_ONCE(b->status);
}

/*
 * What the CM of InfiniBand puts into a request as the sender's address, which
 * need not be true.
 */
static int connect_as(struct rdma_cm_id *id, struct sockaddr_storage *claim,
		      struct rdma_conn_param *param)
{
	struct sockaddr_storage *source = &id->route.addr.src_addr, own_addr = *source;
	int ret;

	if (claim) {
		*source = *claim;
		((struct sockaddr_in *)source)->sin_port = ((struct sockaddr_in *)&own_addr)->sin_port;
	}
	ret = rdma_connect(id, param);
	*source = own_addr;
	return ret;
}

/*
 * Without completion queues it ends with the connect request: there is no queue pair, only
 * a number that no other has, by which the peer's CM knows us, and its reply is not
 * answered. On iWARP there is no third message.
 */
static u32 made_up_qp(void)
{
	static u32 last = 0x800000;

	last = last == 0xfffffe ? 0x800000 : last + 1;
	return last;
}

int bare_connect(struct sockaddr_storage *from, struct sockaddr_storage *to,
		 struct sockaddr_storage *claim, unsigned int cqs, unsigned int mrs)
{
	struct rdma_conn_param param = depths(32, 1);
	struct rdma_cm_id *id;
	struct bare *b;
	int ret;

	if (n_own == HOLD_MAX)
		return -ENOSPC;
	b = &own[n_own];
	init_completion(&b->step);
	id = rdma_create_id(&init_net, on_event, b, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(id))
		return PTR_ERR(id);
	b->id = id;
	ret = step(b, rdma_resolve_addr(id, (struct sockaddr *)from, (struct sockaddr *)to,
					STEP_MS));
	ret = ret ?: step(b, rdma_resolve_route(id, STEP_MS));
	if (cqs)
		ret = ret ?: bare_make(b, cqs, mrs);
	else if (!ret && !rdma_cap_ib_cm(id->device, id->port_num))
		ret = -EOPNOTSUPP;
	else
		param.qp_num = made_up_qp();
	ret = ret ?: step(b, connect_as(id, claim, &param));
	if (ret) {
		bare_free(b);
		return ret;
	}
	smp_store_release(&n_own, n_own + 1);
	/* its device may have gone before it was in the table */
	if (READ_ONCE(b->leaving))
		schedule_work(&leave);
	return 0;
}

/* The newest connection sends a byte. */
int bare_drip(u8 byte)
{
	struct bare *b;

	/* its device may be going */
	guard(mutex)(&freeing);
	if (!n_own)
		return -ENOTCONN;
	b = &own[n_own - 1];
	return b->id && b->id->qp ? bare_send_byte(b, byte) : -ENOTCONN;
}

static int on_request(struct rdma_cm_id *id, struct rdma_cm_event *ev)
{
	struct rdma_conn_param param = depths(1, 8);
	unsigned int n = READ_ONCE(n_peers);
	struct bare *b = &peers[n];
	int ret;

	if (ev->event != RDMA_CM_EVENT_CONNECT_REQUEST)
		return 0;
	if (n == HOLD_MAX)
		return -ENOSPC;
	/* from here on the id is ours, whatever happens; bare_drop destroys it */
	init_completion(&b->step);
	b->id = id;
	id->context = b;
	id->event_handler = on_event;
	smp_store_release(&n_peers, n + 1);
	ret = bare_make(b, listener_cqs, 0) ?: rdma_accept(id, &param);
	if (ret)
		pr_err("hold: bare accept: %d\n", ret);
	return 0;
}

int bare_listen(struct sockaddr_storage *at, unsigned int cqs)
{
	int ret;

	if (listener)
		return -EBUSY;
	listener_cqs = cqs;
	listener = rdma_create_id(&init_net, on_request, NULL, RDMA_PS_TCP, IB_QPT_RC);
	if (IS_ERR(listener)) {
		ret = PTR_ERR(listener);
		listener = NULL;
		return ret;
	}
	ret = rdma_bind_addr(listener, (struct sockaddr *)at) ?: rdma_listen(listener, HOLD_MAX);
	if (ret)
		bare_drop_listener();
	return ret;
}

/* Afterwards nobody is accepted any more. */
void bare_drop_listener(void)
{
	if (listener)
		rdma_destroy_id(listener);
	listener = NULL;
}

/* They stay in the table, empty. One that is being made is freed by its maker. */
static void free_leaving(struct bare *table, unsigned int n)
{
	while (n--)
		if (READ_ONCE(table[n].leaving))
			bare_free(&table[n]);
}

static void leave_fn(struct work_struct *work)
{
	guard(mutex)(&freeing);
	free_leaving(own, smp_load_acquire(&n_own));
	free_leaving(peers, smp_load_acquire(&n_peers));
}

/* To be called when no connection is being made. */
void bare_drop(void)
{
	scoped_guard(mutex, &freeing) {
		while (n_own)
			bare_free(&own[--n_own]);
		while (n_peers)
			bare_free(&peers[--n_peers]);
	}
	flush_work(&leave);
}

void bare_counts(unsigned int *up_own, unsigned int *up_peers)
{
	unsigned int i, n = smp_load_acquire(&n_peers);

	for (*up_own = 0, i = 0; i < n_own; i++)
		*up_own += READ_ONCE(own[i].up);
	for (*up_peers = 0, i = 0; i < n; i++)
		*up_peers += READ_ONCE(peers[i].up);
}
