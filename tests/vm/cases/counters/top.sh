# SPDX-License-Identifier: GPL-2.0
# desc: smbdirectctl top shows latencies of mounts at work, says why if it cannot, and leaves no tracing behind
# param: DEV = rxe
# deadline: 400
# memory: 1536
# files: build/tool/smbdirectctl

T=/sys/kernel/tracing
as=()
# top STEP... -- ARGUMENT... : on a terminal
top() {
	local steps=()
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	python3 "$lib/screen.py" 100 26 "${steps[@]}" -- "${as[@]}" /tmp/smbdirectctl top "$@" || die "top: ${steps[*]}"
}
has="run=[ -d $T/instances/smbdirectctl-\$PID ]"
gone="run=[ ! -e $T/instances/smbdirectctl-\$PID ]"

run() {
	local some='[0-9.]+ [mµ]?s' worker
	install -m 755 "$MODULES/smbdirectctl" /tmp/smbdirectctl
	modules_load
	link_up "$DEV"
	mountpoint -q $T || mount -t tracefs none $T
	ksmbd_start
	share_mount /mnt cache=none
	head -c 1M /dev/urandom >/mnt/file
	while [ ! -e /tmp/over ]; do dd if=/mnt/file of=/dev/null bs=256k iflag=direct status=none; done &
	worker=$!

	# both ends are here; of the one that is selected a line
	top "see=10 s: server $some/$some, client $some/$some" "see=RDMA latency: median $some, 99 % $some" show= "$has" \
		type=l 'miss=10 s: ' "$gone" 'see=all: ' \
		type=l "see=10 s: server $some/$some" "$has" type=q end=0 "$gone" --
	top "see=10 s: server" "$has" 'run=kill -TERM $PID' end=0 "$gone" --
	top 'see=all: ' 'miss=10 s: ' "$gone" type=l 'see=10 s: ' type=q end=0 -- --no-latency
	# somebody else
	as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	top 'see=RDMA latency: no tracing' 'see=permission denied; only root' 'see=RDMA in use: yes' show= type=q end=0 --
	as=()

	touch /tmp/over
	wait $worker
	umount /mnt
	ksmbd_stop
	# the module goes
	top 'see=10 s: nothing yet' 'run=rmmod ksmbd cifs && rmmod smbdirect' 'see=smbdirect.ko' show= type=q end=0 "$gone" --
}
