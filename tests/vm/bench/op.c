// SPDX-License-Identifier: GPL-2.0
/*
 * bench-op: what the benchmark needs to run inside the guest without an
 * interpreter.
 *
 *   bench-op mark begin|end [TEXT]     a mark for the instruction counter; TEXT
 *                                      goes to the console before it
 *   bench-op create|stat|unlink DIR N  one pass over N files, between two marks
 *   bench-op readdir DIR N             list N entries, between two marks
 *
 * A mark is a call to a fixed address (see the linker option in
 * scripts/benchlab/build.py): the counter outside sees the code at that address
 * executed. Nothing else of the guest takes part.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void mark_begin(void);
void mark_end(void);

__asm__(".pushsection .marks,\"ax\",@progbits\n"
	".globl mark_begin, mark_end\n"
	"mark_begin:\n"
	"	nop\n"
	"	ret\n"
	".balign 64\n"
	"mark_end:\n"
	"	nop\n"
	"	ret\n"
	".popsection\n");

static void fail(const char *what)
{
	fprintf(stderr, "FAILED: bench-op: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void create_one(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0 || close(fd))
		fail(path);
}

static void stat_one(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		fail(path);
}

static void unlink_one(const char *path)
{
	if (unlink(path))
		fail(path);
}

static void each(const char *dir, int n, void (*one)(const char *))
{
	char path[4096];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/file-%05d", dir, i);
		one(path);
	}
}

static void list(const char *dir, int n)
{
	int seen = 0;
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d)
		fail(dir);
	while ((e = readdir(d)))
		seen += e->d_name[0] != '.';
	closedir(d);
	if (seen != n) {
		fprintf(stderr, "FAILED: bench-op: %d entries, not %d\n", seen, n);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "mark")) {
		FILE *console = fopen("/dev/hvc0", "w");

		if (!console || fprintf(console, "%s\n", argv[3]) < 0 || fclose(console))
			fail("/dev/hvc0");
		argc = 3;
	}
	if (argc == 3 && !strcmp(argv[1], "mark")) {
		if (!strcmp(argv[2], "begin"))
			mark_begin();
		else
			mark_end();
		return 0;
	}
	if (argc == 4) {
		const char *dir = argv[2];
		int n = atoi(argv[3]);

		mark_begin();
		if (!strcmp(argv[1], "create"))
			each(dir, n, create_one);
		else if (!strcmp(argv[1], "stat"))
			each(dir, n, stat_one);
		else if (!strcmp(argv[1], "unlink"))
			each(dir, n, unlink_one);
		else if (!strcmp(argv[1], "readdir"))
			list(dir, n);
		else
			return 2;
		mark_end();
		return 0;
	}
	fprintf(stderr, "usage: bench-op mark begin|end, or create|stat|readdir|unlink DIR N\n");
	return 2;
}
