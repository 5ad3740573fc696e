// SPDX-License-Identifier: GPL-2.0
/*
 * Widens a race that a test wants to lose: each time the function `symbol` returns,
 * the CPU waits for `ms` milliseconds, busily, since a probe must not sleep. The
 * parameter `hits` says how often that was.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static char *symbol = "";
module_param(symbol, charp, 0444);
MODULE_PARM_DESC(symbol, "function; static ones can be named unless the compiler inlined them");
static uint ms = 100;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "milliseconds to wait, at most 500");
static uint hits;
module_param(hits, uint, 0444);
MODULE_PARM_DESC(hits, "how often the function returned");

static int wait_a_bit(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	hits++;
	mdelay(min(ms, 500U));
	return 0;
}

static struct kretprobe probe = { .handler = wait_a_bit };

static int __init slow_init(void)
{
	probe.kp.symbol_name = symbol;
	return register_kretprobe(&probe);
}
module_init(slow_init);

static void __exit slow_exit(void)
{
	unregister_kretprobe(&probe);
}
module_exit(slow_exit);

MODULE_DESCRIPTION("Makes a kernel function slow, for tests of races");
MODULE_LICENSE("GPL");
