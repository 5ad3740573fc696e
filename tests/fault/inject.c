// SPDX-License-Identifier: GPL-2.0
/*
 * Counting calls, and failing one of them. A call counts when the text of
 * smbdirect.ko is on its stack, so it does not matter in which thread, work item
 * or softirq it is made.
 */
#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/objtool.h>
#include <linux/stacktrace.h>
#include <asm/ibt.h>
#include <asm/linkage.h>
#include "fault.h"

static unsigned long text_start, text_end;
static unsigned long nth;
static bool counting;
static atomic_long_t seen;
static struct fault_hit hit;
static atomic_t hits;

/* Where smbdirect.ko's functions are. */
void fault_range(unsigned long start, unsigned long end)
{
	text_start = start;
	text_end = end;
}

/* The n-th call from now on, or none (0), or none but they are counted (-1). */
void fault_arm(unsigned long n)
{
	WRITE_ONCE(counting, false);
	atomic_long_set(&seen, 0);
	atomic_set(&hits, 0);
	memset(&hit, 0, sizeof(hit));
	WRITE_ONCE(nth, n);
}

void fault_begin(void)
{
	WRITE_ONCE(counting, READ_ONCE(nth) != 0);
}

void fault_end(void)
{
	WRITE_ONCE(counting, false);
}

unsigned long fault_seen(void)
{
	return atomic_long_read(&seen);
}

/* What was made to fail, or NULL. */
const struct fault_hit *fault_hit(void)
{
	return atomic_read(&hits) ? &hit : NULL;
}

static bool from_us(const unsigned long *stack, unsigned int depth)
{
	unsigned int i;

	for (i = 0; i < depth; i++)
		if (stack[i] >= text_start && stack[i] < text_end)
			return true;
	return false;
}

/* Why the one that is due must not fail. */
static const char *excused(const unsigned long *stack, unsigned int depth)
{
	const struct fault_excuse *e;
	char name[64];
	unsigned int i;

	for (i = 0; i < depth; i++) {
		/* "function [module]" */
		snprintf(name, sizeof(name), "%ps", (void *)stack[i]);
		name[strcspn(name, " ")] = 0;
		for (e = fault_excuses; e->symbol; e++)
			if (!strcmp(name, e->symbol))
				return e->why;
	}
	return NULL;
}

/* Instead of the function: nothing. */
void fault_just_return(void);
asm(".pushsection .text\n"
    ".type fault_just_return, @function\n"
    "fault_just_return:\n"
    ASM_ENDBR
    ASM_RET
    ".size fault_just_return, .-fault_just_return\n"
    ".popsection\n");

/* The probe at the entry of each function: true to go on elsewhere. */
int fault_before(struct kprobe *p, struct pt_regs *regs)
{
	struct fault_point *point = container_of(p, struct fault_point, probe);
	unsigned long stack[FAULT_DEPTH];
	unsigned int depth;

	if (!READ_ONCE(counting) || fault_exempt(point, regs))
		return 0;
	/* At a function's entry an unwinder that follows frame pointers misses the caller. */
	stack[0] = regs_get_kernel_stack_nth(regs, 0);
	depth = 1 + stack_trace_save(stack + 1, ARRAY_SIZE(stack) - 1, 1);
	if (!from_us(stack, depth))
		return 0;
	point->seen++;
	if (atomic_long_inc_return(&seen) != READ_ONCE(nth))
		return 0;
	hit.symbol = point->symbol;
	hit.excuse = excused(stack, depth);
	hit.depth = depth;
	memcpy(hit.stack, stack, sizeof(stack));
	atomic_set(&hits, 1);
	if (hit.excuse)
		return 0;
	if (point->also)
		point->also(regs);
	regs_set_return_value(regs, point->ret);
	instruction_pointer_set(regs, (unsigned long)fault_just_return);
	return 1;
}
NOKPROBE_SYMBOL(fault_before);
