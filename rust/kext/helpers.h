/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C wrappers of what bindgen cannot bind: inline functions, macros, and
 * varargs. One line of logic each; everything else is Rust.
 */
#ifndef SMBD_HELPERS_H
#define SMBD_HELPERS_H

#include <linux/types.h>
#include <linux/scatterlist.h>
#include <linux/sysfs.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

struct smbdirect_socket;

typedef bool (*smbd_log_needed_fn)(struct smbdirect_socket *sc, void *priv, unsigned int lvl, unsigned int cls);
typedef void (*smbd_log_vaprintf_fn)(struct smbdirect_socket *sc, const char *func, unsigned int line, void *priv,
				     unsigned int lvl, unsigned int cls, struct va_format *vaf);
typedef bool (*smbd_netdev_fn)(struct net_device *dev, void *arg);
/* An IPv4 address comes in its v4-mapped form. */
typedef void (*smbd_addr_fn)(const u8 *addr, void *arg);

int smbd_post_send(struct ib_qp *qp, struct ib_send_wr *wr, const struct ib_send_wr **bad_wr);
int smbd_post_recv(struct ib_qp *qp, struct ib_recv_wr *wr, const struct ib_recv_wr **bad_wr);

u64 smbd_dma_map_single(struct ib_device *dev, void *addr, size_t size, int dir);
void smbd_dma_unmap_single(struct ib_device *dev, u64 addr, size_t size, int dir);
int smbd_dma_mapping_error(struct ib_device *dev, u64 addr);
void smbd_dma_sync_for_cpu(struct ib_device *dev, u64 addr, size_t size, int dir);
void smbd_dma_sync_for_device(struct ib_device *dev, u64 addr, size_t size, int dir);
int smbd_dma_map_sg(struct ib_device *dev, struct scatterlist *sg, int nents, int dir);
void smbd_dma_unmap_sg(struct ib_device *dev, struct scatterlist *sg, int nents, int dir);

void smbd_mr_next_key(struct ib_mr *mr);
bool smbd_port_is_iwarp(struct ib_device *dev, u32 port);
bool smbd_port_is_infiniband(struct ib_device *dev, u32 port);
bool smbd_port_is_ib_or_roce(struct ib_device *dev, u32 port);
u64 smbd_device_cap_flags(struct ib_device *dev);
u64 smbd_device_kernel_cap_flags(struct ib_device *dev);

size_t smbd_sg_longest(struct ib_device *dev);
int smbd_sg_from_buf(struct scatterlist *sg, unsigned int max, void *buf, size_t len,
		     size_t longest);
unsigned int smbd_sg_bound(const void *buf, size_t len, size_t longest);

void smbd_sg_mark_end(struct scatterlist *sg, unsigned int nents);

size_t smbd_iov_count(const struct iov_iter *iter);
u64 smbd_now_ms(void);
unsigned int smbd_nofs_save(void);
void smbd_nofs_restore(unsigned int flags);
unsigned int smbd_noio_save(void);
void smbd_noio_restore(unsigned int flags);
bool smbd_awaits_stop(void);

/* Sources that log lines are limited by, each on its own. */
#define SMBD_LOG_SOURCES 16
bool smbd_log_ratelimit(unsigned int source);
void smbd_log_text(smbd_log_vaprintf_fn vaprintf, struct smbdirect_socket *sc, const char *func, unsigned int line,
		   void *priv, unsigned int lvl, unsigned int cls, const char *text, int len);
bool smbd_log_needed(smbd_log_needed_fn needed, struct smbdirect_socket *sc, void *priv, unsigned int lvl,
		     unsigned int cls);

bool smbd_netdev_any_lower(struct net_device *dev, smbd_netdev_fn fn, void *arg);
bool smbd_netdev_is_ipoib(struct net_device *dev);
void smbd_netdev_put(struct net_device *dev);
void smbd_netdev_name(const struct net_device *dev, char *name, size_t size);
void smbd_netdev_each_addr(struct net_device *dev, smbd_addr_fn fn, void *arg);
bool smbd_cm_peer_gid(struct rdma_cm_id *id, u8 gid[16]);
void smbd_cm_netdev_name(struct rdma_cm_id *id, char *name, size_t size);
int smbd_sockaddr_len(const struct sockaddr *addr);
int smbd_addr_parse(struct net *net, const char *text, struct sockaddr_in6 *addr);
struct net *smbd_current_net(void);
void smbd_net_put(struct net *net);

int smbd_casefold(const char *name, char *folded, size_t size);
/* abi/policy.c */
void smbd_policy_key_set(bool on);

void smbd_attribute_init(struct attribute *attr, const char *name);

#endif
