/* SPDX-License-Identifier: GPL-2.0 */
/* Connections over the exported functions of smbdirect.ko, kept until told otherwise. */
#ifndef SMBDIRECT_HOLD_H
#define SMBDIRECT_HOLD_H

#include <linux/inet.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <rdma/ib_verbs.h>
#include <linux/smbdirect.h>

#define HOLD_MAX 1024

/* A set of handles; `n` is published after the handle. */
struct hold_set {
	struct smbdirect_socket *sc[HOLD_MAX];
	unsigned int n;
};

/* link.c: one connection */
struct smbdirect_socket *hold_socket(bool server, bool iwarp);
int hold_send(struct smbdirect_socket *sc, void *data, u32 len);
int hold_receive(struct smbdirect_socket *sc, void *data, u32 room);

/* hold.c: an address in text, with this port */
int hold_parse(struct sockaddr_storage *ss, const char *text, u16 at);

/* hold.c: message j of connection i, sent and checked; buf has room for two of them */
unsigned int hold_longest(void);
u32 hold_compose(u8 *buf, unsigned int i, unsigned int j);
int hold_say(struct smbdirect_socket *sc, u8 *buf, unsigned int i, unsigned int j);
int hold_hear(struct smbdirect_socket *sc, u8 *buf, unsigned int i, unsigned int j);

/* lend.c: a pair of RDMA transfers, either end */
int hold_lend(struct smbdirect_socket *sc, u8 *buf, unsigned int i, unsigned int j);
int hold_borrow(struct smbdirect_socket *sc, u8 *buf);

/* storm.c: all connections at once */
int hold_storm(struct hold_set *clients, struct hold_set *servers, unsigned int count,
	       bool rdma);
void hold_storm_progress(unsigned int *least, unsigned int *most);

/* bare_cm.c: connections of which smbdirect.ko knows nothing, or one end only */
int bare_listen(struct sockaddr_storage *at, unsigned int cqs);
int bare_connect(struct sockaddr_storage *from, struct sockaddr_storage *to,
		 struct sockaddr_storage *claim, unsigned int cqs, unsigned int mrs);
int bare_drip(u8 byte);
void bare_drop(void);
void bare_drop_listener(void);
void bare_counts(unsigned int *own, unsigned int *peers);

/* crowd.c: many of these; what they do when they are there. The last needs the CM of InfiniBand. */
enum hold_kind { HOLD_HALF, HOLD_DRIP, HOLD_ASK, HOLD_KINDS };

int hold_crowd(struct sockaddr_storage *to, unsigned int count, enum hold_kind kind,
	       unsigned int cqs, unsigned int mrs);
int hold_flood(struct sockaddr_storage *to, unsigned int count, bool iwarp);
int hold_flood_progress(char *text, size_t room);

#endif
