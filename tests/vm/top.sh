# SPDX-License-Identifier: GPL-2.0
# desc: smbdirectctl top in a terminal while two mounts over RDMA are at work, recorded for scripts/top-picture
# param: DEV = rxe
# memory: 1536
# deadline: 300
# files: build/tool/smbdirectctl

load() {
	local dir=$1
	shift
	fio --name=load --directory="$dir" --size=8M --direct=1 --ioengine=psync --time_based --runtime=60 \
		"$@" >/tmp/fio.log 2>&1 || true
}

run() {
	modules_load
	link_up "$DEV"
	ksmbd_start
	share_mount /mnt/one cache=none
	share_mount /mnt/two cache=none,nosharesock
	load /mnt/one --rw=read --bs=1M &
	load /mnt/two --rw=randrw --bs=64k --rate_process=poisson --rate=3m &
	python3 "$lib/screen.py" 100 26 keep="$OUT/top.ansi" pass=45 keep= type=q end=0 -- "$MODULES/smbdirectctl" top ||
		die 'top ended badly'
	pkill -x fio || true
	wait
	umount /mnt/one /mnt/two
}
