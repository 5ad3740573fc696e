# SPDX-License-Identifier: GPL-2.0
# desc: what a server is told about its shares; refusals are counted, traced and logged once a minute
# deadline: 120
# files: build/lab/policy/smbdirect_policytest.ko

. "$lib/policy.sh"

ASK=/sys/kernel/debug/smbdirect_policytest

# answers SHARE TEXT : mode, static key, whether RDMA is advertised
answers() {
	echo "$1" >$ASK/share
	expect "what is said about '$1'" "$(<$ASK/look)" "$2"
}
refuse() { echo "$1" >$ASK/share && echo "$2" >$ASK/refuse; }
said() { dmesg | grep -cF "smbdirect: share $1" || true; }

run() {
	local i trace=/sys/kernel/tracing
	policy_load
	mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
	trap 'rc=$?; rmmod smbdirect_policytest || rc=1; exit $rc' EXIT
	insmod "$MODULES/smbdirect_policytest.ko"
	answers data 'auto key 0 advertised 1'

	put smb_direct off
	answers data 'off key 1 advertised 0'
	answers 'ipc$' 'auto key 1 advertised 0'
	put smb_direct required
	answers data 'required key 1 advertised 1'
	put smb_direct auto
	answers data 'auto key 0 advertised 1'

	mkdir -p "$POLICY/d/shares/Straße 1" $POLICY/d/shares/data
	put 'd/shares/Straße 1/smb_direct' off
	put d/shares/data/smb_direct off
	put d/commit 1
	# as ksmbd folds it
	answers 'strasse 1' 'off key 1 advertised 0'
	answers data 'off key 1 advertised 0'
	answers other 'auto key 1 advertised 0'
	put d/shares/data/smb_direct default
	put d/smb_direct required
	put d/commit 1
	answers 'strasse 1' 'off key 1 advertised 1'
	answers data 'required key 1 advertised 1'
	answers other 'required key 1 advertised 1'
	# shares that were not applied by name must be able to move, too
	put d/shares/data/smb_direct off
	put d/commit 1
	answers other 'required key 1 advertised 1'
	put d/shares/data/smb_direct default
	put d/commit 1

	mountpoint -q $trace || mount -t tracefs none $trace
	echo 1 >$trace/events/smbdirect/smbd_policy_refused/enable
	for i in 1 2 3; do
		refuse data 1
	done
	refuse data 2
	refuse 'strasse 1' 0
	refuse other 1
	refuse "$(printf 'x%.0s' {1..200})" 2
	refuse $'e\033[2Jvil' 2
	echo 0 >$trace/events/smbdirect/smbd_policy_refused/enable
	expect 'refusals in the trace' "$(grep -c 'smbd_policy_refused:' $trace/trace)" 8
	grep -q 'share=data reason=cannot_move command=READ' $trace/trace || die "$(cat $trace/trace)"
	holds shares '* required 0 1 2
data default 0 3 1
Straße 1 off 1 0 0'
	dmesg | grep -qF 'smbdirect: share data: READ over TCP refused for 10.9.0.2 (smb direct = required), 1 refused in all' ||
		die "the line is not as documented: $(dmesg | grep 'smbdirect: share')"
	expect 'lines about data' "$(said 'data: ')" 1
	# (what is not ASCII is written in escapes)
	expect 'lines about Straße 1' \
		"$(dmesg | grep -cF ': READ over RDMA refused (smb direct = off), 1 refused in all')" 1
	expect 'lines about shares without a policy of their own' "$(said 'other: ')$(said x)$(said e)" 100

	# counts stay with the name
	put d/smb_direct off
	put d/commit 1
	refuse data 0
	holds shares '* off 0 1 2
data default 1 3 1
Straße 1 off 1 0 0'
	rmdir $POLICY/d/shares/data
	put d/commit 1
	holds shares '* off 0 1 2
Straße 1 off 1 0 0'
	draft_remove d
	put reset 1
	answers 'strasse 1' 'auto key 0 advertised 1'
}
