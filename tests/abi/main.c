// SPDX-License-Identifier: GPL-2.0
/*
 * Parameters, the list of cases, and the loop that runs them one by one with a
 * deadline each. Loading the module runs the selected cases; the verdicts go to
 * the kernel log and to <debugfs>/smbdirect_abitest/results.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/glob.h>
#include <linux/panic.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include "abitest.h"

static char *addr = "";
module_param(addr, charp, 0444);
MODULE_PARM_DESC(addr, "IPv4 address of the RDMA device to test on");

static char *addr6 = "";
module_param(addr6, charp, 0444);
MODULE_PARM_DESC(addr6, "IPv6 address of the same device (optional)");

static ushort port = 4460;
module_param(port, ushort, 0444);
MODULE_PARM_DESC(port, "first of 256 ports to use");

static bool iwarp;
module_param(iwarp, bool, 0444);
MODULE_PARM_DESC(iwarp, "the device speaks iWARP");

static char *cases = "*";
module_param(cases, charp, 0444);
MODULE_PARM_DESC(cases, "comma separated patterns of cases to run");

static char *skip = "";
module_param(skip, charp, 0444);
MODULE_PARM_DESC(skip, "comma separated patterns of cases to leave out");

static bool misuse;
module_param(misuse, bool, 0444);
MODULE_PARM_DESC(misuse, "also run cases that break the contract and may leave a WARNING");

static bool verbose;
module_param(verbose, bool, 0444);
MODULE_PARM_DESC(verbose, "print what the module under test logs");

static uint slow = 1;
module_param(slow, uint, 0444);
MODULE_PARM_DESC(slow, "factor for all upper time limits, for slow machines");

static char *hook_add = "";
module_param(hook_add, charp, 0444);
MODULE_PARM_DESC(hook_add, "program that adds the RDMA device");

static char *hook_del = "";
module_param(hook_del, charp, 0444);
MODULE_PARM_DESC(hook_del, "program that removes the RDMA device");

static const struct at_case *const families[] = {
	at_cases_state, at_cases_life, at_cases_nego, at_cases_msg,
	at_cases_batch, at_cases_mr, at_cases_mrpool, at_cases_xmit, at_cases_sink,
	at_cases_race, at_cases_load, at_cases_dev, at_cases_badnego, at_cases_baddata, at_cases_credit,
	at_cases_badserver, at_cases_hotplug, at_cases_fault,
};

struct result {
	struct list_head list;
	char text[320];
};

static LIST_HEAD(results);
static DEFINE_MUTEX(results_lock);
static struct dentry *dir;
static atomic_t port_count = ATOMIC_INIT(0);
static unsigned int passed, failed, skipped;

bool at_is_iwarp(void)
{
	return iwarp;
}

bool at_verbose(void)
{
	return verbose;
}

unsigned int at_slow(void)
{
	return clamp(slow, 1u, 20u);
}

const char *at_hook_add(void)
{
	return hook_add;
}

const char *at_hook_del(void)
{
	return hook_del;
}

u16 at_next_port(void)
{
	return port + atomic_inc_return(&port_count) % 256;
}

static void fill_addr(struct sockaddr_storage *ss, const char *text, u16 p, bool v6)
{
	char number[8];

	snprintf(number, sizeof(number), "%u", p);
	if (inet_pton_with_scope(&init_net, v6 ? AF_INET6 : AF_INET, text, number, ss))
		pr_err("abitest: cannot parse address %s\n", text);
}

void at_addr(struct sockaddr_storage *ss, u16 p, bool v6)
{
	fill_addr(ss, v6 ? addr6 : addr, p, v6);
}

void at_wildcard(struct sockaddr_storage *ss, u16 p, bool v6)
{
	fill_addr(ss, v6 ? "::" : "0.0.0.0", p, v6);
}

static bool in_list(const char *list, const char *name)
{
	char *copy = kstrdup(list, GFP_KERNEL), *rest = copy, *one;
	bool hit = false;

	while (copy && !hit && (one = strsep(&rest, ",")))
		hit = *one && glob_match(one, name);
	kfree(copy);
	return hit;
}

static __printf(1, 2) void report(const char *fmt, ...)
{
	struct result *r = kzalloc(sizeof(*r), GFP_KERNEL);
	va_list va;

	if (!r)
		return;
	va_start(va, fmt);
	vscnprintf(r->text, sizeof(r->text), fmt, va);
	va_end(va);
	pr_info("abitest: %s\n", r->text);
	mutex_lock(&results_lock);
	list_add_tail(&r->list, &results);
	mutex_unlock(&results_lock);
}

static const char *not_runnable(const struct at_case *c)
{
	if (!(c->flags & AT_NODEV) && !*addr)
		return "no addr= given";
	if (c->flags & AT_V6 && !*addr6)
		return "no addr6= given";
	if (c->flags & AT_ROCE_ONLY && iwarp)
		return "not possible on iWARP";
	if (c->flags & AT_MISUSE && !misuse)
		return "breaks the contract, needs misuse=1";
	return NULL;
}

/* What everybody in a case is waiting for, for the report about a hang. */
static void describe_waits(struct at *t, char *buf, size_t cap)
{
	struct at_party *p;
	size_t n = 0;

	buf[0] = 0;
	if (!completion_done(&t->done))
		n += scnprintf(buf + n, cap - n, "%s", READ_ONCE(t->waiting) ?: "a call");
	spin_lock(&t->lock);
	list_for_each_entry(p, &t->parties, list)
		if (!at_done(p))
			n += scnprintf(buf + n, cap - n, "%s%s in %s", n ? ", " : "",
				       p->name, READ_ONCE(p->waiting) ?: "a call");
	spin_unlock(&t->lock);
}

static bool wait_case(struct at *t, unsigned int seconds)
{
	unsigned long end = jiffies + seconds * HZ;

	while (time_before(jiffies, end))
		if (wait_for_completion_timeout(&t->done, HZ / 2))
			return true;
	return completion_done(&t->done);
}

static void run_one(const struct at_case *c)
{
	unsigned int limit = (c->deadline_s ?: AT_DEADLINE_S) * at_slow();
	bool warned = test_taint(TAINT_WARN);
	ktime_t start = ktime_get();
	const char *no = not_runnable(c);
	char waits[160];
	struct at *t;
	long ms;

	if (no) {
		skipped++;
		report("skip %s: %s", c->name, no);
		return;
	}
	if (verbose)
		pr_info("abitest: run %s\n", c->name);
	t = at_begin(c);
	if (!t) {
		failed++;
		report("FAIL %s: cannot start", c->name);
		return;
	}
	if (!wait_case(t, limit)) {
		describe_waits(t, waits, sizeof(waits));
		at_fail(t, "hang: waited for %s (%u s)", waits, limit);
		at_dump_all(t);
		at_shutdown_all(t);
		if (!wait_case(t, 60)) {
			/* Its threads may still run: it stays, and so do we. */
			__module_get(THIS_MODULE);
			failed++;
			report("FAIL %s: %s, and shutdown did not end it",
			       c->name, t->why);
			return;
		}
	}
	ms = ktime_ms_delta(ktime_get(), start);
	if (!t->failed && !warned && test_taint(TAINT_WARN) && !(c->flags & AT_MISUSE))
		at_fail(t, "a WARNING appeared in the kernel log");
	if (t->failed) {
		failed++;
		report("FAIL %s: %s [%ld ms]", c->name, t->why, ms);
	} else if (t->skipped) {
		skipped++;
		report("skip %s: %s", c->name, t->why);
	} else {
		passed++;
		report("ok %s%s%s [%ld ms]", c->name, t->note[0] ? ": " : "", t->note, ms);
	}
	put_task_struct(t->task);
	kfree(t);
}

static int results_show(struct seq_file *m, void *v)
{
	struct result *r;

	mutex_lock(&results_lock);
	list_for_each_entry(r, &results, list)
		seq_printf(m, "%s\n", r->text);
	mutex_unlock(&results_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(results);

static void run_all(const char *wanted)
{
	const struct at_case *c;
	size_t i;

	passed = failed = skipped = 0;
	for (i = 0; i < ARRAY_SIZE(families); i++)
		for (c = families[i]; c->name; c++)
			if (in_list(wanted, c->name) && !in_list(skip, c->name))
				run_one(c);

	report("done passed=%u failed=%u skipped=%u", passed, failed, skipped);
}

static void forget(void)
{
	struct result *r, *next;

	mutex_lock(&results_lock);
	list_for_each_entry_safe(r, next, &results, list)
		kfree(r);
	INIT_LIST_HEAD(&results);
	mutex_unlock(&results_lock);
}

/* Patterns written to the file `run` are run like those of the parameter, and the
 * results are then of these alone. */
static ssize_t run_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	static DEFINE_MUTEX(one_at_a_time);
	char *wanted = memdup_user_nul(from, len);

	if (IS_ERR(wanted))
		return PTR_ERR(wanted);
	mutex_lock(&one_at_a_time);
	forget();
	run_all(strim(wanted));
	mutex_unlock(&one_at_a_time);
	kfree(wanted);
	return len;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = run_write,
};

static int __init abitest_init(void)
{
	dir = debugfs_create_dir("smbdirect_abitest", NULL);
	debugfs_create_file("results", 0444, dir, NULL, &results_fops);
	debugfs_create_file("run", 0200, dir, NULL, &run_fops);
	run_all(cases);
	return 0;
}

static void __exit abitest_exit(void)
{
	debugfs_remove(dir);
	forget();
}

module_init(abitest_init);
module_exit(abitest_exit);

MODULE_DESCRIPTION("Tests of the exported functions of smbdirect.ko");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("SMBDIRECT");
