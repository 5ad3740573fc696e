# SPDX-License-Identifier: GPL-2.0
# Messages, waiting, and talking to the other guest.

say() { printf '%s\n' "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# skip REASON : end the case; it counts as skipped and shows the reason.
skip() { printf 'SKIP: %s\n' "$*"; exit 77; }

# now_ms : milliseconds since some moment.
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# wait_for WHAT SECONDS COMMAND... : until the command succeeds; fails with a
# message that tells what it waited for. A slow kernel gets more seconds.
wait_for() {
	local what=$1 end=$(($(now_ms) + $2 * 1000 * ${PATIENCE:-1}))
	shift 2
	until "$@"; do
		if [ "$(now_ms)" -ge "$end" ]; then
			echo "waited in vain for $what" >&2
			return 1
		fi
		sleep 0.1
	done
}

# expect WHAT GOT WANT
expect() {
	[ "$2" = "$3" ] || die "$1 is '$2', should be '$3'"
	say "ok: $1 is $3"
}

# expect_fail WHAT COMMAND... : the command must fail.
expect_fail() {
	local what=$1
	shift
	if "$@"; then die "$what should have failed"; fi
	say "ok: refused: $what"
}

# Two guests: `tell KEY [VALUE]` publishes, `hear KEY [SECONDS]` waits for it
# and prints the value, `barrier NAME [SECONDS]` is passed by both together.
# They fail at once when the other guest's half of the case has failed.
sync_dir=/lab/share/sync
tell() {
	printf '%s\n' "${2:-}" >"$sync_dir/.$CASE_ID.$1.$VM"
	mv "$sync_dir/.$CASE_ID.$1.$VM" "$sync_dir/$CASE_ID.$1"
}
heard() {
	[ ! -e "$sync_dir/$CASE_ID.failed" ] || die "the other guest has failed (waiting for $1)"
	[ -e "$sync_dir/$CASE_ID.$1" ]
}
hear() {
	wait_for "'$1' from the other guest" "${2:-60}" heard "$1" || return 1
	cat "$sync_dir/$CASE_ID.$1"
}
barrier() {
	local other=a
	[ "$VM" = b ] || other=b
	tell "barrier.$1.$VM"
	hear "barrier.$1.$other" "${2:-60}" >/dev/null
}

# kmsg TEXT : a line in the kernel log, to find one's place there.
kmsg() { echo "<6>case: $*" >/dev/kmsg; }
