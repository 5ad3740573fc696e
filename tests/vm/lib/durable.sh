# SPDX-License-Identifier: GPL-2.0
# Writers whose fsyncs are held against the server: durable.py. Each has a name and
# writes through a mount of its own; several run at a time. Records are where both
# guests see them.

declare -A writer_pid=()
record() { echo "${sync_dir:?}/$CASE_ID-$1"; }
# writer_count NAME : how many fsyncs it has had; sets $fsynced. No program is started
# for that, nor for a record's name: it is asked often.
writer_count() {
	local rest
	fsynced=0
	[ ! -e "$sync_dir/$CASE_ID-$1.state" ] || read -r rest fsynced rest <"$sync_dir/$CASE_ID-$1.state"
}
writer_fsynced() { writer_count "$1" && [ "$fsynced" -ge "$2" ]; }

# writer_start NAME DIR : until writer_stop. The record of an earlier one is kept.
writer_start() {
	rm -f "$(record "$1")".{state,hold,held,stop}
	python3 "$lib/durable.py" "$2" "$(record "$1")" 100000 &
	writer_pid[$1]=$!
	wait_for "the writer $1 to start" 60 writer_fsynced "$1" "${3:-1}"
}

# writers_go_on SECONDS : each of them has two more fsyncs within that time.
writers_go_on() {
	local name fsynced
	local -A want
	for name in "${!writer_pid[@]}"; do
		writer_count "$name"
		want[$name]=$((fsynced + 2))
	done
	for name in "${!want[@]}"; do
		wait_for "the writer $name to go on" "$1" writer_fsynced "$name" "${want[$name]}" ||
			{ cat "$(record "$name").state"; stuck; die 'no fsync succeeds any more'; }
	done
}
# What is known of the connection and of who waits for what, for the log: of this end
# here, and of the other one, if it listens.
stuck() {
	local pid
	grep -A 12 '^Servers:' /proc/fs/cifs/DebugData || true
	for pid in "${writer_pid[@]}"; do cat /proc/"$pid"/stack 2>/dev/null || true; done
	state_of_end
	server_begins state_of_end
	server_ends 60 || true
}
state_of_end() {
	local n
	echo "---- state of $ROLE"
	cat /sys/kernel/debug/smbdirect/connections 2>/dev/null || true
	rdma resource show qp || true
	rdma resource show cm_id || true
	grep -hs '[1-9a-f]' /sys/class/infiniband/*/ports/1/gids/* || true
	ip neigh show dev "$NETDEV" || true
	tc -s qdisc show dev "$NETDEV" || true
	for n in 1 2; do
		# are packets going in and out, and what does the device do with them?
		ip -s link show dev "$NETDEV" || true
		rdma statistic show || true
		ping -c 2 -W 2 -i 0.5 "$OTHER_ADDR" || true
	done
	# workers that wait, with what they wait for
	for n in $(ps -eo pid,comm | awk '/kworker|ksmbd|cifsd/ { print $1 }'); do
		grep -q 'rxe\|siw\|smbdirect\|cma_\|ib_\|cm_\|ksmbd\|cifs' "/proc/$n/stack" 2>/dev/null || continue
		cat "/proc/$n/comm" "/proc/$n/stack"
	done
}
# writers_hold SECONDS : they finish what they are at, note it down and wait.
writer_held() { [ -e "$sync_dir/$CASE_ID-$1.held" ]; }
writers_hold() {
	local name
	for name in "${!writer_pid[@]}"; do : >"$(record "$name").hold"; done
	for name in "${!writer_pid[@]}"; do
		wait_for "the writer $name to come to a rest" "$1" writer_held "$name" || { stuck; die 'I/O hangs'; }
	done
}
writers_release() {
	local name
	for name in "${!writer_pid[@]}"; do rm "$(record "$name").hold"; done
}

# writer_stop NAME [SECONDS] : fails if it does not end, or if it has read what was
# not right.
writer_gone() { ! kill -0 "${writer_pid[$1]}" 2>/dev/null; }
writer_stop() {
	: >"$(record "$1").stop"
	wait_for "the writer $1 to end" "${2:-90}" writer_gone "$1" || { stuck; die 'I/O hangs'; }
	wait "${writer_pid[$1]}" || die 'bytes were wrong'
	unset "writer_pid[$1]"
}
writers_stop() {
	local name
	for name in "${!writer_pid[@]}"; do writer_stop "$name"; done
}

# as_fsynced DIR NAME... : everything that was fsynced is there, by content, and no
# task hangs. as_fsynced_anew DIR OPTIONS NAME...: the same through a new mount.
records() {
	local name
	for name in "$@"; do printf '%s/%s-%s ' "$sync_dir" "$CASE_ID" "$name"; done
}
as_fsynced() {
	python3 "$lib/verify.py" "$1" $(records "${@:2}") || die "$ROLE: $1 is not as it was fsynced, or tasks hang"
}
as_fsynced_anew() {
	mkdir -p "$1"
	python3 "$lib/verify.py" --mount "//$ADDR/share" "$ADDR" \
		"user=$SMB_USER,pass=$SMB_PASSWORD,vers=3.1.1,rdma,nosharesock,cache=none,$2" "$1" $(records "${@:3}") ||
		die "$ROLE: a new mount does not show what was fsynced, or tasks hang"
}
no_task_hangs() { python3 "$lib/verify.py" || die "$ROLE: tasks hang"; }
