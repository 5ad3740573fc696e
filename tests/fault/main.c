// SPDX-License-Identifier: GPL-2.0
/*
 * Probes and files of smbdirect_fault.ko, in <debugfs>/smbdirect_fault:
 *
 *   nth     write N: count from the next begin on, and make the N-th call fail
 *   seen    how many calls there were
 *   where   the function that failed, and who had called it; empty if none did
 *   points  the functions, and how often each was seen since the module came
 *
 * `begin=1` begins at once when nth is written; else the test that runs says when
 * (smbdirect_fault_begin).
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include "fault.h"

static unsigned long start, end;
module_param(start, ulong, 0444);
MODULE_PARM_DESC(start, "first address of smbdirect.ko's text");
module_param(end, ulong, 0444);
MODULE_PARM_DESC(end, "the address behind its last");
static bool begin;
module_param(begin, bool, 0444);
MODULE_PARM_DESC(begin, "count as soon as nth is written");

static struct dentry *dir;

void smbdirect_fault_begin(void)
{
	fault_begin();
}
EXPORT_SYMBOL_GPL(smbdirect_fault_begin);

void smbdirect_fault_end(void)
{
	fault_end();
}
EXPORT_SYMBOL_GPL(smbdirect_fault_end);

static int nth_set(void *data, u64 value)
{
	fault_arm(value);
	if (begin)
		fault_begin();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(nth_fops, NULL, nth_set, "%llu\n");

static int seen_get(void *data, u64 *value)
{
	*value = fault_seen();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(seen_fops, seen_get, NULL, "%llu\n");

static int where_show(struct seq_file *m, void *v)
{
	const struct fault_hit *hit = fault_hit();
	unsigned int i;

	if (!hit)
		return 0;
	seq_printf(m, "%s%s%s\n", hit->symbol, hit->excuse ? " excused: " : "", hit->excuse ?: "");
	for (i = 0; i < hit->depth; i++)
		seq_printf(m, "%pS\n", (void *)hit->stack[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(where);

static int points_show(struct seq_file *m, void *v)
{
	unsigned int i;

	for (i = 0; i < fault_point_count; i++)
		seq_printf(m, "%s %lu\n", fault_points[i].symbol, fault_points[i].seen);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(points);

static void remove_probes(unsigned int n)
{
	while (n--)
		unregister_kprobe(&fault_points[n].probe);
}

static int __init fault_init(void)
{
	unsigned int i;
	int ret;

	if (!start || end <= start)
		return -EINVAL;
	fault_range(start, end);
	for (i = 0; i < fault_point_count; i++) {
		struct fault_point *p = &fault_points[i];

		p->probe.symbol_name = p->symbol;
		p->probe.pre_handler = fault_before;
		ret = register_kprobe(&p->probe);
		if (!ret)
			continue;
		pr_err("smbdirect_fault: no probe at %s: %d\n", p->symbol, ret);
		remove_probes(i);
		return ret;
	}
	dir = debugfs_create_dir("smbdirect_fault", NULL);
	debugfs_create_file_unsafe("nth", 0200, dir, NULL, &nth_fops);
	debugfs_create_file_unsafe("seen", 0444, dir, NULL, &seen_fops);
	debugfs_create_file("where", 0444, dir, NULL, &where_fops);
	debugfs_create_file("points", 0444, dir, NULL, &points_fops);
	return 0;
}

static void __exit fault_exit(void)
{
	fault_arm(0);
	debugfs_remove(dir);
	remove_probes(fault_point_count);
}

module_init(fault_init);
module_exit(fault_exit);

MODULE_DESCRIPTION("Makes allocations and verbs calls of smbdirect.ko fail");
MODULE_LICENSE("GPL");
