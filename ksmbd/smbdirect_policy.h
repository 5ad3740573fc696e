/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a server asks smbdirect.ko about the policy of its shares; exported in
 * namespace SMBDIRECT_POLICY. Documentation/steering.md, 6.
 */
#ifndef SMBDIRECT_POLICY_H
#define SMBDIRECT_POLICY_H

#include <linux/jump_label.h>
#include <linux/socket.h>
#include <linux/types.h>

enum smbdirect_policy_mode {
	SMBDIRECT_POLICY_AUTO,
	SMBDIRECT_POLICY_OFF,
	SMBDIRECT_POLICY_REQUIRED,
};

/* Why a request is refused. */
enum smbdirect_policy_reason {
	SMBDIRECT_POLICY_OVER_RDMA,	/* off, and it came over RDMA */
	SMBDIRECT_POLICY_OVER_TCP,	/* required, and data would go over TCP */
	SMBDIRECT_POLICY_CANNOT_MOVE,	/* required, and the session cannot move to RDMA */
};

/* On while the policy of any share is not auto. */
DECLARE_STATIC_KEY_FALSE(smbdirect_policy_key);

/* The mode of @share, a name that is folded already; that of the default if it was not applied by name. Any context. */
enum smbdirect_policy_mode smbdirect_policy_mode(const char *share);

/* Counts, traces and logs that @command (its name, "READ") was refused on @share; @peer may be NULL. May sleep. */
void smbdirect_policy_refused(const char *share, enum smbdirect_policy_reason reason, const char *command,
			      const struct sockaddr *peer);

/* Whether any share allows RDMA, so that interfaces may be advertised as capable of it. Any context. */
bool smbdirect_policy_advertised(void);

#endif
