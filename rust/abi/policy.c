// SPDX-License-Identifier: GPL-2.0
/*
 * What is exported to a server that enforces the policy of shares, in a
 * namespace of its own, and the static key. Documentation/steering.md, 6.
 */
#define DEFAULT_SYMBOL_NAMESPACE "SMBDIRECT_POLICY"

#include <linux/export.h>
#include "../../ksmbd/smbdirect_policy.h"
#include "../kext/helpers.h"

DEFINE_STATIC_KEY_FALSE(smbdirect_policy_key);

EXPORT_SYMBOL_GPL(smbdirect_policy_advertised);
EXPORT_SYMBOL_GPL(smbdirect_policy_key);
EXPORT_SYMBOL_GPL(smbdirect_policy_mode);
EXPORT_SYMBOL_GPL(smbdirect_policy_refused);

/* May sleep; the caller holds the mutex of changes. */
void smbd_policy_key_set(bool on)
{
	if (on)
		static_branch_enable(&smbdirect_policy_key);
	else
		static_branch_disable(&smbdirect_policy_key);
}
