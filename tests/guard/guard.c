// SPDX-License-Identifier: GPL-2.0
/*
 * While cifs reconnects it has no connection (`smbd_conn` is NULL), and a mount that
 * comes to its sizes then asks for the parameters of that: smb3_negotiate_rsize and
 * _wsize look at `rdma` only. Tests that take a device away during mounts would end
 * there, with any smbdirect.ko. With this module loaded such a question is answered
 * (with parameters as a connection usually has them), and counted in `hits`; all
 * others take their usual way.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/smbdirect.h>

static uint hits;
module_param(hits, uint, 0444);
MODULE_PARM_DESC(hits, "questions about a connection that is not there");

static const struct smbdirect_socket_parameters usual = {
	.max_fragmented_send_size = SZ_128K,
	.max_fragmented_recv_size = SZ_128K,
	.max_read_write_size = SZ_1M,
};

static const struct smbdirect_socket_parameters *instead(void *connection)
{
	return &usual;
}

static int on_entry(struct kprobe *probe, struct pt_regs *regs)
{
	if (regs_get_kernel_argument(regs, 0))
		return 0;
	hits++;
	/* the arguments and the place to return to are as they were */
	instruction_pointer_set(regs, (unsigned long)instead);
	return 1;
}

/* A probe that changes where to go on has to have one. */
static void on_after(struct kprobe *probe, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name = "smbd_get_parameters",
	.pre_handler = on_entry,
	.post_handler = on_after,
};

/* cifs has to be there. */
static int __init guard_init(void)
{
	return register_kprobe(&probe);
}
module_init(guard_init);

static void __exit guard_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(guard_exit);

MODULE_DESCRIPTION("Answers what cifs asks a connection that is not there");
MODULE_LICENSE("GPL");
