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

#define HOLD_MAX 512

/* A set of handles; `n` is published after the handle. */
struct hold_set {
	struct smbdirect_socket *sc[HOLD_MAX];
	unsigned int n;
};

/* link.c: one connection */
struct smbdirect_socket *hold_socket(bool server, bool iwarp);
int hold_send(struct smbdirect_socket *sc, void *data, u32 len);
int hold_receive(struct smbdirect_socket *sc, void *data, u32 room);

/* hold.c: message j of connection i, sent and checked; buf has room for two of them */
unsigned int hold_longest(void);
int hold_say(struct smbdirect_socket *sc, u8 *buf, unsigned int i, unsigned int j);
int hold_hear(struct smbdirect_socket *sc, u8 *buf, unsigned int i, unsigned int j);

/* storm.c: all connections at once */
int hold_storm(struct hold_set *clients, struct hold_set *servers, unsigned int count);
void hold_storm_progress(unsigned int *least, unsigned int *most);

/* bare_cm.c: connections of which smbdirect.ko knows nothing, or one end only */
int bare_listen(struct sockaddr_storage *at, unsigned int cqs);
int bare_connect(struct sockaddr_storage *from, struct sockaddr_storage *to,
		 struct sockaddr_storage *claim, unsigned int cqs, unsigned int mrs);
void bare_drop(void);
void bare_drop_listener(void);
void bare_counts(unsigned int *own, unsigned int *peers);

#endif
