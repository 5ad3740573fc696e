# SPDX-License-Identifier: GPL-2.0
# I/O that goes on while something happens to the connection.

traffic_pid=''

# traffic_start DIR [SECONDS]
traffic_start() {
	rm -f /tmp/traffic /tmp/traffic.stop
	python3 "$lib/traffic.py" "$1" /tmp/traffic "${2:-300}" &
	traffic_pid=$!
	wait_for 'the traffic to start' 30 traffic_rounds 3
}
# traffic_field NAME : ok, errors, wrong, longest
traffic_field() { awk -v n="$1" '{ for (i = 1; i < NF; i += 2) if ($i == n) print $(i + 1) }' /tmp/traffic; }
traffic_rounds() { [ -e /tmp/traffic ] && [ "$(traffic_field ok)" -ge "$1" ]; }

# traffic_goes_on SECONDS : five more files within that time.
traffic_goes_on() {
	local t0
	t0=$(now_ms)
	if ! wait_for 'the traffic to go on' "$1" traffic_rounds $(($(traffic_field ok) + 5)); then
		cat /tmp/traffic
		grep -A 40 '^Servers:' /proc/fs/cifs/DebugData || true
		die 'no I/O succeeds any more'
	fi
	say "ok: traffic goes on after $(($(now_ms) - t0)) ms: $(cat /tmp/traffic)"
}

traffic_gone() { ! kill -0 $traffic_pid 2>/dev/null; }
# traffic_stop [SECONDS] : fails if it does not end, or if bytes were wrong.
traffic_stop() {
	: >/tmp/traffic.stop
	wait_for 'the traffic to stop' "${1:-60}" traffic_gone ||
		{ cat /proc/$traffic_pid/stack 2>/dev/null; die 'I/O hangs'; }
	wait $traffic_pid || die 'bytes were wrong'
}
