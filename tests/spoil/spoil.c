// SPDX-License-Identifier: GPL-2.0
/*
 * Spoils answers to RDMA reads that this machine's rxe devices send: a packet from the
 * middle of an answer says that it is the first. Who has asked ends the queue pair over
 * that. `answers` is how many packets are still to be spoiled; it counts down to 0.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/udp.h>

/* the opcodes of the base transport header, its first byte (IBTA 9.2.1) */
#define READ_RESPONSE_FIRST 0x0d
#define READ_RESPONSE_MIDDLE 0x0e

static atomic_t answers = ATOMIC_INIT(0);

/* rxe_icrc_generate(skb, ...): the headers are complete, their check sum comes now. */
static int on_packet(struct kprobe *probe, struct pt_regs *regs)
{
	struct sk_buff *skb = (struct sk_buff *)regs_get_kernel_argument(regs, 0);
	u8 *opcode = (u8 *)(udp_hdr(skb) + 1);

	if (*opcode == READ_RESPONSE_MIDDLE && atomic_dec_if_positive(&answers) >= 0)
		*opcode = READ_RESPONSE_FIRST;
	return 0;
}

static struct kprobe probe = { .symbol_name = "rxe_icrc_generate", .pre_handler = on_packet };

static int answers_set(const char *text, const struct kernel_param *kp)
{
	unsigned int n;
	int ret = kstrtouint(text, 0, &n);

	if (!ret)
		atomic_set(&answers, min(n, 1000U));
	return ret;
}

static int answers_get(char *text, const struct kernel_param *kp)
{
	return sysfs_emit(text, "%d\n", atomic_read(&answers));
}

static const struct kernel_param_ops answers_ops = { .set = answers_set, .get = answers_get };
module_param_cb(answers, &answers_ops, NULL, 0600);
MODULE_PARM_DESC(answers, "how many packets are still to be spoiled, at most 1000");

static int __init spoil_init(void)
{
	return register_kprobe(&probe);
}
module_init(spoil_init);

static void __exit spoil_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(spoil_exit);

MODULE_DESCRIPTION("Makes rxe answer RDMA reads out of order, for tests");
MODULE_LICENSE("GPL");
