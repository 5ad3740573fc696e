// SPDX-License-Identifier: GPL-2.0
/*
 * Slows siw down where it completes an RDMA read twice, and counts how often it does.
 *
 * siw copies a read to its queue of outbound reads when it is next, and then sends it. If the
 * connection ends in between, which is when siw's thread does what comes before the read, the
 * registration of its memory, both are flushed. Each registration waits for `ms` milliseconds
 * here, completions are handed out one by one, and the second one of a read comes as much
 * later, when whoever waited for the read has given its memory back.
 * `reads` is how many reads were flushed, `twice` how many of them once more.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <rdma/ib_verbs.h>

static uint ms = 20, reads, twice;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "milliseconds to wait, at most 100");
module_param(reads, uint, 0444);
module_param(twice, uint, 0444);

/* the last reads that were flushed */
static struct flushed {
	struct ib_qp *qp;
	struct ib_cqe *cqe;
} last[64];
static DEFINE_SPINLOCK(lock);

static void wait_a_bit(void)
{
	mdelay(min(ms, 100U));
}

/*
 * siw_mem_id2obj(): it looks memory up. (What registers it is inlined.) The thread does so for
 * registrations, sends and answers.
 */
static int on_look_up(struct kprobe *probe, struct pt_regs *regs)
{
	if (in_task() && strstarts(current->comm, "siw_tx/"))
		wait_a_bit();
	return 0;
}

/* siw_poll_cq(cq, n, wc) */
struct poll {
	struct ib_wc *wc;
};

static int on_poll(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct poll *poll = (struct poll *)instance->data;

	poll->wc = (struct ib_wc *)regs_get_kernel_argument(regs, 2);
	if ((int)regs_get_kernel_argument(regs, 1) > 1)
		regs->si = 1;
	return 0;
}

static int on_polled(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct ib_wc *wc = ((struct poll *)instance->data)->wc;
	bool again = false;
	unsigned long flags;
	unsigned int i;

	if ((int)regs_return_value(regs) != 1 || wc->status != IB_WC_WR_FLUSH_ERR ||
	    wc->opcode != IB_WC_RDMA_READ || !wc->wr_cqe)
		return 0;
	spin_lock_irqsave(&lock, flags);
	for (i = 0; i < ARRAY_SIZE(last); i++)
		again |= last[i].qp == wc->qp && last[i].cqe == wc->wr_cqe;
	last[reads++ % ARRAY_SIZE(last)] = (struct flushed){ wc->qp, wc->wr_cqe };
	twice += again;
	spin_unlock_irqrestore(&lock, flags);
	if (again)
		wait_a_bit();
	return 0;
}

static struct kprobe look_up = { .symbol_name = "siw_mem_id2obj", .pre_handler = on_look_up };
static struct kretprobe poll = {
	.kp.symbol_name = "siw_poll_cq",
	.entry_handler = on_poll,
	.handler = on_polled,
	.data_size = sizeof(struct poll),
};

static int __init twice_init(void)
{
	int ret = register_kprobe(&look_up);

	if (ret)
		return ret;
	ret = register_kretprobe(&poll);
	if (ret)
		unregister_kprobe(&look_up);
	return ret;
}
module_init(twice_init);

static void __exit twice_exit(void)
{
	unregister_kretprobe(&poll);
	unregister_kprobe(&look_up);
}
module_exit(twice_exit);

MODULE_DESCRIPTION("Makes siw complete flushed RDMA reads twice, for tests");
MODULE_LICENSE("GPL");
