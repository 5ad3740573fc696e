# SPDX-License-Identifier: GPL-2.0
# What comes back and what does not: memory in a settled state, our module's
# accounting, and connections.

# Give back what the kernel only keeps because nobody asked for it: empty slabs,
# page and inode caches, objects that wait for RCU.
settle() {
	local cache
	sync
	for cache in 1 2 3; do
		echo 3 >/proc/sys/vm/drop_caches
		for cache in /sys/kernel/slab/*/shrink; do
			echo 1 >"$cache" 2>/dev/null || true
		done
		sleep 0.3
	done
}

# settled : a snapshot in a settled state.
settled() {
	settle
	snapshot
}

# show_growth BEFORE AFTER : all values of two snapshots, for the log.
show_growth() {
	local item
	for item in $1; do
		printf '%s %s -> %s; ' "${item%%=*}" "${item#*=}" "$(value "${item%%=*}" "$2")"
	done
	echo
}

# at_most WHAT GOT LIMIT
at_most() {
	[ "$2" -le "$3" ] || die "$1 is $2, more than $3"
	say "ok: $1 is $2, at most $3"
}
# at_least WHAT GOT LIMIT
at_least() {
	[ "$2" -ge "$3" ] || die "$1 is $2, less than $3"
	say "ok: $1 is $2, at least $3"
}

# slab_at_most WHAT BEFORE AFTER KIB : growth of slab memory. With KASAN what is freed waits in
# its quarantine; there kmemleak looks for what is lost, after the case.
slab_at_most() {
	local grown
	grown=$(growth slab "$2" "$3")
	if grep -q ' kasan_quarantine_put$' /proc/kallsyms; then
		say "$1: growth of slab is $grown KiB, KASAN's quarantine in it"
	else
		at_most "$1: growth of slab (KiB)" "$grown" "$4"
	fi
}

# slabs_grown SLABINFO : the caches that have grown most since /proc/slabinfo was that, in KiB
slabs_grown() {
	awk 'NR == FNR { was[$1] = $3 * $4; next }
		NF > 5 && $3 * $4 > was[$1] { print int(($3 * $4 - was[$1]) / 1024), $1, $2 " of " $3 " objects of " $4 }' \
		"$1" /proc/slabinfo | sort -rn | head -n 10
}

# vmalloc_by CALLER : bytes of vmalloc memory by callers that match.
vmalloc_by() {
	awk -v re="$1" '$3 ~ re { n += $2 } END { print n + 0 }' /proc/vmallocinfo
}

# counter NAME : a counter of our module, 0 with the C module, which has none.
counter() { stat_value "$1" 2>/dev/null | grep . || echo 0; }
