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

# netem LOSS REORDER
netem_on() {
	tc qdisc replace dev "$NETDEV" root netem delay 2ms loss "$1%" reorder "$2%" 50% limit 10000
}
netem_off() {
	local dropped
	dropped=$(tc -s qdisc show dev "$NETDEV" | sed -n 's/.*(dropped \([0-9]*\),.*/\1/p' | head -n 1)
	tc qdisc del dev "$NETDEV" root
	say "  $ROLE: $dropped packets dropped"
	echo $((dropped + $(cat /tmp/dropped 2>/dev/null || echo 0))) >/tmp/dropped
}
netem_worked() { at_least "$ROLE: packets lost over all" "$(cat /tmp/dropped)" "$1"; }

server() {
	rm -f /tmp/dropped
	modprobe sch_netem || skip 'the kernel has no netem'
	outside_server
}
client() {
	rm -f /tmp/dropped
	modprobe sch_netem || skip 'the kernel has no netem'
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
