# SPDX-License-Identifier: GPL-2.0
# desc: memory that is deregistered, and used again, while an answer to an RDMA READ of it waits in TCP
# vms: 2
# modules: c/c
# param: DEV = siw
# param: LEN = 131072
# deadline: 300
# files: build/lab/late/late.ko
#
# A fault of siw; no smbdirect is loaded. The client hears nothing of the server from
# before its READ until the server has deregistered the memory: what TCP still has to
# send must be gone then, or be what it was.
#
#	scripts/vm run --quiet tests/vm/siw-late.sh
#	scripts/vm run --quiet --param LEN=4000 tests/vm/siw-late.sh	siw copies so little: all is well
#	scripts/vm run --quiet --param DEV=rxe tests/vm/siw-late.sh	the READ fails, as it should

late=/sys/module/late/parameters

# what TCP has to send or to hear an acknowledgement for
queue() { ss -tnH 'sport = :4791'; }
queued() { [ "$DEV" != siw ] || [ "$(queue | awk '{ n += $3 } END { print n + 0 }')" -ge "$LEN" ]; }

server() {
	link_up "$DEV"
	module_load late lend="$ADDR"
	tell listens
	hear asked >/dev/null
	wait_for 'the whole answer to be in the queue of TCP' 20 queued
	say "TCP before: $(queue)"
	echo 1 >$late/act
	say "deregistered; mr $(rdma_count mr)"
	say "TCP after:  $(queue)"
	tell deregistered
	hear done 120 >/dev/null
	rmmod late
	tell gone
}

client() {
	local status after before what
	link_up "$DEV"
	modprobe -a sch_ingress cls_matchall act_gact || skip 'the kernel cannot drop what arrives'
	hear listens >/dev/null
	module_load late borrow="$ADDR" len="$LEN"
	tc qdisc add dev "$NETDEV" ingress
	tc filter add dev "$NETDEV" ingress matchall action drop
	echo 1 >$late/act
	sleep 1
	tell asked
	hear deregistered >/dev/null
	tc qdisc del dev "$NETDEV" ingress
	read -r status after before what <$late/result || die 'the READ does not end'
	tell done
	rmmod late
	hear gone >/dev/null
	say "RDMA READ: $what; $after of $LEN bytes are what was written after the memory was deregistered, $before what was there before"
	[ "$status" != 0 ] || [ "$before" = "$LEN" ] || die 'a READ has succeeded with what was not in the registered memory'
}
