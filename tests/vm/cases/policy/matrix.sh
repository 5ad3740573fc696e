# SPDX-License-Identifier: GPL-2.0
# desc: off, auto and required, for each kind of request and session: what is served, refused, counted and said
# modules: rust
# param: DEV = rxe siw
# deadline: 300
# files: build/peer/smbd-peer tests/peer/guest.sh build/ksmbd/policy/ksmbd.ko
#
# The table of Documentation/steering.md, 2. All sessions have a file open from before a
# policy is in force, so that every kind of request can be tried under each.

. "$lib/count.sh"
. "$lib/policy.sh"
. "$lib/enforced.sh"
. "$lib/talk.sh"

USER_OPTIONS="--user $SMB_USER --password $SMB_PASSWORD"

# all OTHERS DATA : the answer to `all` if data is answered with one and the rest with the other
all() {
	local what words=''
	for what in tree create list info set flush lock notify key; do words+="$what=$1 "; done
	for what in read write copy copywrite clone; do words+="$what=$2 "; done
	echo "${words}zero=$2"
}

# row SESSION CHANNEL OTHERS DATA CHAIN : what has to come of all requests
row() {
	expect "$mode: $1 $2" "$(ask "$1" "$2" all)" "$(all "$3" "$4")"
	expect "$mode: $1 $2, a chain" "$(ask "$1" "$2" chain)" "$5"
}
# whole SESSION CHANNEL WORD
whole() { row "$1" "$2" "$3" "$3" "$3,$3,$3"; }
# no_data SESSION CHANNEL : the chain is CREATE, READ, CLOSE
no_data() { row "$1" "$2" served denied served,denied,served; }

run() {
	local t0 mode n first
	. "$MODULES/guest.sh"
	# a second share, without a policy
	peer_server '[open]' "path = $SHARE_DIR" 'read only = no' 'guest ok = yes' 'force user = root' 'force group = root'
	policy_enforced
	t0=$(now_ms)
	# a session that waits for its next request here answers no keepalive
	put keepalive_interval 3600

	# can move: knows multichannel and is no guest
	talk moves --channel tcp $USER_OPTIONS
	talk guest --channel tcp
	talk old --channel tcp $USER_OPTIONS --no-multichannel
	talk rdma --channel rdma
	# can move for its second channel alone
	talk both --channel tcp --channel rdma $USER_OPTIONS --no-multichannel
	for n in moves guest old rdma both; do
		expect "a share without a policy: $n" "$(ask $n 1 enter)" entered
		expect "nothing set: $n" "$(ask $n 1 all)" "$(all served served)"
	done
	for n in moves rdma; do
		expect "nothing set: $n, a copy into another share" "$(ask $n 1 'smuggle open')" served
	done
	expect 'RDMA is advertised' "$(ask moves 1 interfaces)" 1

	# names of shares are compared without regard to case
	mode=auto
	policy_apply SHARE auto
	for n in moves guest old rdma; do whole $n 1 served; done
	whole both 1 served
	whole both 2 served
	expect "$mode: refused" "$(policy_refused SHARE)" '0 0 0'

	mode=off
	policy_apply SHARE off
	whole rdma 1 denied
	whole both 2 denied
	for n in moves guest old; do whole $n 1 served; done
	whole both 1 served
	expect "$mode: RDMA is advertised over TCP" "$(ask moves 1 interfaces)" 0
	expect "$mode: RDMA is advertised over RDMA" "$(ask rdma 1 interfaces)" 0
	# of a chain whose CREATE is refused, ksmbd refuses the rest
	expect "$mode: refused" "$(policy_refused SHARE)" '32 0 0'
	expect "$mode: release over RDMA" "$(ask rdma 1 leave) $(ask both 2 leave)" 'left left'

	first=$(dmesg | sed -n 's/.*smbdirect: share SHARE: //p' | head -n 1)
	expect 'the line in the log' "$first" \
		'TREE_CONNECT over RDMA refused (smb direct = off), 1 refused in all'

	policy_apply SHARE auto
	expect 'entered again' "$(ask rdma 1 enter) $(ask both 1 enter)" 'entered entered'
	mode=required
	policy_apply SHARE required
	whole rdma 1 served
	whole both 2 served
	no_data moves 1
	no_data both 1
	whole guest 1 denied
	whole old 1 denied
	for n in moves guest rdma; do
		expect "$mode: RDMA is advertised: $n" "$(ask $n 1 interfaces)" 1
	done
	expect "$mode: refused" "$(policy_refused SHARE)" '32 26 20'
	# a copy of what cannot be read, asked on the tree of the other share
	expect "$mode: moves, a copy into another share" "$(ask moves 1 'smuggle open')" denied
	expect "$mode: rdma, a copy into another share" "$(ask rdma 1 'smuggle open')" served
	expect "$mode: refused" "$(policy_refused SHARE)" '32 27 20'
	for n in moves guest old rdma both; do
		expect "$mode: release: $n" "$(ask $n 1 leave)" left
	done
	at_most 'lines about the share in the log' "$(policy_lines SHARE)" $((1 + ($(now_ms) - t0) / 60000))

	# shares that were not applied by name: the default, with one count
	mode='off by default'
	put reset 1
	for n in rdma moves; do expect "reset: $n" "$(ask $n 1 enter)" entered; done
	put smb_direct off
	whole rdma 1 denied
	whole moves 1 served
	expect "$mode: refused" "$(policy_refused '*')" '16 0 0'
	expect "$mode: RDMA is advertised" "$(ask rdma 1 interfaces)" 0
	# one that was applied decides for itself
	policy_apply '*' off share auto
	whole rdma 1 served
	expect 'one that allows it: RDMA is advertised' "$(ask rdma 1 interfaces)" 1

	put reset 1
	for n in rdma moves; do expect "release: $n" "$(ask $n 1 leave)" left; done
	for n in moves guest old rdma both; do bye $n; done
	ip link delete eth8
}
