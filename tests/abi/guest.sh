# SPDX-License-Identifier: GPL-2.0
# Guest side of the ABI cases: loads the test module and judges what it reports.
#
# abi_run PATTERNS [PARAMETER=VALUE...]
# With our module every FAIL fails the case. With the C module the failures in
# known-c-faults are shown as expected, others as findings, and a listed case
# that passes is shown, too.

abi_results=/sys/kernel/debug/smbdirect_abitest/results

abi_judge_c() {
	awk -v dev="$DEV" '
		NR == FNR {
			split($0, f, "\t")
			if (!/^#/ && (f[2] == dev || f[2] == "any"))
				fault[f[1]] = f[3] ": " f[4]
			next
		}
		$1 == "FAIL" || $1 == "ok" {
			name = $2
			sub(/:$/, "", name)
			if ($1 == "FAIL" && name in fault)
				print "expected: " substr($0, 6) " -- " fault[name]
			else if ($1 == "FAIL") {
				print "FINDING: " substr($0, 6)
				bad = 1
			} else if (name in fault)
				print "passes here: " name " -- " fault[name]
		}
		END { exit bad }' "$MODULES/known-c-faults" "$OUT/results" ||
		die 'the C module fails in a way that is not listed'
}

abi_run() {
	local patterns=$1 family=0 slow=1
	shift
	[ "$DEV" = rxe ] || family=1
	# emulated processors on a busy machine; the faults of C are hangs, and no
	# wait makes them better
	mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
	module_load smbdirect
	[ "$(smbdirect_kind)" = c ] || slow=3
	slow=$((slow * ${PATIENCE:-1}))
	insmod "$MODULES/smbdirect_abitest.ko" addr="$ADDR" addr6="$ADDR6" iwarp=$family \
		slow="$slow" cases="$patterns" "$@"
	cp $abi_results "$OUT/results"
	grep -v '^ok' "$OUT/results" || true
	grep -q '^done' "$OUT/results" || die 'the test module did not come to its end'
	grep -q '^ok' "$OUT/results" || die 'no case passed at all'
	# a case that could not be stopped keeps the module, and says so
	rmmod smbdirect_abitest || say 'the test module cannot be removed'
	if [ "$(smbdirect_kind)" = c ]; then
		abi_judge_c
	elif grep -q '^FAIL' "$OUT/results"; then
		die "$(grep -c '^FAIL' "$OUT/results") cases failed, see above"
	fi
	! module_loaded smbdirect_abitest || die 'the test module is still in use'
}
