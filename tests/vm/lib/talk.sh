# SPDX-License-Identifier: GPL-2.0
# Sessions of smbd-peer that a case leads. It names build/peer/smbd-peer among its files.

# talk NAME OPTION... : open a session (smbd-peer talk); `ask NAME CHANNEL REQUEST`
# prints what came of a request, `bye NAME` ends it.
declare -A talk_in talk_out talk_pid
talk() {
	local name=$1 fd
	shift
	rm -f "/tmp/talk.$name".{in,out}
	mkfifo "/tmp/talk.$name".{in,out}
	"$MODULES/smbd-peer" talk --server "$ADDR" "$@" <"/tmp/talk.$name.in" >"/tmp/talk.$name.out" &
	talk_pid[$name]=$!
	exec {fd}>"/tmp/talk.$name.in"
	talk_in[$name]=$fd
	exec {fd}<"/tmp/talk.$name.out"
	talk_out[$name]=$fd
	[ "$(talk_line "$name")" = ready ] || die "no session '$name' ($*)"
}
talk_line() {
	local line
	read -r -t $((60 * ${PATIENCE:-1})) -u "${talk_out[$1]}" line || die "session '$1' does not answer"
	case $line in error:*) die "session '$1': $line" ;; esac
	printf '%s\n' "$line"
}
ask() {
	echo "$2 $3" >&"${talk_in[$1]}"
	talk_line "$1"
}
bye() {
	echo bye >&"${talk_in[$1]}"
	wait "${talk_pid[$1]}" || die "session '$1' ended badly"
}
