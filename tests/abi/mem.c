// SPDX-License-Identifier: GPL-2.0
/* Memory that ends with the case, patterns in it, and iterators over it. */
#include <linux/bvec.h>
#include <linux/folio_queue.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>
#include "abitest.h"

struct buf {
	struct list_head list;
	void *mem;
	void (*drop)(void *mem);
};

static void *track(struct at *t, void *mem, void (*drop)(void *mem))
{
	struct buf *b;

	if (!mem) {
		at_fail(t, "no memory");
		return NULL;
	}
	b = kmalloc(sizeof(*b), GFP_KERNEL);
	if (!b) {
		drop(mem);
		at_fail(t, "no memory");
		return NULL;
	}
	b->mem = mem;
	b->drop = drop;
	spin_lock(&t->lock);
	list_add(&b->list, &t->bufs);
	spin_unlock(&t->lock);
	return mem;
}

static void drop_kv(void *mem)
{
	kvfree(mem);
}

/* NULL means that the case has failed already. */
void *at_alloc(struct at *t, size_t len)
{
	return track(t, kvzalloc(len ?: 1, GFP_KERNEL), drop_kv);
}

void *at_alloc_kind(struct at *t, size_t len, enum at_mem kind)
{
	return track(t, kind == AT_VMALLOC ? vzalloc(len) : kzalloc(len, GFP_KERNEL),
		     drop_kv);
}

void at_free_all(struct at *t)
{
	struct buf *b, *next;

	list_for_each_entry_safe(b, next, &t->bufs, list) {
		b->drop(b->mem);
		kfree(b);
	}
	INIT_LIST_HEAD(&t->bufs);
}

/* A pattern in which no page, and no 256 bytes, look like another. */
static u8 pattern(size_t i, u32 seed)
{
	u32 x = (u32)i + seed * 2654435761u;

	x ^= x >> 15;
	x *= 0x2c1b3c6d;
	return x >> 24;
}

static void fill_at(u8 *p, size_t len, size_t from, u32 seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = pattern(from + i, seed);
}

static long differs_at(const u8 *p, size_t len, size_t from, u32 seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != pattern(from + i, seed))
			return from + i;
	return -1;
}

void at_fill(void *buf, size_t len, u32 seed)
{
	fill_at(buf, len, 0, seed);
}

/* The first wrong byte, or -1. */
long at_differs(const void *buf, size_t len, u32 seed)
{
	return differs_at(buf, len, 0, seed);
}

static void drop_region(void *mem)
{
	struct at_region *r = mem;
	struct folio_queue *q, *next;
	unsigned int i;

	if (r->kind == AT_XARRAY)
		xa_destroy(&r->xa);
	for (q = r->folioq; q; q = next) {
		next = q->next;
		kfree(q);
	}
	if (r->kind == AT_KVEC) {
		vunmap((void *)((unsigned long)r->kvec.iov_base & PAGE_MASK));
	}
	for (i = 0; r->pages && i < r->npages; i++)
		if (r->pages[i])
			put_page(r->pages[i]);
	kvfree(r->bvec);
	kvfree(r->pages);
	kfree(r);
}

static int make_folioq(struct at_region *r)
{
	struct folio_queue *q = NULL, *tail = NULL;
	unsigned int i;

	for (i = 0; i < r->npages; i++) {
		if (!q || folioq_full(q)) {
			q = kmalloc(sizeof(*q), GFP_KERNEL);
			if (!q)
				return -ENOMEM;
			folioq_init(q, 0);
			if (tail) {
				tail->next = q;
				q->prev = tail;
			} else {
				r->folioq = q;
			}
			tail = q;
		}
		folioq_append(q, page_folio(r->pages[i]));
	}
	return 0;
}

/* The bytes of page @i that belong to the region, @done of which came before it. */
static size_t extent(const struct at_region *r, unsigned int i, size_t done, size_t *off)
{
	if (r->kind == AT_HOLES) {
		*off = r->offset;
		return min_t(size_t, AT_HOLES_PART, r->len - done);
	}
	*off = i ? 0 : r->offset;
	return min_t(size_t, PAGE_SIZE - *off, r->len - done);
}

static int make_view(struct at_region *r)
{
	size_t done = 0, off;
	void *map;
	unsigned int i;

	switch (r->kind) {
	case AT_KVEC:
		map = vmap(r->pages, r->npages, VM_MAP, PAGE_KERNEL);
		if (!map)
			return -ENOMEM;
		r->kvec.iov_base = map + r->offset;
		r->kvec.iov_len = r->len;
		return 0;
	case AT_BVEC:
	case AT_HOLES:
		r->bvec = kvcalloc(r->npages, sizeof(*r->bvec), GFP_KERNEL);
		if (!r->bvec)
			return -ENOMEM;
		for (i = 0; i < r->npages; i++) {
			size_t part = extent(r, i, done, &off);

			bvec_set_page(&r->bvec[i], r->pages[i], part, off);
			done += part;
		}
		return 0;
	case AT_FOLIOQ:
		return make_folioq(r);
	case AT_XARRAY:
		for (i = 0; i < r->npages; i++)
			if (xa_is_err(xa_store(&r->xa, i, r->pages[i], GFP_KERNEL)))
				return -ENOMEM;
		return 0;
	}
	return -EINVAL;
}

struct at_region *at_region(struct at *t, enum at_iter_kind kind, size_t len,
			    size_t offset)
{
	struct at_region *r = kzalloc(sizeof(*r), GFP_KERNEL);
	unsigned int i;

	if (!r) {
		at_fail(t, "no memory");
		return NULL;
	}
	xa_init(&r->xa);
	r->kind = kind;
	r->len = len;
	r->offset = offset;
	r->npages = kind == AT_HOLES ? DIV_ROUND_UP(len, AT_HOLES_PART) :
				       DIV_ROUND_UP(offset + len, PAGE_SIZE);
	r->pages = kvcalloc(r->npages, sizeof(*r->pages), GFP_KERNEL);
	for (i = 0; r->pages && i < r->npages; i++) {
		r->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!r->pages[i])
			break;
	}
	if (!r->pages || i < r->npages || make_view(r)) {
		drop_region(r);
		at_fail(t, "no memory for %zu bytes", len);
		return NULL;
	}
	return track(t, r, drop_region);
}

void at_region_iter(struct at_region *r, struct iov_iter *i, unsigned int dir)
{
	switch (r->kind) {
	case AT_KVEC:
		iov_iter_kvec(i, dir, &r->kvec, 1, r->len);
		break;
	case AT_BVEC:
	case AT_HOLES:
		iov_iter_bvec(i, dir, r->bvec, r->npages, r->len);
		break;
	case AT_FOLIOQ:
		iov_iter_folio_queue(i, dir, r->folioq, 0, r->offset, r->len);
		break;
	case AT_XARRAY:
		iov_iter_xarray(i, dir, &r->xa, r->offset, r->len);
		break;
	}
}

void at_region_fill(struct at_region *r, u32 seed)
{
	size_t done = 0, off;
	unsigned int i;

	for (i = 0; i < r->npages; i++) {
		size_t part = extent(r, i, done, &off);

		fill_at(page_address(r->pages[i]) + off, part, done, seed);
		done += part;
	}
}

long at_region_differs(struct at_region *r, u32 seed)
{
	size_t done = 0, off;
	unsigned int i;

	for (i = 0; i < r->npages; i++) {
		size_t part = extent(r, i, done, &off);
		const u8 *page = page_address(r->pages[i]);
		long bad = differs_at(page + off, part, done, seed);

		if (bad >= 0)
			return bad;
		/* Nothing outside of the region is ever written. */
		if ((off && page[off - 1]) || (off + part < PAGE_SIZE && page[off + part]))
			return done;
		done += part;
	}
	return -1;
}
