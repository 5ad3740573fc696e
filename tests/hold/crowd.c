// SPDX-License-Identifier: GPL-2.0
/*
 * Many bare connections from several addresses, and a flood of half-open ones: of all
 * kinds in turn, and whoever is refused comes back as the next.
 */
#include <linux/sched/signal.h>
#include "hold.h"

static char *sources[8];
static unsigned int n_sources;
module_param_array(sources, charp, &n_sources, 0444);
MODULE_PARM_DESC(sources, "own addresses to use in turn for connections made by ask, half, drip, flood and bare");
static char *claims[64];
static unsigned int n_claims;
module_param_array(claims, charp, &n_claims, 0444);
MODULE_PARM_DESC(claims, "IPv4 addresses that these requests name in turn as their sender's; InfiniBand and RoCE");

static unsigned int made[HOLD_KINDS], refused;

/* The first byte of a negotiate request, the low one of MinVersion 0x0100. */
#define FIRST_BYTE 0x00

static int one(struct sockaddr_storage *to, unsigned int i, enum hold_kind kind,
	       unsigned int cqs, unsigned int mrs)
{
	struct sockaddr_storage from, claim;
	int ret = 0;

	if (n_sources)
		ret = hold_parse(&from, sources[i % n_sources], 0);
	if (!ret && n_claims)
		ret = hold_parse(&claim, claims[i % n_claims], 0);
	ret = ret ?: bare_connect(n_sources ? &from : NULL, to, n_claims ? &claim : NULL,
				  kind == HOLD_ASK ? 0 : cqs, mrs);
	if (!ret && kind == HOLD_DRIP)
		ret = bare_drip(FIRST_BYTE);
	return ret;
}

static bool is_refusal(int ret)
{
	return ret == -ECONNABORTED || ret == -ECONNREFUSED || ret == -ECONNRESET;
}

int hold_crowd(struct sockaddr_storage *to, unsigned int count, enum hold_kind kind,
	       unsigned int cqs, unsigned int mrs)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < count && !fatal_signal_pending(current); i++)
		ret = one(to, i, kind, cqs, mrs);
	return ret;
}

/* All sources with one kind, then with the next. */
int hold_flood(struct sockaddr_storage *to, unsigned int count, bool iwarp)
{
	unsigned int kinds = iwarp ? HOLD_KINDS - 1 : HOLD_KINDS, i;
	int ret = 0;

	for (i = 0; !ret && i < count && !fatal_signal_pending(current); i++) {
		enum hold_kind kind = i / max(n_sources, 1u) % kinds;

		ret = one(to, i, kind, 1, 0);
		if (!ret) {
			WRITE_ONCE(made[kind], made[kind] + 1);
		} else if (is_refusal(ret)) {
			WRITE_ONCE(refused, refused + 1);
			ret = 0;
		}
	}
	return ret;
}

int hold_flood_progress(char *text, size_t room)
{
	return scnprintf(text, room, "half %u drip %u ask %u refused %u", READ_ONCE(made[HOLD_HALF]),
			 READ_ONCE(made[HOLD_DRIP]), READ_ONCE(made[HOLD_ASK]), READ_ONCE(refused));
}
