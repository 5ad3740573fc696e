// SPDX-License-Identifier: GPL-2.0
/*
 * RDMA in both directions, as an SMB client has it done: it lends the server memory to
 * read and memory to write. The server reads the one, and writes what it read, each byte
 * inverted, into the other. What is lent is message j of connection i.
 */
#include "hold.h"

static struct smbdirect_mr_io *lend(struct smbdirect_socket *sc, void *mem, size_t len,
				    bool writing, struct smbdirect_buffer_descriptor_v1 *desc)
{
	struct kvec part = { .iov_base = mem, .iov_len = len };
	struct smbdirect_mr_io *mr;
	struct iov_iter iter;

	iov_iter_kvec(&iter, writing ? ITER_DEST : ITER_SOURCE, &part, 1, len);
	mr = smbdirect_connection_register_mr_io(sc, &iter, writing, true);
	if (mr)
		smbdirect_mr_io_fill_buffer_descriptor(mr, desc);
	return mr;
}

/* Client; buf has room for two of the longest. */
int hold_lend(struct smbdirect_socket *sc, u8 *buf, unsigned int i, unsigned int j)
{
	struct smbdirect_buffer_descriptor_v1 desc[2];
	u8 *to = buf + hold_longest(), done;
	u32 len = hold_compose(buf, i, j), at;
	struct smbdirect_mr_io *read, *written = NULL;
	int ret = -ENOMEM;

	memset(to, 0, len);
	read = lend(sc, buf, len, false, &desc[0]);
	if (read)
		written = lend(sc, to, len, true, &desc[1]);
	if (written)
		ret = hold_send(sc, desc, sizeof(desc)) ?: hold_receive(sc, &done, sizeof(done));
	/* afterwards nobody uses the memory any more */
	if (written)
		smbdirect_connection_deregister_mr_io(written);
	if (read)
		smbdirect_connection_deregister_mr_io(read);
	if (ret < 0)
		return ret;
	for (at = 0; at < len; at++)
		if ((u8)~to[at] != buf[at])
			return -EBADMSG;
	return 0;
}

/* Server, once. */
int hold_borrow(struct smbdirect_socket *sc, u8 *buf)
{
	struct smbdirect_buffer_descriptor_v1 desc[2];
	int ret = hold_receive(sc, desc, sizeof(desc));
	u32 len, at;
	u8 done = 1;

	if (ret != sizeof(desc))
		return ret < 0 ? ret : -EBADMSG;
	len = le32_to_cpu(desc[0].length);
	if (len > hold_longest() || len != le32_to_cpu(desc[1].length))
		return -EBADMSG;
	ret = smbdirect_connection_rdma_xmit(sc, buf, len, &desc[0], sizeof(desc[0]), true);
	if (ret)
		return ret;
	for (at = 0; at < len; at++)
		buf[at] = ~buf[at];
	return smbdirect_connection_rdma_xmit(sc, buf, len, &desc[1], sizeof(desc[1]), false) ?:
	       hold_send(sc, &done, sizeof(done));
}
