# SPDX-License-Identifier: GPL-2.0
# The passes of the benchmark.

# In memory: each access to $OUT is a conversation with the host.
results=/tmp/results
passes=0

bench_mount() {
	if [ "$TRANSPORT" = rdma ]; then
		share_mount /mnt "cache=none${1:+,$1}"
		rdma_mounted /mnt || die 'the mount does not use RDMA'
	else
		tcp_mount /mnt "cache=none${1:+,$1}"
		! rdma_mounted /mnt || die 'the mount uses RDMA'
	fi
}

# operations SIZE : in a short and in a long pass
operations() {
	case $1 in
	1m) echo 4 20 ;;
	64k) echo 16 80 ;;
	*) echo 32 160 ;;
	esac
}

# fio_jobs TEST : the passes of a test (rand-read-4k-d1, signed-read-64k-d1) as
# jobs of fio, one after the other. KIND is warm, short or long.
fio_jobs() {
	local how size depth few many kinds kind ops round
	IFS=- read -r _ how size depth <<<"$1"
	read -r few many <<<"$(operations "$size")"
	kinds=warm
	for round in $(seq "$ROUNDS"); do
		kinds+=' short long'
	done
	for kind in $kinds; do
		ops=$many
		[ "$kind" != short ] || ops=$few
		cat <<-JOB
			[$kind-$passes]
			stonewall
			rw=rand$how
			bs=$size
			iodepth=${depth#d}
			number_ios=$ops
			exec_prerun=/tmp/bench-op mark begin $([ "$kind" != warm ] || echo "$1")
		JOB
		passes=$((passes + 1))
		echo "$1 $kind $ops" >>"$results/phases"
	done
}

# fio_tests MOUNT-OPTIONS TEST... : all of them in one fio on one mount
fio_tests() {
	local options=$1 first=$passes test
	shift
	cat >/tmp/jobs <<-JOB
		[global]
		filename=/mnt/data
		size=${FILE_MIB}m
		ioengine=libaio
		direct=1
		randrepeat=1
		norandommap
		io_size=100g
		fallocate=none
		exec_postrun=/tmp/bench-op mark end
	JOB
	for test; do
		fio_jobs "$test" >>/tmp/jobs
	done
	bench_mount "$options"
	fio --output-format=json --output="$results/fio-$first.json" /tmp/jobs >/dev/null
	umount /mnt
}

# meta_tests : 1,000 files; each pass on a new mount, so that nothing is answered
# from the client's caches.
meta_tests() {
	local what round files=1000
	say meta
	for round in $(seq "$ROUNDS"); do
		mkdir -m 777 "$SHARE_DIR/meta"
		for what in create stat readdir unlink; do
			bench_mount ''
			ls -d /mnt/meta >/dev/null
			/tmp/bench-op $what /mnt/meta $files
			umount /mnt
			passes=$((passes + 1))
			echo "meta-$what long $files" >>"$results/phases"
		done
		rmdir "$SHARE_DIR/meta"
	done
}
