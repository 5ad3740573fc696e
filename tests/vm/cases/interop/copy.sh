# SPDX-License-Identifier: GPL-2.0
# desc: server and client of either kind in two guests: files out and in, renamed, removed
# vms: 2
# modules: rust/rust rust/c c/rust c/c
# control: c/c
# param: DEV = rxe siw
# param: VERS = 3.0 3.0.2 3.1.1
# deadline: 200
# boot-group: two

. "$lib/count.sh"

# Sizes around what a packet, a fragment, a page and a registration hold.
sizes='0 1 1000 1364 4095 4096 4097 8192 65536 131073 1048576 3000001'

server() {
	module_load smbdirect
	expect 'smbdirect of the server' "$(smbdirect_kind)" "$SMBDIRECT"
	link_up "$DEV"
	ksmbd_start
	rm -rf "${SHARE_DIR:?}"/*
	tell up
	hear written 150 >"$OUT/written"
	(cd "$SHARE_DIR" && sha256sum f.*) >/tmp/here
	cmp /tmp/here "$sync_dir/$CASE_ID.written" ||
		die 'what the client wrote is not what lies on the server'
	mkdir "$SHARE_DIR/from-server"
	for n in $sizes; do random_file "$SHARE_DIR/from-server/g.$n" "$n"; done
	tell stored "$(cd "$SHARE_DIR/from-server" && sha256sum g.*)"
	hear finished 100 >/dev/null
	expect 'the files that the client removed' "$(ls "$SHARE_DIR" | grep -c '^f\.')" 0
	expect 'the file that the client renamed' \
		"$(stat -c %s "$SHARE_DIR/from-server/renamed")" 3000001
	if [ "$SMBDIRECT" = rust ]; then
		at_least 'bytes written by RDMA' "$(counter rdma_write_bytes)" 4000000
		at_least 'bytes read by RDMA' "$(counter rdma_read_bytes)" 4000000
	fi
}

client() {
	local n
	modules_load
	expect 'smbdirect of the client' "$(smbdirect_kind)" "$SMBDIRECT"
	link_up "$DEV"
	hear up 100 >/dev/null
	share_mount /mnt
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	rm -rf /tmp/in
	mkdir /tmp/in
	for n in $sizes; do random_file "/tmp/in/f.$n" "$n"; done
	cp /tmp/in/f.* /mnt/
	sync -f /mnt
	tell written "$(cd /tmp/in && sha256sum f.*)"
	hear stored >/tmp/stored
	# nothing of the client's own cache may answer
	umount /mnt
	share_mount /mnt
	(cd /mnt && sha256sum f.*) >/tmp/back
	(cd /tmp/in && sha256sum f.*) | cmp - /tmp/back
	(cd /mnt/from-server && sha256sum g.*) | cmp - /tmp/stored
	say "$(wc -l </tmp/back) files out, $(wc -l </tmp/stored) files in"
	rm /mnt/f.*
	mv /mnt/from-server/g.3000001 /mnt/from-server/renamed
	umount /mnt
	tell finished
}
