# SPDX-License-Identifier: GPL-2.0
# What our module counts, as administrators see it. Needs base.sh.

SMBD=/sys/kernel/smbdirect

# of FILE NAME : a value of a file of "name value" lines
of() { awk -v n="$2" '$1 == n { print $2; found = 1 } END { exit !found }' "$1" || die "$1 has no $2"; }
# total NAME : one of the module's
total() { of $SMBD/stats "$1"; }

# counters_now : one "name value" line for each counter of the module
counters_now() { cat $SMBD/stats $SMBD/failures $SMBD/protocol_errors; }
# counted BEFORE : what has changed since `BEFORE=$(counters_now)`, as "name difference" lines
counted() {
	{ echo "$1"; echo --; counters_now; } | awk '
		$1 == "--" { after = 1; next }
		!after { was[$1] = $2; next }
		$2 != was[$1] { print $1, $2 - was[$1] }'
}
# by NAME CHANGES : one of these, 0 if it is not among them
by() { echo "$2" | awk -v n="$1" '$1 == n { v = $2 } END { print v + 0 }'; }

# summed NAME FILE... : the sum over files
summed() {
	local name=$1
	shift
	awk -v n="$name" '$1 == n { v += $2 } END { print v + 0 }' "$@"
}
