# SPDX-License-Identifier: GPL-2.0
# desc: RDMA reads that rxe completes with success although their data has not arrived: nothing of them gets into a file
# modules: rust c
# control: c
# param: DEV = rxe
# param: ROUNDS = 10
# deadline: 400
# files: build/lab/spoil/smbdirect_spoil.ko
#
# An answer that is out of order ends the queue pair, and the request completes with
# success all the same (rxe's check_ack gives it no status). Here the answers to the server's
# reads are spoiled on purpose (tests/spoil). The file has one letter throughout, and the
# client writes the other: whatever else is in it has not come from the client.

. "$lib/count.sh"

# one work request with either module: first, middle, last
SIZE=12288
answers=/sys/module/smbdirect_spoil/parameters/answers
file=$SHARE_DIR/file

letters() { head -c $SIZE /dev/zero | tr '\0' "$1"; }
foreign() { tr -d ab <"$file" | wc -c; }
# Until the writer has ended, and a moment longer, in which ksmbd may still write: how
# many bytes are neither letter, at worst. Sets $worst.
look() {
	local n
	n=$(foreign)
	[ "$n" -le "$worst" ] || { worst=$n; say "  $n bytes that are neither letter"; }
}
watch() {
	while kill -0 "$writer" 2>/dev/null; do
		look
		sleep 0.02
	done
	sleep 0.3
	look
}

run() {
	local round writer worst letter=b failures=0 bad=0
	modules_load
	link_up "$DEV"
	module_load smbdirect_spoil
	ksmbd_start
	share_mount /mnt cache=none,echo_interval=5
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	letters a >/tmp/a
	letters b >/tmp/b
	cp /tmp/a /mnt/file
	for ((round = 1; round <= ROUNDS; round++)); do
		echo 1 >$answers
		dd if=/tmp/$letter of=/mnt/file bs=$SIZE count=1 oflag=direct conv=notrunc 2>/tmp/dd &
		writer=$!
		worst=0
		watch
		[ $worst = 0 ] || bad=$((bad + 1))
		wait "$writer" || failures=$((failures + 1))
		expect 'answers that are still to be spoiled' "$(cat $answers)" 0
		# the client is there again, and not before
		cp /tmp/$letter /mnt/file
		cmp /tmp/$letter "$file"
		letter=$(echo $letter | tr ab ba)
	done
	say "$ROUNDS reads were spoiled; $failures writes had an error; after $bad of them other bytes were in the file"
	[ $bad = 0 ] || die 'bytes were wrong'
	umount /mnt
	rmmod smbdirect_spoil
}
