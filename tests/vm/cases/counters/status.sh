# SPDX-License-Identifier: GPL-2.0
# desc: what smbdirectctl says is what the files say; check names what is broken
# param: DEV = rxe siw
# deadline: 400
# files: build/tool/smbdirectctl

. "$lib/count.sh"
. "$lib/memory.sh"
. "$lib/counters.sh"
. "$lib/policy.sh"

# checked EXIT [SERVER] : what check finds
checked() {
	local want=$1 rc=0
	shift
	ctl check "$@" >/tmp/checked || rc=$?
	[ "$rc" = "$want" ] || { cat /tmp/checked; die "check $* gives $rc, should be $want"; }
	say "ok: check $* gives $want ($(sed -n 's/^First fault: //p' /tmp/checked))"
}
# in_use EXIT REASON : what status says
in_use() {
	local rc=0
	ctl status --json >/tmp/status.json || rc=$?
	expect 'exit status of status' "$rc" "$1"
	expect 'reason' "$(python3 -c 'import json; print(json.load(open("/tmp/status.json"))["reason"])')" "$2"
}
none_shown() { [ -z "$(ls $SMBD/connections)" ]; }

run() {
	local fault n=24 size=65536
	[ "$DEV" = rxe ] || fault=5445
	policy_load
	link_up "$DEV"
	# where the tool looks for it
	mkdir -p /etc/ksmbd
	# modprobe would load the distribution's ksmbd
	checked 31
	in_use 1 no_consumer
	ksmbd_start
	cp "$ksmbd_conf" /etc/ksmbd/ksmbd.conf
	module_load cifs
	ctl check || die 'check finds a fault where there is none'
	checked 0
	checked 0 "$ADDR"
	checked 52 127.0.0.1
	in_use 1 no_connection

	share_mount /mnt cache=none
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	random_file /tmp/in $((n * size))
	dd if=/tmp/in of=/mnt/file bs=$size count=$n oflag=direct status=none
	dd if=/mnt/file of=/tmp/out bs=$size count=$n iflag=direct status=none
	cmp /tmp/in /tmp/out
	in_use 0 connected
	ctl status
	ctl status --json >"$OUT/status.json"
	ctl metrics >"$OUT/metrics.prom"
	python3 "$lib/ctlcheck.py" "$MODULES/smbdirectctl" $((n * size))
	timeout 5 "$MODULES/smbdirectctl" status --watch 1 >/tmp/watched || true
	grep -q 'op/s' /tmp/watched || die 'there are no rates'
	umount /mnt
	wait_for 'the connections to go' 30 none_shown
	in_use 1 no_connection

	# one thing after the other is broken
	ip link set "$NETDEV" down
	checked 22
	in_use 1 no_port
	ip link set "$NETDEV" up
	wait_for 'the port' 10 link_active "${DEV}0"
	ip addr replace "$OWN_ADDR/24" dev "$NETDEV"
	ip addr flush dev "$NETDEV"
	checked 25
	ip -6 addr replace "$OWN_ADDR6/64" dev "$NETDEV" nodad
	checked 26
	ip addr replace "$OWN_ADDR/24" dev "$NETDEV"
	checked 0
	sed -i '/multi channel/d' /etc/ksmbd/ksmbd.conf
	checked 41
	cp "$ksmbd_conf" /etc/ksmbd/ksmbd.conf
	nft add table inet lab
	nft add chain inet lab input '{ type filter hook input priority 0; }'
	if [ "$DEV" = rxe ]; then
		nft add rule inet lab input udp dport 4791 drop
	else
		nft add rule inet lab input tcp dport $fault reject
	fi
	checked 44
	nft delete table inet lab
	checked 0
	if [ "$DEV" = rxe ]; then
		# a datagram that rxe cannot send ends QP 1; a ping fills the queue
		modprobe sch_netem
		tc qdisc add dev "$NETDEV" root netem delay 60s limit 1
		ip neigh replace 10.9.0.77 lladdr 02:00:00:00:00:4d dev "$NETDEV"
		ping -q -c 1 -W 1 10.9.0.77 || true
		mkdir -p "$POLICY/probes/lost"
		put probes/lost/address 10.9.0.77
		put probes/lost/run 1
		rmdir "$POLICY/probes/lost" "$POLICY/probes"
		checked 27
		tc qdisc del dev "$NETDEV" root
		checked 27 "$ADDR"
		link_down "${DEV}0"
		link_up "$DEV"
		checked 0
	fi
	ksmbd_stop
	checked 33
	# somebody else takes the port
	python3 -c 'import socket, time
s = socket.create_server(("", 445)); open("/tmp/taken", "w").close(); time.sleep(60)' &
	wait_for 'the port to be taken' 20 test -e /tmp/taken
	checked 32
	kill $!
	wait $! || true
	link_down "${DEV}0"
	checked 20
	in_use 1 no_device
	rmmod ksmbd cifs
	rmmod smbdirect
	# the lab's is not below /lib/modules
	checked 12
	in_use 1 no_module
	ctl metrics | grep -q '^smbdirect_module_info{module="none"} 1$' || die 'metrics without the module'
}
