# SPDX-License-Identifier: GPL-2.0
# The policy of shares, and sessions of smbd-peer that try it. The case names
# build/ksmbd/policy/ksmbd.ko and build/peer/smbd-peer among its files.

POLICY=/sys/kernel/config/smbdirect

# policy_ready : with smbdirect and ksmbd loaded
policy_ready() {
	[ -e /sys/module/ksmbd/parameters/smbdirect_policy ] || die 'this ksmbd does not ask for the policy of shares'
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
	[ -d $POLICY ] || die "smbdirect.ko has made no $POLICY"
}

# policy_apply [SHARE MODE]... : these shares and nothing else are in force; the
# share * is the default
policy_apply() {
	local draft=$POLICY/case dir
	mkdir $draft $draft/shares
	while [ $# -ge 2 ]; do
		dir=$draft
		[ "$1" = '*' ] || { dir=$draft/shares/$1; mkdir "$dir"; }
		echo "$2" >"$dir/smb_direct"
		shift 2
	done
	echo 1 >$draft/commit
	for dir in $draft/shares/*/; do [ ! -d "$dir" ] || rmdir "$dir"; done
	rmdir $draft/shares $draft
}

# policy_refused SHARE : how often, "over_rdma over_tcp cannot_move"
policy_refused() { awk -v s="$1" '$1 == s { print $3, $4, $5 }' $POLICY/shares; }

# policy_lines SHARE : how many lines about it the kernel log has
policy_lines() { dmesg | grep -c "smbdirect: share $1: .* refused" || true; }

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
