# SPDX-License-Identifier: GPL-2.0
# desc: ABI: node types of plain, VLAN, bridge, bond, team and macvlan netdevs, DebugData
# modules: rust c
# control: c
# param: DEV = rxe siw
# deadline: 900
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

# lower NAME : a netdev with an RDMA device of its own
lower() {
	ip link add "$1" type dummy
	rdma link add "rdma_$1" type "$DEV" netdev "$1"
}

run() {
	. "$MODULES/guest.sh"
	link_up "$DEV"
	lower low1
	lower low2
	lower low3
	ip link add link "$NETDEV" name vlan9 type vlan id 9
	ip link add link "$NETDEV" name macvlan9 type macvlan
	ip link add br9 type bridge
	ip link set low1 master br9
	ip link add link br9 name brvlan9 type vlan id 9
	ip link add bond9 type bond
	ip link set low2 master bond9
	ip link add none9 type dummy
	set --
	if ip link add team9 type team && ip link set low3 master team9; then
		set -- dev_team=team9
	fi
	abi_run 'dev_*' dev_plain="$NETDEV" dev_vlan=vlan9 dev_bridge=br9 dev_bond=bond9 \
		dev_macvlan=macvlan9 dev_vlan_bridge=brvlan9 dev_none=none9 "$@"
	local i
	for i in 1 2 3; do rdma link delete "rdma_low$i"; done
	for i in brvlan9 br9 vlan9 macvlan9 bond9 team9 none9 low1 low2 low3; do
		ip link delete "$i" 2>/dev/null || true
	done
}
