# SPDX-License-Identifier: GPL-2.0
# Network and RDMA devices. One guest: a dummy interface; two guests: the
# virtio cable between them. $ADDR is the server's address, $ADDR6 its IPv6 one.

if [ "${ROLE:-single}" = single ]; then
	NETDEV=eth9
else
	NETDEV=eth0
fi
ADDR=10.9.0.1 ADDR6=fd09::1
case ${ROLE:-single} in
client) OWN_ADDR=10.9.0.2 OWN_ADDR6=fd09::2 OTHER_ADDR=$ADDR ;;
*) OWN_ADDR=$ADDR OWN_ADDR6=$ADDR6 OTHER_ADDR=10.9.0.2 ;;
esac
export NETDEV ADDR ADDR6

net_up() {
	if [ "$NETDEV" = eth9 ]; then
		[ -e /sys/class/net/eth9 ] || ip link add eth9 type dummy || return 1
	else
		modprobe virtio_net || return 1
		wait_for 'the network interface' 10 test -e /sys/class/net/eth0 || return 1
	fi
	ip link set "$NETDEV" mtu 9000 up || return 1
	ip addr replace "$OWN_ADDR/24" dev "$NETDEV"
	ip -6 addr replace "$OWN_ADDR6/64" dev "$NETDEV" nodad
}

# link_up KIND [NAME] : KIND is rxe (RoCE) or siw (iWARP).
link_up() {
	local kind=$1 name=${2:-${1}0}
	net_up || return 1
	case $kind in
	rxe) module_load rdma_rxe ;;
	siw) module_load siw ;;
	*) die "no such RDMA device kind: $kind" ;;
	esac || return 1
	module_load rdma_cm && modprobe rdma_ucm || return 1
	rdma link add "$name" type "$kind" netdev "$NETDEV" || return 1
	wait_for "$name to become active" 10 link_active "$name"
}
link_active() { rdma link show "$1/1" | grep -q 'state ACTIVE'; }
link_down() { rdma link delete "${1:-rxe0}"; }
links_remove() {
	local link rc=0
	[ -e /sys/class/infiniband ] || return 0
	for link in $(rdma link show 2>/dev/null | sed -n 's/^link \([^/]*\).*/\1/p'); do
		rdma link delete "$link" || rc=1
	done
	ip link delete eth9 2>/dev/null
	[ "$NETDEV" = eth9 ] || ip addr flush dev "$NETDEV"
	return $rc
}

# rdma_count KIND : how many cm_id, qp, cq, pd or mr exist on all devices.
rdma_count() {
	rdma resource show 2>/dev/null |
		awk -v kind="$1" '{ for (i = 1; i < NF; i++) if ($i == kind) n += $(i + 1) } END { print n + 0 }'
}
# One QP, CQ and PD per port belong to the MAD layer: what counts is cm_id and
# mr, and queue pairs of kernel users.
rdma_idle() {
	[ -e /sys/class/infiniband ] || return 0
	[ "$(rdma_count cm_id)" = 0 ] && [ "$(rdma_count mr)" = 0 ]
}
