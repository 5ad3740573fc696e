# SPDX-License-Identifier: GPL-2.0
# desc: configfs: every file, drafts, limits that take effect at once, config apply, rmmod
# param: DEV = rxe siw
# deadline: 300
# files: build/lab/hold/smbdirect_hold.ko build/tool/smbdirectctl

. "$lib/count.sh"
. "$lib/counters.sh"
. "$lib/memory.sh"
. "$lib/policy.sh"

# name, least, most; the last four of bytes
NUMBERS='max_connections 0 65536
max_connections_per_address 0 65536
max_half_open 8 192
receive_credits 8 1024
send_credits 8 1024
keepalive_interval 1 3600
negotiate_timeout 1 120
credit_timeout 1 300
max_send_size 512 8136
max_receive_size 512 8136
max_fragmented_size 131072 16777215
max_read_write_size 65536 16777216'
INVALID='Invalid argument' RANGE='Numerical result out of range'

# values DIRECTORY : the files that what is in force and drafts have, '' or 'NAME/'
values() {
	local name min max bad
	while read -r name min max; do
		holds "$1$name" default
		for bad in "$min" "$max"; do
			put "$1$name" "$bad"
			holds "$1$name" "$bad"
		done
		[ "$min" = 0 ] || not_put "$1$name" "$RANGE" $((min - 1))
		for bad in $((max + 1)) 4294967296 18446744073709551616 99999999999999999999999; do
			not_put "$1$name" "$RANGE" "$bad"
		done
		for bad in '' x -1 +9 010 0x10 "$max $max" "${max}s" 9T; do
			not_put "$1$name" "$INVALID" "$bad"
		done
		put "$1$name" default
		holds "$1$name" default
	done <<<"$NUMBERS"
	put "$1max_read_write_size" 1m
	holds "$1max_read_write_size" 1048576
	not_put "$1max_half_open" "$INVALID" 1K
	put "$1max_read_write_size" default

	holds "$1smb_direct" default
	for bad in auto off required default; do
		put "$1smb_direct" $bad
		holds "$1smb_direct" $bad
	done
	for bad in '' no on 'off off' defaults; do
		not_put "$1smb_direct" "$INVALID" "$bad"
	done

	put "$1interfaces" "  $NETDEV   !10.1.2.3 rxe* fd09::/64 "
	holds "$1interfaces" "$NETDEV !10.1.2.3 rxe* fd09::/64"
	for bad in '' a/b 10.0.0.1/8 '*a' '!' 10.9.0.1/33 "$(printf 'a\tb')"; do
		not_put "$1interfaces" "$INVALID" "$bad"
	done
	not_put "$1interfaces" "$RANGE" "$(printf 'a%.0s ' {1..65})"
	not_put "$1interfaces" "$RANGE" "$(printf 'abcdefghijklmnopqrstuvwxyz%.0s ' {1..40})"
	put "$1interfaces" default
	put "$1capabilities" "$NETDEV=rdma rxe*=none"
	holds "$1capabilities" "$NETDEV=rdma rxe*=none"
	for bad in '' eth1 eth1=both 10.9.0.1=rdma '!eth1=none'; do
		not_put "$1capabilities" "$INVALID" "$bad"
	done
	put "$1capabilities" default
	put "$1max_connections" 10
	say "ok: the files of '$1'"
}

drafts() {
	local before i
	values ''
	not_put max_connections_per_address "$INVALID" 11
	not_put reset "$INVALID" 2
	put reset 1
	holds max_connections default
	holds shares '* default 0 0 0'

	mkdir $POLICY/one
	before=$(in_force)
	values one/
	put one/smb_direct off
	put one/max_half_open 99
	not_made one/other 'Operation not permitted'
	mkdir $POLICY/one/shares $POLICY/one/shares/Data $POLICY/one/shares/ÄÖ "$POLICY/one/shares/a b"
	not_made one/shares/DATA 'File exists'
	not_made one/shares/äö 'File exists'
	not_made one/shares/'IPC$' "$INVALID"
	not_made one/shares/'*' "$INVALID"
	not_made one/shares/$'a\nb' "$INVALID"
	not_made "one/shares/$(printf 'a%.0s' {1..64})" 'File name too long'
	holds one/shares/Data/smb_direct default
	put one/shares/Data/smb_direct required
	not_put one/shares/Data/smb_direct "$INVALID" maybe
	rmdir "$POLICY/one/shares/a b"
	expect 'what is in force beside a draft' "$(in_force)" "$before"

	# all of it or nothing
	put one/max_connections_per_address 11
	not_put one/commit "$INVALID" 1
	expect 'what is in force after a failed commit' "$(in_force)" "$before"
	put one/max_connections_per_address 10
	not_put one/commit "$INVALID" 0
	put one/commit 1
	holds max_half_open 99
	holds max_connections 10
	holds max_connections_per_address 10
	# in the order of their folded names
	holds shares "* off 0 0 0
ÄÖ default 0 0 0
Data required 0 0 0"
	draft_remove one
	holds max_half_open 99

	# how many there may be
	for i in 1 2 3 4 5 6 7 8; do
		mkdir $POLICY/d$i
	done
	not_made d9 'No space left on device'
	mkdir $POLICY/d1/shares
	(cd $POLICY/d1/shares && seq -f s%g 1024 | xargs mkdir)
	not_made d1/shares/more 'No space left on device'
	put d1/commit 1
	[[ $(tail -n 1 $POLICY/shares) == 'and '*' more' ]] || die "the last line of shares is '$(tail -n 1 $POLICY/shares)'"
	mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
	expect 'shares in debugfs' "$(grep -c ' default 0 0 0$' /sys/kernel/debug/smbdirect/shares)" 1025
	for i in 1 2 3 4 5 6 7 8; do
		draft_remove d$i
	done
	put reset 1
	holds shares '* default 0 0 0'
}

refusals() { of $SMBD/failures "refused_$1"; }

# not_connected REASON : a connection is refused for it
not_connected() {
	local before
	before=$(refusals "$1")
	expect_fail "a connection ($1)" sh -c "echo connect 1 >$hold_command"
	expect "refused_$1" $(($(refusals "$1") - before)) 1
}

connected() {
	hold connect 1
	hold drop clients
	wait_for 'the connection to end' 30 no_connections
	hold drop servers
}

probes() { [ "$(total keepalives_sent)" -gt "$1" ]; }

limits_live() {
	local family=0 list before
	[ "$DEV" = rxe ] || family=1
	link_up "$DEV"
	hold_load addr="$ADDR" iwarp=$family
	hold listen
	put max_connections 2
	hold connect 2
	not_connected max_connections
	put max_connections_per_address 1
	not_connected max_connections_per_address
	put max_connections 0
	put max_connections_per_address 0
	hold connect 1
	hold drop clients
	wait_for 'the connections to end' 30 no_connections
	hold drop servers

	for list in "!$NETDEV" "!${DEV}0" "!$ADDR" '!10.9.0.0/16' eth77 10.8.0.0/16 "$NETDEV !$ADDR"; do
		put interfaces "$list"
		not_connected interface
	done
	dmesg | grep -qF 'no connections are taken on this interface' || die 'the log has no line for it'
	for list in "$NETDEV" "eth77 ${DEV}0" "${DEV}*" "!eth77 $ADDR" 10.9.0.0/16 '!fd09::/64' '*' default; do
		put interfaces "$list"
		connected
	done
	say 'ok: interfaces'

	# a server's connections; the one that is there keeps its 120 s
	hold connect 1
	before=$(total keepalives_sent)
	put keepalive_interval 1
	sleep 4
	expect 'keepalives of a connection that was there' $(($(total keepalives_sent) - before)) 0
	hold connect 1
	wait_for 'keepalives of a new connection' 20 probes "$before"
	hold drop clients
	wait_for 'the connections to end' 30 no_connections
	rmmod smbdirect_hold
	trap - EXIT
	put reset 1
	links_remove
}

tool() {
	local file=/tmp/policy.conf status=0
	cat >$file <<-'CONF'
		[global]
		smb direct = required
		server multi channel support = yes
		smb direct interfaces = eth9, !10.1.2.3 "rxe0;capability=RDMA"
		smb direct max read write size = 1M
		[Data Base]
		smb direct = off
		[plain]
		path = /srv
	CONF
	put keepalive_interval 7
	ctl config apply $file 2>/tmp/said || die "apply: $(cat /tmp/said)"
	grep -q 'ksmbd is not loaded' /tmp/said || die 'it was not said that ksmbd is not loaded'
	holds smb_direct required
	holds interfaces 'eth9 !10.1.2.3 rxe0'
	holds capabilities rxe0=rdma
	holds max_read_write_size 1048576
	holds keepalive_interval default
	holds shares '* required 0 0 0
Data Base off 0 0 0
plain default 0 0 0'
	ctl config diff $file || die 'what is in force is not what was applied'
	ctl config show >/tmp/shown
	grep -q 'smb direct = off' /tmp/shown || die "show: $(cat /tmp/shown)"
	[ -z "$(find $POLICY -mindepth 1 -type d)" ] || die "a draft is left: $(find $POLICY -mindepth 1 -type d)"

	# nothing, if anything is wrong
	printf '[%s]\n' plain 'IPC_$' >$file
	mkdir $POLICY/{a,b,c,d,e,f,g,h}
	ctl config apply $file 2>/tmp/said || status=$?
	expect 'status without a free draft' $status 6
	grep -q 'as many drafts' /tmp/said || die "$(cat /tmp/said)"
	rmdir $POLICY/{a,b,c,d,e,f,g,h}
	holds max_read_write_size 1048576
	ctl config apply $file 2>/dev/null
	holds max_read_write_size default

	module_load ksmbd
	printf '[global]\nsmb direct = off\n' >$file
	status=0
	if [ ! -e /sys/module/ksmbd/parameters/smbdirect_policy ]; then
		ctl config apply $file 2>/tmp/said || status=$?
		expect 'status without the hook' $status 7
		holds smb_direct default
	fi
	ctl config apply --unenforced $file || die 'apply --unenforced failed'
	holds smb_direct off
	rmmod ksmbd
}

unload() {
	mkdir -p $POLICY/draft/shares/data
	expect_fail 'rmmod beside a draft' rmmod smbdirect
	draft_remove draft
	put smb_direct required
	# a file that is still open neither keeps the module nor is its end
	exec 8<$POLICY/max_connections
	rmmod smbdirect || die 'smbdirect is still in use'
	! cat <&8 >/dev/null 2>&1 || die 'a file of a module that is gone can be read'
	exec 8<&-
	[ ! -e $POLICY ] || die "$POLICY is left"
	policy_load
	holds smb_direct default
	status=0
	rmmod smbdirect
	ctl config show >/dev/null 2>&1 || status=$?
	expect 'status of the tool without the module' $status 5
}

run() {
	policy_load
	drafts
	limits_live
	tool
	unload
}
