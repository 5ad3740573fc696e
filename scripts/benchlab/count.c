// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts how often each translated block of the guest is
 * executed. Between the two marks that bench-op makes it writes what was
 * executed as records of three 64-bit numbers: address, instructions in the
 * block, executions. The guest does not notice: no probe, no patched code, no
 * time of its own.
 *
 *   -plugin count.so,out=DIRECTORY,marks=ADDRESS
 *
 * DIRECTORY/phase-0000, phase-0001, ... are written in order.
 *
 * Built inside the lab root but loaded by the host's QEMU: so it is linked with
 * nothing and declares the few things it uses itself. PLUGIN_API is the
 * version that the host's QEMU speaks: 1 up to 8, 2 and more from 9.0 on,
 * where counters live in "scoreboards".
 */
#include <stddef.h>
#include <stdint.h>

typedef struct file FILE;
FILE *fopen(const char *path, const char *mode);
int fclose(FILE *f);
size_t fwrite(const void *data, size_t size, size_t n, FILE *f);
int snprintf(char *to, size_t size, const char *format, ...);
void *calloc(size_t n, size_t size);
void *memcpy(void *to, const void *from, size_t size);
int strncmp(const char *a, const char *b, size_t n);
int dprintf(int fd, const char *format, ...);
void abort(void);

typedef uint64_t plugin_id;
struct tb;
struct qemu_info;
typedef void (*tb_trans_cb)(plugin_id id, struct tb *tb);
typedef void (*exec_cb)(unsigned int cpu, void *data);
enum { NO_REGS = 0, ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, tb_trans_cb cb);
void qemu_plugin_register_vcpu_tb_exec_cb(struct tb *tb, exec_cb cb, int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct tb *tb);

#define SLOTS (1u << 21)
#define HASH (SLOTS * 2)

#if PLUGIN_API >= 2
struct scoreboard;
typedef struct {
	struct scoreboard *score;
	size_t offset;
} counter_ref;
struct scoreboard *qemu_plugin_scoreboard_new(size_t size);
void *qemu_plugin_scoreboard_find(struct scoreboard *score, unsigned int cpu);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct tb *tb, int op, counter_ref entry,
						       uint64_t n);
static struct scoreboard *board;

static void count_into(struct tb *tb, uint32_t slot)
{
	counter_ref ref = { board, slot * sizeof(uint64_t) };

	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, ADD_U64, ref, 1);
}
static uint64_t *counters(void)
{
	return qemu_plugin_scoreboard_find(board, 0);
}
static void counters_init(void)
{
	board = qemu_plugin_scoreboard_new(SLOTS * sizeof(uint64_t));
}
#else
void qemu_plugin_register_vcpu_tb_exec_inline(struct tb *tb, int op, void *to, uint64_t n);
static uint64_t *board;

static void count_into(struct tb *tb, uint32_t slot)
{
	qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &board[slot], 1);
}
static uint64_t *counters(void)
{
	return board;
}
static void counters_init(void)
{
	board = calloc(SLOTS, sizeof(*board));
}
#endif

__attribute__((visibility("default"))) int qemu_plugin_version = PLUGIN_API;

static struct block {
	uint64_t address, insns;
} *blocks;
static uint32_t *table;
static uint32_t used = 1;
static uint64_t *before;
static uint64_t marks;
static const char *out = ".";
static unsigned int phase;

/* The counter of this block; the same block may be translated many times. */
static uint32_t slot_of(uint64_t address, uint64_t insns)
{
	uint64_t h = (address ^ insns << 48) * 0x9e3779b97f4a7c15ull;
	uint32_t at = h >> 42;

	for (;; at++) {
		uint32_t slot = table[at %= HASH];

		if (slot && blocks[slot].address == address && blocks[slot].insns == insns)
			return slot;
		if (slot)
			continue;
		if (used == SLOTS) {
			dprintf(2, "count: too many different blocks\n");
			abort();
		}
		blocks[used] = (struct block){ address, insns };
		return table[at] = used++;
	}
}

static void begin(unsigned int cpu, void *data)
{
	memcpy(before, counters(), SLOTS * sizeof(*before));
}

static void end(unsigned int cpu, void *data)
{
	uint64_t *now = counters();
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/phase-%04u", out, phase++);
	f = fopen(path, "wb");
	if (!f)
		abort();
	for (uint32_t i = 1; i < used; i++) {
		uint64_t record[] = { blocks[i].address, blocks[i].insns, now[i] - before[i] };

		if (record[2] && fwrite(record, sizeof(record), 1, f) != 1)
			abort();
	}
	if (fclose(f))
		abort();
}

static void translated(plugin_id id, struct tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);

	/* programs are at other addresses each time: user space is one place */
	count_into(tb, slot_of(address >> 47 ? address : 0, qemu_plugin_tb_n_insns(tb)));
	if (address == marks)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, begin, NO_REGS, NULL);
	else if (address == marks + 64)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, end, NO_REGS, NULL);
}

static uint64_t hex(const char *s)
{
	uint64_t n = 0;

	for (; *s; s++)
		n = n * 16 + (*s <= '9' ? *s - '0' : (*s | 32) - 'a' + 10);
	return n;
}

__attribute__((visibility("default"))) int
qemu_plugin_install(plugin_id id, const struct qemu_info *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = argv[i] + 4;
		else if (!strncmp(argv[i], "marks=", 6))
			marks = hex(argv[i] + 6);
		else
			return -1;
	}
	/* argv does not outlive this call */
	static char copy[3000];

	snprintf(copy, sizeof(copy), "%s", out);
	out = copy;
	blocks = calloc(SLOTS, sizeof(*blocks));
	before = calloc(SLOTS, sizeof(*before));
	table = calloc(HASH, sizeof(*table));
	counters_init();
	if (!blocks || !before || !table || !marks)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
