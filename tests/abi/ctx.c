// SPDX-License-Identifier: GPL-2.0
/*
 * One running case: its verdict, its helper threads ("parties"), and the orderly
 * end with a time limit for every step.
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include "abitest.h"
#include "raw.h"

static __printf(3, 0) void verdict(struct at *t, bool *flag, const char *fmt, va_list va)
{
	char text[sizeof(t->why)];

	vscnprintf(text, sizeof(text), fmt, va);
	spin_lock(&t->lock);
	if (!t->failed && !t->skipped) {
		*flag = true;
		strscpy(t->why, text, sizeof(t->why));
	}
	spin_unlock(&t->lock);
}

/* The first reason stays. */
void at_fail(struct at *t, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	verdict(t, &t->failed, fmt, va);
	va_end(va);
}

void at_skip(struct at *t, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	verdict(t, &t->skipped, fmt, va);
	va_end(va);
}

/* Of what is no failure: the first stays, too, and is shown with the verdict. */
void at_note(struct at *t, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	spin_lock(&t->lock);
	if (!t->note[0])
		vscnprintf(t->note, sizeof(t->note), fmt, va);
	spin_unlock(&t->lock);
	va_end(va);
}

static int party_main(void *data)
{
	struct at_party *p = data;

	allow_signal(SIGINT);
	p->ret = p->fn(p);
	p->end = ktime_get();
	kthread_complete_and_exit(&p->done, 0);
	return 0;
}

/* Runs fn in a thread of its own; NULL (and the case failed) without memory. */
struct at_party *at_spawn(struct at *t, const char *name,
			  int (*fn)(struct at_party *p), void *arg)
{
	struct at_party *p = kzalloc(sizeof(*p), GFP_KERNEL);
	struct task_struct *task;

	if (!p) {
		at_fail(t, "no memory for a thread");
		return NULL;
	}
	p->t = t;
	p->name = name;
	p->fn = fn;
	p->arg = arg;
	init_completion(&p->done);
	task = kthread_create(party_main, p, "abitest:%.8s", name);
	if (IS_ERR(task)) {
		kfree(p);
		at_fail(t, "cannot start thread %s: %ld", name, PTR_ERR(task));
		return NULL;
	}
	p->task = get_task_struct(task);
	spin_lock(&t->lock);
	list_add_tail(&p->list, &t->parties);
	spin_unlock(&t->lock);
	wake_up_process(task);
	return p;
}

bool at_done(struct at_party *p)
{
	return completion_done(&p->done);
}

/* Waits without a verdict. The completion stays set for the next waiter. */
bool at_wait_party(struct at_party *p, unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms) + 1;

	while (!completion_done(&p->done) && time_before(jiffies, end))
		usleep_range(500, 1500);
	return completion_done(&p->done);
}

bool at_join(struct at_party *p, unsigned int seconds)
{
	seconds *= at_slow();
	if (at_wait_party(p, seconds * 1000))
		return true;
	at_fail(p->t, "hang: %s still in %s after %u s", p->name,
		READ_ONCE(p->waiting) ?: "its call", seconds);
	return false;
}

void at_signal(struct at_party *p)
{
	send_sig(SIGINT, p->task, 1);
}

void at_sleep_ms(unsigned int ms)
{
	msleep(ms);
}

/* The end of a case. What cannot be stopped keeps its memory, and the module. */
static void clean_up(struct at *t)
{
	struct at_party *p, *next;
	bool clean = true;

	WRITE_ONCE(t->waiting, "the clean-up");
	raw_disconnect_all(t);
	at_shutdown_all(t);
	list_for_each_entry(p, &t->parties, list)
		clean &= at_join(p, 15);
	/* releasing a socket that somebody is inside of is against the contract */
	clean = clean && at_release_all(t) && at_mr_drop_all(t);
	raw_destroy_all(t);
	if (!clean) {
		__module_get(THIS_MODULE);
		return;
	}
	list_for_each_entry_safe(p, next, &t->parties, list) {
		/* the thread itself must be gone before its code can go */
		put_task_struct(p->task);
		kfree(p);
	}
	INIT_LIST_HEAD(&t->parties);
	at_free_all(t);
}

static int case_main(void *data)
{
	struct at *t = data;

	t->c->run(t);
	clean_up(t);
	kthread_complete_and_exit(&t->done, 0);
	return 0;
}

struct at *at_begin(const struct at_case *c)
{
	struct at *t = kzalloc(sizeof(*t), GFP_KERNEL);
	struct task_struct *task;

	if (!t)
		return NULL;
	t->c = c;
	spin_lock_init(&t->lock);
	init_completion(&t->done);
	INIT_LIST_HEAD(&t->bufs);
	INIT_LIST_HEAD(&t->parties);
	INIT_LIST_HEAD(&t->socks);
	INIT_LIST_HEAD(&t->mrs);
	INIT_LIST_HEAD(&t->raws);
	task = kthread_create(case_main, t, "abitest");
	if (IS_ERR(task)) {
		kfree(t);
		return NULL;
	}
	t->task = get_task_struct(task);
	wake_up_process(task);
	return t;
}
