# SPDX-License-Identifier: GPL-2.0
# desc: a directory with 5,000 entries: listed, looked up, changed
# modules: rust
# param: DEV = rxe siw
# deadline: 300
# boot-group: integrity-b
# memory: 1536

run() {
	modules_load
	link_up "$DEV"
	ksmbd_start
	rm -rf "${SHARE_DIR:?}"/*
	mkdir "$SHARE_DIR/many"
	# names of 8 to 200 characters, sizes of 0 to 4,999
	python3 - "$SHARE_DIR/many" <<-'PY'
		import os, sys
		for i in range(5000):
		    name = f"entry{i:04d}" + "x" * (i % 7 * 30)
		    with open(os.path.join(sys.argv[1], name), "wb") as f:
		        f.truncate(i)
	PY
	# Sizes of all come with the listing. Under emulation it takes longer than
	# the second for which the client believes them: it would ask 5,000 times.
	share_mount /mnt actimeo=600
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	# -f: as the server sends them; then names, sizes and types of all
	[ "$(ls -f /mnt/many | grep -c entry)" = 5000 ] || die 'entries are missing from the listing'
	find /mnt/many -type f -printf '%f %s\n' | LC_ALL=C sort >/tmp/there
	find "$SHARE_DIR/many" -type f -printf '%f %s\n' | LC_ALL=C sort >/tmp/here
	cmp /tmp/there /tmp/here || die 'names or sizes differ'
	say "$(wc -l </tmp/there) entries, $(wc -c </tmp/there) bytes of names and sizes"
	# one by one, without what the listing has told
	umount /mnt
	share_mount /mnt
	python3 - /mnt/many "$SHARE_DIR/many" <<-'PY'
		import os, random, sys
		top, server = sys.argv[1:]
		for name in random.Random(5).sample(sorted(os.listdir(server)), 200):
		    size = os.stat(f"{top}/{name}").st_size
		    if size != int(name[5:9]):
		        raise SystemExit(f"FAILED: {name} has {size} bytes")
		    try:
		        os.stat(f"{top}/{name}.not")
		        raise SystemExit(f"FAILED: {name}.not exists")
		    except FileNotFoundError:
		        pass
		for i in range(100):
		    with open(f"{top}/new{i}", "wb") as f:
		        f.write(b"n" * i)
		for i in range(0, 100, 2):
		    os.rename(f"{top}/new{i}", f"{top}/renamed{i}")
		for i in range(1, 100, 2):
		    os.unlink(f"{top}/new{i}")
	PY
	expect 'entries on the server' "$(ls "$SHARE_DIR/many" | wc -l)" 5050
	expect 'renamed entries that the client sees' "$(find /mnt/many -name 'renamed*' | wc -l)" 50
	umount /mnt
}
