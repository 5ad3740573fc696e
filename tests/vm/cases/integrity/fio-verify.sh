# SPDX-License-Identifier: GPL-2.0
# desc: fio writes random blocks of 512 B to 8 MiB from several jobs, depth 1 to 32, and verifies them
# modules: rust
# param: DEV = rxe siw
# param: CACHE = none strict
# deadline: 400
# boot-group: integrity-a
# memory: 1536

# fio puts a header into each block that it verifies: 512 bytes is as small as it
# goes; any-size.sh has the smaller and the odd sizes.
job_file() {
	cat <<-JOBS
		[global]
		directory=/mnt
		ioengine=libaio
		fallocate=none
		rw=randwrite
		verify=crc32c
		verify_fatal=1
		do_verify=1
		bsrange=512-8m
		random_generator=tausworthe64
		[depth1]
		ioengine=psync
		size=12m
		[depth8]
		iodepth=8
		size=12m
		[depth32]
		iodepth=32
		size=16m
		[small32]
		bsrange=512-16k
		iodepth=32
		size=1m
		numjobs=2
	JOBS
}

run() {
	modules_load
	link_up "$DEV"
	ksmbd_start 'smbd max io size = 8388608'
	rm -rf "${SHARE_DIR:?}"/*
	share_mount /mnt "cache=$CACHE"
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	job_file >/tmp/jobs
	fio --output-format=json --output="$OUT/fio.json" /tmp/jobs ||
		{ tail -n 50 "$OUT/fio.json"; die 'fio found something wrong'; }
	python3 - "$OUT/fio.json" <<-'PY'
		import json, sys
		for job in json.load(open(sys.argv[1]))["jobs"]:
		    w, r = job["write"], job["read"]
		    print(f'{job["jobname"]}: {w["total_ios"]} writes, {r["total_ios"]} blocks verified,'
		          f' {w["io_bytes"] >> 10} and {r["io_bytes"] >> 10} KiB, error {job["error"]}')
		    if job["error"] or r["io_bytes"] != w["io_bytes"] or not r["io_bytes"]:
		        raise SystemExit("not everything that was written was verified")
	PY
	umount /mnt
}
