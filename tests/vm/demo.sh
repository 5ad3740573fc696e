# SPDX-License-Identifier: GPL-2.0
# desc: files over SMB Direct in one guest, with proof that RDMA carried them
# modules: rust c
# memory: 2560
# deadline: 780
#
# make demo [PEER=c]. Everything is shown as it happens; the summary at the end
# fits on a screen. Nothing here presumes which smbdirect.ko is loaded.

. /lab/share/guest/demo-tree.sh

title() { printf '\n\033[1m=== %s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@" 2>&1 | sed 's/^/  /'; }
declare -A took
clock() { took[$1]=$(($(now_ms) - $2)); }
secs() { printf '%d.%d s' $((took[$1] / 1000)) $((took[$1] / 100 % 10)); }
rate() { awk -v b="$tree_bytes" -v ms="${took[$1]}" 'BEGIN { printf "%.1f MiB/s", b / 1048.576 / (ms + 1) }'; }
ours() { [ -e /sys/kernel/debug/smbdirect/stats ]; }

# Bytes that TCP port 445 and (as a check of the method) nothing else moved.
tcp_watch() {
	nft -f - <<-NFT
		table inet lab {
			chain out {
				type filter hook output priority 0;
				meta l4proto tcp tcp dport 445 counter
				meta l4proto tcp tcp sport 445 counter
			}
		}
	NFT
}
tcp_bytes() { nft list table inet lab | grep -oE 'bytes [0-9]+' | awk '{ n += $2 } END { print n + 0 }'; }

# The kernel is the distribution's: compare with the sums in its package.
stock_kernel() {
	local release list sum path good=0
	release=$(uname -r)
	cat /var/lib/dpkg/info/linux-{binary,modules,image}-"$release".md5sums 2>/dev/null |
		grep -E "/vmlinuz$|/(rdma_rxe|ib_core|rdma_cm|ib_uverbs|iw_cm)\.ko|boot/vmlinuz" >/tmp/stock
	while read -r sum path; do
		[ "$(md5sum <"/$path" | cut -d' ' -f1)" = "$sum" ] || die "/$path differs from the package"
		good=$((good + 1))
	done </tmp/stock
	[ "$good" -ge 4 ] || die 'the files of the kernel package cannot be checked'
	package=$(dpkg-query -W -f '${Package} ${Version}' "linux-image-$release")
	say "  stock package $package: $good files (kernel image, rdma_cm, rdma_rxe ...) have the packaged checksums"
}

progress_pid=''
progress() {
	local dir=$1 label=$2
	(
		set +eE
		trap - ERR
		while sleep 5; do
			printf '  %s: %s MiB of %s, %s files and directories of %s\n' "$label" \
				"$(df --output=used -m "$dir" | tail -n1 | tr -d ' ')" $((tree_bytes >> 20)) \
				"$(df --output=iused "$dir" | tail -n1 | tr -d ' ')" $((tree_files + tree_dirs))
		done
	) &
	progress_pid=$!
}
progress_end() { kill "$progress_pid" 2>/dev/null; wait "$progress_pid" 2>/dev/null || true; }

few_connections() { [ "$(rdma_count qp)" -le "$1" ]; }
# Memory that four more connections take; queues of the RDMA device, which
# rxe keeps in vmalloc memory, are shown apart.
kib_per_connection() {
	local before after n=4 i qps
	qps=$(rdma_count qp)
	before=$(snapshot)
	for i in $(seq $n); do share_mount "/many/$i" nosharesock; done
	after=$(snapshot)
	for i in $(seq $n); do umount "/many/$i"; done
	wait_for 'the extra connections to go' 30 few_connections "$qps" || true
	per_connection=$((($(growth slab "$before" "$after") + $(growth other "$before" "$after")) / n))
	of_it_vmalloc=$(($(growth vmalloc "$before" "$after") / n))
}

# The connections that carry data, one line each.
connections() {
	awk '/^connection/ { if (line) print line; line = /CONNECTED/ ? $0 ":" : "" }
	     line && /(inline|rdma)_.*bytes|messages_sent/ && $2 { line = line " " $1 "=" $2 }
	     END { if (line) print line }' /sys/kernel/debug/smbdirect/connections
}

run() {
	local t0 start stats accounted='' i
	start=$(now_ms)
	title "Kernel and modules"
	show uname -srv
	stock_kernel
	modules_load
	show modinfo "$MODULES/smbdirect.ko" | grep -vE '^  (sig|name:|\s)' | cut -c1-150
	for i in ksmbd cifs; do
		say "  $i.ko: built from the unmodified kernel source, needs: $(modinfo -F depends "$MODULES/$i.ko")"
	done
	show sh -c "lsmod | grep -E '^(Module|smbdirect|ksmbd|cifs|rdma_cm) '"

	title "Soft-RoCE device, server, mount"
	link_up rxe
	show rdma link
	tcp_watch
	ksmbd_start
	t0=$(now_ms)
	share_mount /mnt
	clock mount "$t0"
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	show sh -c "grep ' cifs ' /proc/mounts | cut -c1-200"
	packets0=$(hw_counter rxe0 sent_pkts)

	title "256 MiB in mixed files"
	mkdir -p /scratch
	mount -t tmpfs -o size=80% scratch /scratch
	mkdir /scratch/tree
	t0=$(now_ms)
	make_tree /scratch/tree
	clock make "$t0"
	say "  $tree_files files in $tree_dirs directories, $((tree_bytes >> 20)) MiB, from 0 bytes to 64 MiB ($(secs make))"
	(cd /scratch/tree && sums . >/tmp/sums.source)

	title "Copy in: to the share over RDMA"
	progress "$SHARE_DIR" in
	t0=$(now_ms)
	cp -r /scratch/tree /mnt/tree
	sync -f /mnt
	clock in "$t0"
	progress_end
	say "  $(secs in), $(rate in)"
	sums "$SHARE_DIR/tree" >/tmp/sums.server
	cmp /tmp/sums.source /tmp/sums.server || die 'files on the server differ'
	say "  SHA-256 of all $tree_files files on the server: equal"

	title "Copy out: back from the share, after a new mount"
	umount /mnt
	share_mount /mnt
	mkdir /scratch/back
	rm -rf /scratch/tree
	progress /scratch out
	t0=$(now_ms)
	cp -r /mnt/tree /scratch/back/
	clock out "$t0"
	progress_end
	say "  $(secs out), $(rate out)"
	sums /scratch/back/tree >/tmp/sums.back
	cmp /tmp/sums.source /tmp/sums.back || die 'files that came back differ'
	say "  SHA-256 of all $tree_files files that came back: equal"

	title "Proof"
	tcp_rdma=$(tcp_bytes)
	say "  TCP port 445: $tcp_rdma bytes"
	packets=$(($(hw_counter rxe0 sent_pkts) - packets0))
	show sh -c 'rdma statistic show link rxe0/1 | tr " " "\n" | paste -sd" " | fold -s -w 110'
	say "  RDMA packets sent: $packets"
	[ "$packets" -gt $((2 * tree_bytes / 4200)) ] || die 'too few RDMA packets for the data'
	if ours; then
		show connections
		show sh -c "grep -E 'bytes|active' /sys/kernel/debug/smbdirect/stats"
		rdma_placed=$(($(stat_value rdma_read_bytes) + $(stat_value rdma_write_bytes)))
		accounted="; the module's own: $(($(stat_value memory_bytes) >> 10)) KiB, both ends"
		stats="$rdma_placed bytes placed by RDMA read and write, $(stat_value inline_sent_bytes) sent inline"
		[ "$rdma_placed" -ge "$tree_bytes" ] || die 'our module moved fewer bytes than there are'
	else
		stats='not available (the C module has no counters)'
	fi
	[ "$tcp_rdma" = 0 ] || die "TCP port 445 carried $tcp_rdma bytes"
	kib_per_connection
	say "  memory: $per_connection KiB per mounted connection, $of_it_vmalloc KiB of it vmalloc (device queues)"
	say '  (both ends with SMB session and device, by difference over 4 connections)'
	! ours || say "  by the module's own accounting: $(stat_value memory_bytes) bytes, $(stat_value connections_active) connections"

	title "Clean end"
	umount /mnt
	tcp_mount /mnt
	cp "$SHARE_DIR/tree/big" /tmp/over-tcp
	dd if=/mnt/tree/big of=/dev/null bs=1M count=1 2>/dev/null
	umount /mnt
	tcp_control=$(tcp_bytes)
	rm -f /tmp/over-tcp
	[ "$tcp_control" -gt 1000000 ] || die 'the TCP counter does not count'
	say "  control: the same counter saw $tcp_control bytes when 1 MiB was read without -o rdma"
	ksmbd_stop
	wait_for 'RDMA resources to be released' 20 rdma_idle
	show rdma resource show
	rmmod cifs ksmbd
	rmmod smbdirect
	! module_loaded smbdirect || die 'smbdirect is still loaded'
	link_down rxe0
	say '  share unmounted, ksmbd stopped, cifs, ksmbd and smbdirect unloaded, no RDMA resource left'
	clock total "$start"

	title "Summary"
	cat <<-TEXT
		  kernel          $(uname -r), $package (stock)
		  module          smbdirect.ko, $([ "$SMBDIRECT" = rust ] && echo 'ours, in Rust' || echo "the kernel's own, in C")
		  device          rxe0 (soft-RoCE), mounted in $(secs mount)
		  files           $tree_files files, $((tree_bytes >> 20)) MiB, SHA-256 equal on the server and after coming back
		  copied in       $(secs in)   $(rate in)
		  copied out      $(secs out)   $(rate out)
		  over RDMA       $packets packets; $stats
		  over TCP 445    $tcp_rdma bytes (control: $tcp_control bytes for 1 MiB without rdma)
		  memory          $per_connection KiB per connection, both ends with session and device queues$accounted
		  afterwards      nothing left: RDMA resources 0, modules unloaded
		  time            $(secs total) in the guest
	TEXT
}
