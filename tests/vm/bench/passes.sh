# SPDX-License-Identifier: GPL-2.0
# The passes of the benchmark.

# In memory: each access to $OUT is a conversation with the host.
results=/tmp/results

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
	1m) echo 4 24 ;;
	64k) echo 16 80 ;;
	*) echo 32 160 ;;
	esac
}

# job TEST KIND OPERATIONS : one pass of fio, after those before it; KIND is
# warm, short or long
job() {
	cat <<-JOB
		[$2-$(wc -l <"$results/phases")]
		stonewall
		number_ios=$3
	JOB
	echo "$1 $2 $3" >>"$results/phases"
}

# fio_test rand-read-4k-d1, or signed-read-64k-d1; on a mount of its own. All
# passes are jobs of one fio.
fio_test() {
	local kind how size depth few many round first
	IFS=- read -r kind how size depth <<<"$1"
	read -r few many <<<"$(operations "$size")"
	first=$(wc -l <"$results/phases")
	{
		cat <<-JOB
			[global]
			filename=/mnt/data
			size=${FILE_MIB}m
			rw=rand$how
			bs=$size
			iodepth=${depth#d}
			ioengine=libaio
			direct=1
			randrepeat=1
			norandommap
			io_size=100g
			fallocate=none
			exec_prerun=/tmp/bench-op mark begin
			exec_postrun=/tmp/bench-op mark end
		JOB
		job "$1" warm "$many"
		for round in $(seq "$ROUNDS"); do
			job "$1" short "$few"
			job "$1" long "$many"
		done
	} >/tmp/jobs
	bench_mount "$([ "$kind" != signed ] || echo sign)"
	fio --output-format=json --output="$results/fio-$first.json" /tmp/jobs >/dev/null
	umount /mnt
}

# meta_test : 1,000 files; each pass after a new mount, so that nothing is
# answered from the client's caches.
meta_test() {
	local what round kind=warm files=1000
	for round in $(seq 0 "$ROUNDS"); do
		mkdir -m 777 "$SHARE_DIR/meta"
		for what in create stat readdir unlink; do
			bench_mount
			ls -d /mnt/meta >/dev/null
			/tmp/bench-op $what /mnt/meta $files
			echo "meta-$what $kind $files" >>"$results/phases"
			umount /mnt
		done
		rmdir "$SHARE_DIR/meta"
		kind=long
	done
}
