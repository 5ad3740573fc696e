# SPDX-License-Identifier: GPL-2.0
# Guest side of the conformance cases: a server, and the peer as its client.

# A second interface, which has no RDMA device, for the cases with two channels.
PEER_SECOND=10.9.8.1

peer_server() {
	link_up "$DEV"
	ip link show eth8 >/dev/null 2>&1 || ip link add eth8 type dummy
	ip link set eth8 up
	ip addr replace "$PEER_SECOND/24" dev eth8
	ksmbd_start "$@"
	if [ "$DEV" = siw ]; then
		wait_for 'ksmbd to listen for iWARP' 20 peer_listens 5445
	else
		wait_for 'ksmbd to listen for RoCE' 20 peer_listens 445
	fi
}
peer_listens() { rdma resource show cm_id 2>/dev/null | grep -q "state LISTEN.*:$1\b"; }

# peer_run [OPTION...] PATTERN... : run cases; fails if one fails.
peer_run() {
	local rc=0
	"$MODULES/smbd-peer" run --server "$ADDR" --second "$PEER_SECOND" --verbose \
		--json "$OUT/conformance.json" --messages "$OUT" \
		--label "module=$(smbdirect_kind)" --label "device=$DEV" --label "kernel=$(uname -r)" \
		"$@" || rc=$?
	ip link delete eth8 || true
	[ $rc = 0 ] || die "cases of the peer failed (exit status $rc), see above"
}

# peer_client [OPTION...] PATTERN... : the kernel's client against the peer as its
# server; fails if a case fails.
peer_client() {
	local rc=0
	modules_load
	link_up "$DEV"
	mkdir -p /mnt/peer
	"$MODULES/smbd-peer" client --address "$ADDR" --mount /mnt/peer --verbose \
		--json "$OUT/conformance.json" --messages "$OUT" \
		--label "module=$(smbdirect_kind)" --label "device=$DEV" --label "kernel=$(uname -r)" \
		"$@" || rc=$?
	[ $rc = 0 ] || die "cases of the peer failed (exit status $rc), see above"
}
