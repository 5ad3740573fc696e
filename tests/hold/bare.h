/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SMBDIRECT_HOLD_BARE_H
#define SMBDIRECT_HOLD_BARE_H

#include <linux/completion.h>
#include <rdma/rdma_cm.h>
#include "hold.h"

#define BARE_CQS 2
#define BARE_MRS 64

/* Lives in a table of the module, so that it costs nothing per connection. */
struct bare {
	struct rdma_cm_id *id;
	struct ib_pd *pd;
	struct ib_cq *cq[BARE_CQS];
	struct ib_mr *mr[BARE_MRS];
	struct completion step;
	int status;
	bool up;
	/* its device is being removed */
	bool leaving;
};

int bare_make(struct bare *b, unsigned int cqs, unsigned int mrs);
int bare_send_byte(struct bare *b, u8 byte);
void bare_free(struct bare *b);

#endif
