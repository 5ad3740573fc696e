// SPDX-License-Identifier: GPL-2.0
/* Moving data the way ksmbd and cifs do: messages, registrations, RDMA. */
#include <linux/unaligned.h>
#include "abitest.h"

static int send_prefixed(struct at_sock *s, const void *buf, size_t len,
			 bool invalidate, u32 rkey)
{
	__be32 prefix = cpu_to_be32(len);
	struct kvec v[2] = {
		{ .iov_base = &prefix, .iov_len = sizeof(prefix) },
		{ .iov_base = (void *)buf, .iov_len = len },
	};
	struct iov_iter iter;

	iov_iter_kvec(&iter, ITER_SOURCE, v, 2, len + sizeof(prefix));
	return smbdirect_connection_send_iter(s->sc, &iter, 0, invalidate, rkey);
}

/* As ksmbd sends: 0, or a negative errno; -EPROTO for a wrong return value. */
int at_send(struct at_sock *s, const void *buf, size_t len)
{
	int ret = send_prefixed(s, buf, len, false, 0);

	return ret < 0 ? ret : ret == len + 4 ? 0 : -EPROTO;
}

int at_send_inv(struct at_sock *s, const void *buf, size_t len, u32 rkey)
{
	int ret = send_prefixed(s, buf, len, true, rkey);

	return ret < 0 ? ret : ret == len + 4 ? 0 : -EPROTO;
}

/* As cifs sends: several iterators, one message, always a flush and a wait. */
int at_send_batch(struct at_sock *s, struct iov_iter *iters, int n)
{
	struct smbdirect_send_batch_storage storage;
	struct smbdirect_send_batch *batch;
	u32 left = 0;
	int i, ret = 0, err;

	batch = smbdirect_init_send_batch_storage(&storage, false, 0);
	for (i = 0; i < n; i++)
		left += iov_iter_count(&iters[i]);
	for (i = 0; i < n && ret >= 0; i++) {
		while (iov_iter_count(&iters[i])) {
			size_t before = iov_iter_count(&iters[i]);

			ret = smbdirect_connection_send_single_iter(s->sc, batch,
								    &iters[i], 0, left);
			if (ret < 0)
				break;
			/* the count must be what the iterator moved by, never 0 */
			if (ret == 0 || before - iov_iter_count(&iters[i]) != ret) {
				ret = -EPROTO;
				break;
			}
			left -= ret;
		}
	}
	err = smbdirect_connection_send_batch_flush(s->sc, batch, true);
	if (ret >= 0 && err)
		ret = err;
	err = smbdirect_connection_send_wait_zero_pending(s->sc);
	if (ret >= 0 && err)
		ret = err;
	return ret < 0 ? ret : 0;
}

/* 0 when exactly len bytes came; -EPROTO for any other count. */
int at_recv(struct at_sock *s, void *buf, size_t len)
{
	struct kvec v = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = {};
	int ret;

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &v, 1, len);
	ret = smbdirect_connection_recvmsg(s->sc, &msg, 0);
	if (ret < 0)
		return ret;
	return ret == len && iov_iter_count(&msg.msg_iter) == 0 ? 0 : -EPROTO;
}

/* The made-up length at the start of a message. */
int at_recv_len(struct at_sock *s)
{
	u8 head[4];
	int ret = at_recv(s, head, sizeof(head));

	return ret ?: (int)get_unaligned_be32(head);
}

int at_recv_msg(struct at_sock *s, void *buf, size_t cap)
{
	int len = at_recv_len(s), ret;

	if (len < 0)
		return len;
	if (len > cap)
		return -EOVERFLOW;
	ret = at_recv(s, buf, len);
	return ret ?: len;
}

struct send_arg {
	struct at_sock *s;
	void *buf;
	size_t len;
	enum at_how how;
};

static int send_fn(struct at_party *p)
{
	struct send_arg *a = p->arg;
	struct kvec v = { .iov_base = a->buf, .iov_len = a->len };
	struct iov_iter iter;

	p->waiting = "sending a message";
	if (a->how == AT_ITER)
		return at_send(a->s, a->buf, a->len);
	iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, a->len);
	return at_send_batch(a->s, &iter, 1);
}

/* One message from one socket to the other, read whole and compared. */
bool at_message(struct at *t, struct at_sock *from, struct at_sock *to,
		size_t len, enum at_how how)
{
	struct send_arg *a = at_alloc(t, sizeof(*a));
	u8 *in = at_alloc(t, len);
	struct at_party *p;
	long bad;
	int ret;

	if (!a || !in)
		return false;
	*a = (struct send_arg) { from, at_alloc(t, len), len, how };
	if (!a->buf)
		return false;
	at_fill(a->buf, len, len);
	p = at_spawn(t, from->name, send_fn, a);
	if (!p)
		return false;
	WRITE_ONCE(t->waiting, "recvmsg of a message");
	ret = at_recv_msg(to, in, len);
	WRITE_ONCE(t->waiting, NULL);
	AT_CHECK_RET(t, ret == len, false, "%s read %d instead of a message of %zu",
		     to->name, ret, len);
	if (!at_join(p, AT_STEP_S))
		return false;
	AT_CHECK_RET(t, !p->ret, false, "%s sent %zu bytes: %d", from->name, len, p->ret);
	bad = at_differs(in, len, len);
	AT_CHECK_RET(t, bad < 0, false, "message of %zu differs at byte %ld", len, bad);
	return true;
}

bool at_echo(struct at *t, struct at_pair *p, size_t len)
{
	return at_message(t, p->cli, p->srv, len, AT_BATCH) &&
	       at_message(t, p->srv, p->cli, len, AT_ITER);
}

static int reg_fn(struct at_party *p)
{
	struct at_reg *a = p->arg;

	p->waiting = "register_mr_io";
	a->mr = smbdirect_connection_register_mr_io(a->s->sc, &a->iter, a->writing,
						    a->invalidate);
	return 0;
}

struct at_party *at_reg_start(struct at *t, struct at_reg *reg)
{
	return at_spawn(t, "register", reg_fn, reg);
}

struct at_mr *at_mr_keep(struct at *t, struct at_reg *reg)
{
	struct at_mr *m = at_alloc(t, sizeof(*m));

	if (!m)
		return NULL;
	m->mr = reg->mr;
	m->invalidate = reg->invalidate;
	smbdirect_mr_io_fill_buffer_descriptor(m->mr, &m->desc);
	spin_lock(&t->lock);
	list_add(&m->list, &t->mrs);
	spin_unlock(&t->lock);
	return m;
}

/*
 * A registration is only ordered before later sends. In life the request goes
 * out next, and the server uses the key when it has read it; so do we. Nobody
 * else may be sending or reading this way.
 */
int at_mr_sync(struct at_sock *s)
{
	u8 out[8] = "request", in[8];
	struct kvec v = { out, sizeof(out) };
	struct iov_iter iter;
	int ret;

	if (!s->peer)
		return 0;
	iov_iter_kvec(&iter, ITER_SOURCE, &v, 1, sizeof(out));
	ret = at_send_batch(s, &iter, 1);
	ret = ret ?: at_recv_msg(s->peer, in, sizeof(in));
	return ret < 0 ? ret : ret == sizeof(in) ? 0 : -EPROTO;
}

struct at_mr *at_mr_iter(struct at *t, struct at_sock *s, struct iov_iter *i,
			 bool writing, bool need_invalidate)
{
	struct at_reg *a = at_alloc(t, sizeof(*a));
	struct at_party *p;
	struct at_mr *m;
	int ret;

	if (!a)
		return NULL;
	*a = (struct at_reg) { s, *i, writing, need_invalidate };
	p = at_reg_start(t, a);
	if (!p || !at_join(p, AT_STEP_S))
		return NULL;
	AT_CHECK_RET(t, !IS_ERR(a->mr), NULL, "register_mr_io returned an ERR_PTR");
	AT_CHECK_RET(t, a->mr, NULL, "register_mr_io returned NULL");
	m = at_mr_keep(t, a);
	if (!m)
		return NULL;
	WRITE_ONCE(t->waiting, "a message after register_mr_io");
	ret = at_mr_sync(s);
	WRITE_ONCE(t->waiting, NULL);
	AT_CHECK_RET(t, !ret, NULL, "message after register_mr_io: %d", ret);
	return m;
}

struct at_mr *at_mr(struct at *t, struct at_sock *s, struct at_region *r,
		    bool writing, bool need_invalidate)
{
	struct iov_iter iter;
	struct at_mr *m;

	at_region_iter(r, &iter, writing ? ITER_DEST : ITER_SOURCE);
	m = at_mr_iter(t, s, &iter, writing, need_invalidate);
	if (m && le32_to_cpu(m->desc.length) != r->len) {
		at_fail(t, "descriptor says %u bytes, the iterator had %zu",
			le32_to_cpu(m->desc.length), r->len);
		return NULL;
	}
	return m;
}

static int drop_fn(struct at_party *p)
{
	struct at_mr *m = p->arg;

	p->waiting = "deregister_mr_io";
	smbdirect_connection_deregister_mr_io(m->mr);
	return 0;
}

bool at_mr_drop(struct at *t, struct at_mr *m)
{
	struct at_party *p;

	spin_lock(&t->lock);
	list_del(&m->list);
	spin_unlock(&t->lock);
	p = at_spawn(t, "deregister", drop_fn, m);
	return p && at_join(p, AT_STEP_S);
}

bool at_mr_drop_all(struct at *t)
{
	while (!list_empty(&t->mrs))
		if (!at_mr_drop(t, list_first_entry(&t->mrs, struct at_mr, list)))
			return false;
	return true;
}

static int xmit_fn(struct at_party *p)
{
	struct at_xmit *x = p->arg;

	p->waiting = x->read ? "rdma_xmit (read)" : "rdma_xmit (write)";
	return smbdirect_connection_rdma_xmit(x->s->sc, x->buf, x->len, x->desc,
					      x->ndesc * sizeof(*x->desc), x->read);
}

struct at_party *at_xmit_start(struct at *t, struct at_xmit *x)
{
	return at_spawn(t, "xmit", xmit_fn, x);
}

/* What rdma_xmit returned; 1 when it did not return (the case has failed). */
int at_xmit(struct at *t, struct at_xmit *x)
{
	struct at_party *p = at_xmit_start(t, x);

	return p && at_join(p, AT_STEP_S) ? p->ret : 1;
}

/* Cuts len bytes of one descriptor into n pieces, the last one the longest. */
unsigned int at_split(struct smbdirect_buffer_descriptor_v1 *out, unsigned int n,
		      const struct smbdirect_buffer_descriptor_v1 *in, size_t len)
{
	u64 offset = le64_to_cpu(in->offset);
	u32 part = len / n;
	unsigned int i;

	for (i = 0; i < n; i++) {
		out[i].offset = cpu_to_le64(offset + (u64)i * part);
		out[i].token = in->token;
		out[i].length = cpu_to_le32(i == n - 1 ? len - (size_t)i * part : part);
	}
	return n;
}
