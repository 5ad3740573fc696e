/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults on purpose: the n-th call of certain functions of the kernel that comes
 * from smbdirect.ko, in whatever thread or softirq, returns an error instead.
 */
#ifndef SMBDIRECT_FAULT_H
#define SMBDIRECT_FAULT_H

#include <linux/kprobes.h>
#include <linux/types.h>

/* How a function fails. */
struct fault_point {
	const char *symbol;
	long ret;				/* what it returns then */
	int gfp;				/* which argument has the GFP flags, or 0: none */
	void (*also)(struct pt_regs *regs);	/* what it leaves behind besides */
	struct kprobe probe;
	unsigned long seen;
};

/* A function below which nothing fails, and why. */
struct fault_excuse {
	const char *symbol;
	const char *why;
};

extern const struct fault_excuse fault_excuses[];
extern struct fault_point fault_points[];
extern const unsigned int fault_point_count;

/* An argument of the function that is probed, the first is 1. */
static inline unsigned long fault_arg(struct pt_regs *regs, unsigned int n)
{
	return regs_get_kernel_argument(regs, n - 1);
}

bool fault_exempt(const struct fault_point *point, struct pt_regs *regs);

/* Counting (inject.c) */

#define FAULT_DEPTH 48

struct fault_hit {
	const char *symbol;
	const char *excuse;		/* why it did not fail after all */
	unsigned int depth;
	unsigned long stack[FAULT_DEPTH];
};

void fault_range(unsigned long start, unsigned long end);
void fault_arm(unsigned long nth);
void fault_begin(void);
void fault_end(void);
unsigned long fault_seen(void);
const struct fault_hit *fault_hit(void);
int fault_before(struct kprobe *p, struct pt_regs *regs);

/* For the test that wants only some of what it does to be counted. */
void smbdirect_fault_begin(void);
void smbdirect_fault_end(void);

#endif
