// SPDX-License-Identifier: GPL-2.0
/* Which functions fail, and how. */
#include <linux/errno.h>
#include <linux/gfp.h>
#include <rdma/ib_verbs.h>
#include "fault.h"

/*
 * What must not fail, and what the sanitizers allocate for themselves inside of
 * an allocation: gfp_nested_mask() gives exactly these flags.
 */
bool fault_exempt(const struct fault_point *point, struct pt_regs *regs)
{
	gfp_t nested = __GFP_NORETRY | __GFP_NOMEMALLOC | __GFP_NOWARN, gfp;

	if (!point->gfp)
		return false;
	gfp = fault_arg(regs, point->gfp);
	return (gfp & __GFP_NOFAIL) || (gfp & nested) == nested;
}

/* None of the chain was posted. */
static void bad_wr(struct pt_regs *regs)
{
	*(const void **)fault_arg(regs, 3) = (const void *)fault_arg(regs, 2);
}

/* Arguments that some configurations have between the size and the flags. */
#define BUCKET IS_ENABLED(CONFIG_SLAB_BUCKETS)
#define TOKEN IS_ENABLED(CONFIG_KMALLOC_PARTITION_CACHES)

struct fault_point fault_points[] = {
	/* memory: in a kernel with fault injection there is one place for each kind */
#if IS_ENABLED(CONFIG_FAILSLAB)
	{ "should_failslab", -ENOMEM, .gfp = 2 },
#else
	{ "kmem_cache_alloc_noprof", 0, .gfp = 2 },
	{ "kmem_cache_alloc_lru_noprof", 0, .gfp = 3 },
	{ "kmem_cache_alloc_node_noprof", 0, .gfp = 2 },
	{ "__kmalloc_cache_noprof", 0, .gfp = 2 },
	{ "__kmalloc_cache_node_noprof", 0, .gfp = 2 },
	{ "__kmalloc_noprof", 0, .gfp = 2 + TOKEN },
	{ "__kmalloc_node_noprof", 0, .gfp = 2 + BUCKET + TOKEN },
	{ "__kmalloc_node_track_caller_noprof", 0, .gfp = 2 + BUCKET + TOKEN },
	{ "__kmalloc_large_noprof", 0, .gfp = 2 },
	{ "__kmalloc_large_node_noprof", 0, .gfp = 2 },
#endif
#if IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC)
	{ "should_fail_alloc_page", true, .gfp = 1 },
#else
	{ "__alloc_frozen_pages_noprof", 0, .gfp = 1 },
#endif
	/* the connection manager */
	{ "__rdma_create_kernel_id", -ENOMEM },
	{ "rdma_set_afonly", -EINVAL },
	{ "rdma_restrict_node_type", -EINVAL },
	{ "rdma_set_ack_timeout", -EOPNOTSUPP },
	{ "rdma_bind_addr", -ENOMEM },
	{ "rdma_listen", -ENOMEM },
	{ "rdma_resolve_addr", -ENOMEM },
	{ "rdma_resolve_route", -ENOMEM },
	{ "rdma_connect_locked", -ENOMEM },
	{ "rdma_accept", -ENOMEM },
	{ "rdma_notify", -EINVAL },
	{ "rdma_disconnect", -EINVAL },
	/*
	 * Objects of the device. Not ib_dereg_mr_user: nobody can get over a region
	 * that the device does not give back. Nor the modify in ib_drain_qp, which
	 * the RDMA core answers with a WARNING; it does not go through ib_modify_qp.
	 */
	{ "__ib_alloc_pd", -ENOMEM },
	{ "__ib_alloc_cq_any", -ENOMEM },
	{ "__ib_alloc_cq", -ENOMEM },
	{ "rdma_create_qp", -ENOMEM },
	{ "ib_modify_qp", -EINVAL },
	{ "ib_alloc_mr", -ENOMEM },
	{ "ib_map_mr_sg", -EINVAL },
	{ "rdma_rw_ctx_init", -ENOMEM },
	/* work requests and mappings: our own wrappers of inline functions */
	{ "smbd_post_send", -ENOMEM, .also = bad_wr },
	{ "smbd_post_recv", -ENOMEM, .also = bad_wr },
	{ "smbd_dma_mapping_error", -ENOMEM },
	{ "smbd_dma_map_sg", 0 },
};

/*
 * Functions of others that do not get over a failure below them, whoever called
 * them; it would be the end of the guest.
 */
const struct fault_excuse fault_excuses[] = {
	/* stops the QP's responder for good, and then no drain ever ends */
	{ "rxe_qp_from_attr", "rxe: a QP whose modify had no memory can never be drained" },
	/* siw_qp_readq_init, which vfree()s what siw_free_qp() does, too; compilers inline it, and its caller */
	{ "siw_qp_nextstate_from_idle", "siw: a QP without memory for its read queues frees one twice" },
	{ "siw_qp_modify", "siw: a QP without memory for its read queues frees one twice" },
	{}
};

const unsigned int fault_point_count = ARRAY_SIZE(fault_points);
