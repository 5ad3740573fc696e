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

run() {
	local test random='' signed=''
	cp "$MODULES/bench-op" /tmp/bench-op
	cd /tmp
	mkdir "$results"
	modules_load
	link_up rxe
	ksmbd_start
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
