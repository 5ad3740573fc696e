# SPDX-License-Identifier: GPL-2.0
# desc: fio and metadata over one transport, for scripts/bench
# deadline: 2400
# memory: 1536
# icount: yes
#
# TRANSPORT is rdma or tcp, TESTS the list of tests, ROUNDS how often each is
# repeated, FILE_MIB the size of the file that fio works on.
#
# Every pass between two marks of bench-op is one line of $OUT/phases:
# TEST KIND OPERATIONS. Start and end of fio are in a pass as well, so there is
# a short pass beside the long ones; the difference is operations alone.

. /lab/share/guest/bench/passes.sh

# The share that is measured stays `auto`.
policy_of_another() {
	local draft=/sys/kernel/config/smbdirect/bench
	[ "$(cat /sys/module/ksmbd/parameters/smbdirect_policy)" = 1 ] || die 'this ksmbd does not ask'
	configfs_mount
	mkdir $draft $draft/shares $draft/shares/other
	echo off >$draft/shares/other/smb_direct
	echo 1 >$draft/commit
	rmdir $draft/shares/other $draft/shares $draft
	grep -q 'other' /sys/kernel/config/smbdirect/shares || die 'the policy is not in force'
}

run() {
	local test random='' signed=''
	cp "$MODULES/bench-op" /tmp/bench-op
	cd /tmp
	mkdir "$results"
	modules_load
	link_up rxe
	ksmbd_start
	[ -z "${SHARE_POLICY:-}" ] || policy_of_another
	dd if=/dev/zero of="$SHARE_DIR/data" bs=1M count="$FILE_MIB" status=none
	for test in $TESTS; do
		case $test in
		rand-*) random+=" $test" ;;
		signed-*) signed+=" $test" ;;
		meta) ;;
		*) die "no such test: $test" ;;
		esac
	done
	[ -z "$random" ] || fio_tests '' $random
	[ -z "$signed" ] || fio_tests sign $signed
	[[ " $TESTS " != *' meta '* ]] || meta_tests
	cat /proc/kallsyms >"$results/kallsyms"
	tar -b 1000 -C "$results" -cf "$OUT/results.tar" .
}
