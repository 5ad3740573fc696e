# SPDX-License-Identifier: GPL-2.0
# desc: bad messages from one address cost at most ten lines of the kernel log in five seconds, and it says how many were left out
# param: DEV = rxe siw
# deadline: 600
# memory: 1280
# files: build/peer/smbd-peer tests/peer/guest.sh
#
# The fuzzer of the peer makes the errors; what has to follow from each of its messages,
# conformance/wire-fuzz looks at.

. "$lib/count.sh"
. "$lib/counters.sh"

# The lines since the mark: a log that has lost the mark had too many.
gained() {
	dmesg >/tmp/dmesg
	grep -q 'case: flood$' /tmp/dmesg || die 'the kernel log has lost its beginning'
	sed '1,/case: flood$/d' /tmp/dmesg
}
lines() { grep -cE "$1" "$OUT/gained" || true; }

# connections that were ended, or refused, for an error of the peer or of the adapter: each
# is worth a line
errors_now() { awk '/^(ended|failed)_(protocol|adapter) / { n += $2 } END { print n }' "$SMBD/failures"; }

run() {
	local t0 seconds before errors ours said most
	. "$MODULES/guest.sh"
	modules_load
	negotiate_patiently
	peer_server
	before=$(errors_now)
	kmsg flood
	t0=$(now_ms)
	"$MODULES/smbd-peer" fuzz --server "$ADDR" --patience "${PATIENCE:-1}" --count "${COUNT:-6000}" --seed "${SEED:-11}" ||
		die 'see above'
	seconds=$((($(now_ms) - t0) / 1000))
	errors=$(($(errors_now) - before))
	gained >"$OUT/gained"
	ours=$(lines 'smb_direct: |smbdirect: ')
	said=$(lines 'smbd_log_ratelimit: .*suppressed')
	say "$errors errors in $seconds s; the kernel log gained $(lines .) lines, $ours of them ours, and $said about lines that were left out"
	# ten lines in each five seconds of one group of addresses
	most=$((10 * (seconds / 5 + 2)))
	at_most 'lines of the kernel log' "$ours" $most
	[ "$errors" -gt "$most" ] || skip "this machine makes only $errors errors in $seconds s, all of which may be printed"
	at_least 'times that it is said how many were left out' "$said" 1
	at_most 'times that it is said how many were left out' "$said" $((seconds / 5 + 2))
}
