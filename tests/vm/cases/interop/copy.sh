# SPDX-License-Identifier: GPL-2.0
# desc: server and client of either kind in two guests, SMB 3.0 to 3.1.1: files out and in, renamed, removed
# vms: 2
# modules: rust/rust rust/c c/rust c/c
# control: c/c
# param: DEV = rxe siw
# deadline: 300
# boot-group: two

. "$lib/count.sh"

versions='3.0 3.0.2 3.1.1'
declare -A dialect=([3.0]=0x300 [3.0.2]=0x302 [3.1.1]=0x311)

# Sizes around what a packet, a fragment, a page and a registration hold.
sizes='0 1 1000 1364 4095 4096 4097 8192 65536 131073 1048576 3000001'

# files PREFIX DIR : one of each size, every one different.
files() {
	local n
	rm -rf "${2:?}"
	mkdir -p "$2"
	for n in $sizes; do random_file "$2/$1.$n" "$n"; done
}

# The client wrote f.*, reads and changes what we put into from-server.
serve() {
	local v=$1 share=$SHARE_DIR
	rm -rf "${share:?}"/*
	tell "$v.up"
	hear "$v.written" 100 >/dev/null
	(cd "$share" && sha256sum f.*) | cmp - "$sync_dir/$CASE_ID.$v.written" ||
		die "SMB $v: what the client wrote is not what lies on the server"
	files g "$share/from-server"
	tell "$v.stored" "$(cd "$share/from-server" && sha256sum g.*)"
	hear "$v.finished" 100 >/dev/null
	expect "SMB $v: files that the client has left" "$(find "$share" -name 'f.*' | wc -l)" 0
	expect "SMB $v: the file that the client renamed" \
		"$(stat -c %s "$share/from-server/renamed")" 3000001
}

server() {
	local v
	module_load smbdirect
	expect 'smbdirect of the server' "$(smbdirect_kind)" "$SMBDIRECT"
	link_up "$DEV"
	ksmbd_start
	for v in $versions; do serve "$v"; done
	if [ "$SMBDIRECT" = rust ]; then
		at_least 'bytes written by RDMA' "$(counter rdma_write_bytes)" 12000000
		at_least 'bytes read by RDMA' "$(counter rdma_read_bytes)" 12000000
	fi
}

use() {
	local v=$1
	hear "$v.up" 100 >/dev/null
	VERS=$v share_mount /mnt
	rdma_mounted /mnt || die 'the mount does not use RDMA'
	grep -q "Dialect ${dialect[$v]}" /proc/fs/cifs/DebugData || die "the mount does not speak SMB $v"
	cp /tmp/in/f.* /mnt/
	sync -f /mnt
	tell "$v.written" "$(cd /tmp/in && sha256sum f.*)"
	hear "$v.stored" 100 >/tmp/stored
	# nothing of the client's own cache may answer
	umount /mnt
	VERS=$v share_mount /mnt
	(cd /mnt && sha256sum f.*) >/tmp/back
	cmp /tmp/back "$sync_dir/$CASE_ID.$v.written"
	(cd /mnt/from-server && sha256sum g.*) | cmp - /tmp/stored
	say "SMB $v: $(wc -l </tmp/back) files out, $(wc -l </tmp/stored) files in"
	rm /mnt/f.*
	mv /mnt/from-server/g.3000001 /mnt/from-server/renamed
	umount /mnt
	tell "$v.finished"
}

client() {
	local v
	modules_load
	expect 'smbdirect of the client' "$(smbdirect_kind)" "$SMBDIRECT"
	link_up "$DEV"
	files f /tmp/in
	for v in $versions; do use "$v"; done
}
