/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test driver for the exported interface of smbdirect.ko.
 *
 * Every case runs in a thread of its own and owns everything it makes: memory,
 * sockets, memory registrations, helper threads and raw verbs peers hang on a
 * struct at and are taken down, with time limits, when the case returns. So a
 * case just returns when something is wrong.
 */
#ifndef SMBDIRECT_ABITEST_H
#define SMBDIRECT_ABITEST_H

#include <linux/completion.h>
#include <linux/inet.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>
#include <linux/smbdirect.h>

struct at;

/* ---- cases (main.c) ---- */

#define AT_ROCE_ONLY	0x1	/* needs an InfiniBand or RoCE device */
#define AT_V6		0x2	/* needs the parameter addr6 */
#define AT_NODEV	0x4	/* runs without an address */
#define AT_MISUSE	0x8	/* breaks the contract; may warn: only with misuse=1 */

struct at_case {
	const char *name;
	void (*run)(struct at *t);
	unsigned int deadline_s;	/* 0: the default */
	unsigned int flags;
};

#define AT_DEADLINE_S	30	/* default for one case */
#define AT_STEP_S	10	/* default for one step of a case */
#define AT_PROMPT_MS	3000	/* what "returns promptly" means here, times at_slow() */

extern const struct at_case at_cases_life[];
extern const struct at_case at_cases_state[];
extern const struct at_case at_cases_nego[];
extern const struct at_case at_cases_msg[];
extern const struct at_case at_cases_batch[];
extern const struct at_case at_cases_mr[];
extern const struct at_case at_cases_mrpool[];
extern const struct at_case at_cases_xmit[];
extern const struct at_case at_cases_sink[];
extern const struct at_case at_cases_race[];
extern const struct at_case at_cases_load[];
extern const struct at_case at_cases_dev[];
extern const struct at_case at_cases_hotplug[];
extern const struct at_case at_cases_badnego[];
extern const struct at_case at_cases_baddata[];
extern const struct at_case at_cases_credit[];
extern const struct at_case at_cases_badserver[];
extern const struct at_case at_cases_fault[];

bool at_is_iwarp(void);
bool at_verbose(void);
unsigned int at_slow(void);
const char *at_hook_add(void);
const char *at_hook_del(void);
void at_addr(struct sockaddr_storage *ss, u16 port, bool v6);
void at_wildcard(struct sockaddr_storage *ss, u16 port, bool v6);
u16 at_next_port(void);

/* ---- one running case (ctx.c) ---- */

struct at {
	const struct at_case *c;
	struct task_struct *task;
	struct completion done;
	spinlock_t lock;		/* the lists and the verdict */
	struct list_head bufs;
	struct list_head parties;
	struct list_head socks;
	struct list_head mrs;
	struct list_head raws;
	const char *waiting;		/* what the case's thread waits for */
	bool failed;
	bool skipped;
	char why[240];
	char note[80];			/* an error that the case allows */
};

__printf(2, 3) void at_fail(struct at *t, const char *fmt, ...);
__printf(2, 3) void at_skip(struct at *t, const char *fmt, ...);
__printf(2, 3) void at_note(struct at *t, const char *fmt, ...);

#define AT_CHECK(t, cond, fmt, ...)					\
	do {								\
		if (!(cond)) {						\
			at_fail(t, fmt, ##__VA_ARGS__);			\
			return;						\
		}							\
	} while (0)

#define AT_CHECK_RET(t, cond, ret, fmt, ...)				\
	do {								\
		if (!(cond)) {						\
			at_fail(t, fmt, ##__VA_ARGS__);			\
			return ret;					\
		}							\
	} while (0)

/* Both sides are integers that fit into a long. */
#define AT_EQ(t, what, got, want)					\
	do {								\
		long __got = (long)(got), __want = (long)(want);	\
		AT_CHECK(t, __got == __want, "%s: %ld instead of %ld",	\
			 what, __got, __want);				\
	} while (0)

struct at_party {
	struct list_head list;
	struct at *t;
	const char *name;
	int (*fn)(struct at_party *p);
	void *arg;
	struct task_struct *task;
	struct completion done;
	const char *waiting;
	ktime_t end;
	int ret;
};

struct at *at_begin(const struct at_case *c);
void at_run(struct at *t);
struct at_party *at_spawn(struct at *t, const char *name,
			  int (*fn)(struct at_party *p), void *arg);
bool at_done(struct at_party *p);
bool at_wait_party(struct at_party *p, unsigned int ms);
bool at_join(struct at_party *p, unsigned int seconds);
void at_signal(struct at_party *p);
void at_sleep_ms(unsigned int ms);

/* ---- memory (mem.c) ---- */

enum at_mem { AT_KMALLOC, AT_VMALLOC };

void *at_alloc(struct at *t, size_t len);
void *at_alloc_kind(struct at *t, size_t len, enum at_mem kind);
void at_free_all(struct at *t);
void at_fill(void *buf, size_t len, u32 seed);
long at_differs(const void *buf, size_t len, u32 seed);

/* AT_HOLES: a bvec whose pieces do not meet at page borders. */
enum at_iter_kind { AT_KVEC, AT_BVEC, AT_FOLIOQ, AT_XARRAY, AT_HOLES };

/* Bytes of a page that is one piece of AT_HOLES. */
#define AT_HOLES_PART 3000

/* Memory with an iterator of some kind over it; valid until the case ends. */
struct at_region {
	enum at_iter_kind kind;
	size_t len;
	size_t offset;			/* of the first byte in its page */
	unsigned int npages;
	struct page **pages;
	struct kvec kvec;
	struct bio_vec *bvec;
	struct folio_queue *folioq;
	struct xarray xa;
};

struct at_region *at_region(struct at *t, enum at_iter_kind kind, size_t len,
			    size_t offset);
void at_region_iter(struct at_region *r, struct iov_iter *i, unsigned int dir);
void at_region_fill(struct at_region *r, u32 seed);
long at_region_differs(struct at_region *r, u32 seed);

/* ---- sockets (sock.c) ---- */

struct at_sock {
	struct list_head list;
	struct at *t;
	struct smbdirect_socket *sc;
	const char *name;
	struct at_sock *peer;	/* the other end, when it is one of ours */
	u16 port;
	bool releasing;
	bool released;
	struct at_party *release;
	/* log callbacks */
	bool log_info;
	atomic_t log_lines;
	atomic_t log_no_newline;
	char log_bad[120];
	atomic_t log_after_release;
};

struct at_pair {
	struct at_sock *lst, *srv, *cli;
};

struct at_opts {
	const struct smbdirect_socket_parameters *srv, *cli;
	bool v6;
	bool cold;		/* no first message: the server has no credits */
	bool log_info;
};

struct smbdirect_socket_parameters at_server_params(void);
struct smbdirect_socket_parameters at_client_params(void);
struct at_sock *at_socket(struct at *t, const char *name,
			  const struct smbdirect_socket_parameters *sp,
			  enum ib_poll_context poll);
struct at_sock *at_adopt(struct at *t, const char *name, struct smbdirect_socket *sc);
struct at_sock *at_listener(struct at *t,
			    const struct smbdirect_socket_parameters *sp,
			    int backlog, bool v6);
struct at_sock *at_accept(struct at *t, struct at_sock *lst, unsigned int ms);
struct at_party *at_connect(struct at *t, struct at_sock *cli, u16 port, bool v6);
bool at_pair_open(struct at *t, struct at_pair *p, const struct at_opts *o);
bool at_pair_join(struct at *t, struct at_pair *p, const struct at_opts *o);
bool at_release(struct at *t, struct at_sock *s);
void at_shutdown_all(struct at *t);
void at_dump_all(struct at *t);
bool at_release_all(struct at *t);
#define at_params(s) smbdirect_socket_get_current_parameters((s)->sc)

/* ---- messages and RDMA (xfer.c) ---- */

int at_send(struct at_sock *s, const void *buf, size_t len);
int at_send_inv(struct at_sock *s, const void *buf, size_t len, u32 rkey);
int at_send_batch(struct at_sock *s, struct iov_iter *iters, int n);
int at_recv(struct at_sock *s, void *buf, size_t len);
int at_recv_len(struct at_sock *s);
int at_recv_msg(struct at_sock *s, void *buf, size_t cap);

enum at_how { AT_ITER, AT_BATCH };

bool at_message(struct at *t, struct at_sock *from, struct at_sock *to,
		size_t len, enum at_how how);
bool at_echo(struct at *t, struct at_pair *p, size_t len);

struct at_mr {
	struct list_head list;
	struct smbdirect_mr_io *mr;
	struct smbdirect_buffer_descriptor_v1 desc;
	bool invalidate;
};

/* A registration by a task of its own: what is asked for, and what came of it. */
struct at_reg {
	struct at_sock *s;
	struct iov_iter iter;
	bool writing, invalidate;
	struct smbdirect_mr_io *mr;
};

struct at_party *at_reg_start(struct at *t, struct at_reg *reg);
/* What the test gives back at its end, if nobody did before. */
struct at_mr *at_mr_keep(struct at *t, struct at_reg *reg);

struct at_mr *at_mr(struct at *t, struct at_sock *s, struct at_region *r,
		    bool writing, bool need_invalidate);
struct at_mr *at_mr_iter(struct at *t, struct at_sock *s, struct iov_iter *i,
			 bool writing, bool need_invalidate);
int at_mr_sync(struct at_sock *s);
bool at_mr_drop(struct at *t, struct at_mr *m);
bool at_mr_drop_all(struct at *t);

struct at_xmit {
	struct at_sock *s;
	void *buf;
	size_t len;
	struct smbdirect_buffer_descriptor_v1 *desc;
	size_t ndesc;
	bool read;
};

struct at_party *at_xmit_start(struct at *t, struct at_xmit *x);
int at_xmit(struct at *t, struct at_xmit *x);
unsigned int at_split(struct smbdirect_buffer_descriptor_v1 *out, unsigned int n,
		      const struct smbdirect_buffer_descriptor_v1 *in, size_t len);

#endif
