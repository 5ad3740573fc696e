# SPDX-License-Identifier: GPL-2.0
# desc: the KUnit suites inside the module: gates, waits, work items; queues, regions, transfers on a device
# kernel: sanitized kcsan
# param: DEV = rxe siw
# deadline: 400
# boot-group: kunit
# files: build/lab/smbdirect-kunit/smbdirect.ko

KUNIT=/sys/kernel/debug/kunit
SUITES='gate wait work ledger stages data quiesce regions transfers'

run() {
	local suite results passed failed skipped bad=0 all=0
	[ -d $KUNIT ] || skip 'this kernel has no KUnit'
	link_up "$DEV"
	# $MODULES has the build with the suites in place of the usual one
	module_load smbdirect
	for suite in $SUITES; do
		suite=smbdirect_$suite
		if [ ! -d "$KUNIT/$suite" ]; then
			echo "$suite: the module has no such suite"
			bad=1
			continue
		fi
		echo 1 >"$KUNIT/$suite/run"
		results=$(<"$KUNIT/$suite/results")
		printf '%s\n' "$results" >"$OUT/$suite.ktap"
		passed=$(grep -cE '^ +ok [0-9]+ ' <<<"$results") || :
		skipped=$(grep -cE '^ +ok [0-9]+ .*# SKIP' <<<"$results") || :
		failed=$(grep -cE '^ +not ok [0-9]+ ' <<<"$results") || :
		echo "$suite: $((passed - skipped)) passed, $failed failed, $skipped skipped"
		all=$((all + passed - skipped))
		if [ "$failed" != 0 ] || [ "$passed" = "$skipped" ] || ! grep -qE "^ok .*$suite" <<<"$results"; then
			printf '%s\n' "$results" | grep -vE '^ +ok ' || :
			bad=1
		fi
	done
	echo "$all cases passed"
	[ $bad = 0 ] || die 'not all suites passed'
	rmmod smbdirect
}
