# SPDX-License-Identifier: GPL-2.0
# desc: 1 to 10 % of the packets are lost and some come out of order, both ways
# vms: 2
# modules: rust/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: ROUNDS = 3 100
# deadline: 8000
# boot-group: outside
#
# The network is bad for two to four seconds a round; it was good before and is so
# after it, so every round also has a connection that has to notice both.

. "$lib/outside.sh"

# What arrives goes through an ifb device. At the sender's own queue a lost packet is
# a failure that rxe hears of, and it ends the queue pair: also QP 1, over which all
# connections are made, and which then stays in the error state.
IFB=ifb-netem
netem_prepare() {
	rm -f /tmp/dropped
	net_up
	modprobe -a sch_netem ifb act_mirred cls_matchall sch_ingress || skip 'the kernel has no netem or no ifb'
	ip link add $IFB mtu 9000 type ifb
	ip link set $IFB up
	tc qdisc add dev "$NETDEV" ingress
}

# netem LOSS REORDER
netem_on() {
	tc qdisc replace dev $IFB root netem delay 2ms loss "$1%" reorder "$2%" 50% limit 10000
	tc filter add dev "$NETDEV" ingress matchall action mirred egress redirect dev $IFB
}
netem_off() {
	local dropped
	tc filter del dev "$NETDEV" ingress
	dropped=$(tc -s qdisc show dev $IFB | sed -n 's/.*(dropped \([0-9]*\),.*/\1/p' | head -n 1)
	say "  $ROLE: $dropped packets dropped"
	echo $((dropped + $(cat /tmp/dropped 2>/dev/null || echo 0))) >/tmp/dropped
	# what is still held back
	sleep 0.2
	tc qdisc del dev $IFB root
}
netem_worked() { at_least "$ROLE: packets lost over all" "$(cat /tmp/dropped)" "$1"; }

server() {
	netem_prepare
	outside_server
}
client() {
	netem_prepare
	outside_begin
	writers_begin
	rounds fault
	netem_worked "$ROUNDS"
	on_server netem_worked "$ROUNDS"
	writers_stop
	outside_end
}
fault() {
	local loss reorder
	between 1 10; loss=$drawn
	between 1 25; reorder=$drawn
	say "  loss $loss %, reordering $reorder %"
	on_server netem_on $loss $reorder
	netem_on $loss $reorder
	moment 2000 4000
	netem_off
	on_server netem_off
}
