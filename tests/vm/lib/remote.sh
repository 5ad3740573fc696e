# SPDX-License-Identifier: GPL-2.0
# The client leads: the server does what it is told, one thing after the other.

# serve [SECONDS] : on the server, until the client calls `dismiss`. A server that
# was powered off and on goes on with what it has not answered yet.
serve() {
	local n=1 end=$(($(now_ms) + ${1:-3600} * 1000 * ${PATIENCE:-1}))
	while heard "reply.$n"; do n=$((n + 1)); done
	# sleep(1) would be started twenty times a second
	local fd
	[ -p /tmp/nap ] || mkfifo /tmp/nap
	exec {fd}<>/tmp/nap
	until heard dismissed; do
		[ "$(now_ms)" -lt "$end" ] || die 'the client has not called for too long'
		heard "call.$n" || { read -r -t 0.05 -u "$fd" || true; continue; }
		eval "$(<"$sync_dir/$CASE_ID.call.$n")"
		tell "reply.$n"
		n=$((n + 1))
	done
}

# on_server COMMAND... : on the client; waits until it is done. If it fails there, the
# case fails. server_begins does not wait, server_ends does.
calls=0
server_begins() {
	calls=$((calls + 1))
	tell "call.$calls" "$(printf '%q ' "$@")"
}
server_ends() { hear "reply.$calls" "${1:-180}" >/dev/null; }
on_server() {
	server_begins "$@"
	server_ends
}
dismiss() { tell dismissed; }
