# SPDX-License-Identifier: GPL-2.0
# desc: the administrator's tutorial: each of its commands, in turn, prints what it says
# vms: 2
# param: DEV = rxe
# deadline: 900
# files: Documentation/admin.md build/ksmbd/policy/ksmbd.ko build/tool/smbdirectctl
#
# What it calls the server and the client are the two guests. What it says that is there
# beforehand is made by `prepare`.

prepare() {
	local updates m
	link_up "$DEV"
	# make install, make install-tools, and the peers beside the module
	updates=/lib/modules/$(uname -r)/updates
	mkdir -p "$updates"
	for m in smbdirect ksmbd cifs; do cp "$MODULES/$m.ko" "$updates/"; done
	depmod
	cp "$MODULES/smbdirectctl" /usr/sbin/
	# what systemd mounts
	modprobe configfs
	configfs_mount
	mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
	# a file system of its own, as a server would have
	mount -t tmpfs -o size=64M none /srv
	rm -rf /etc/ksmbd
	mkdir -p /etc/ksmbd
}

# differs LINE TEXT COMMAND... : a document made of these commands, with one line of output
# each, is found to be wrong at that line
differs() {
	local line=$1 text=$2 i said
	shift 2
	{ echo '```console'; for i in "$@"; do printf 'server# %s\n%s\n' "${i%%|*}" "${i#*|}"; done; echo '```'; } >/tmp/wrong.md
	! said=$(python3 "$lib/document.py" run /tmp/wrong.md server /tmp/wrong /tmp 2>&1) || die "a wrong document was right: $*"
	rm -f /tmp/wrong.[0-9]*
	[[ $said == "wrong.md:$line: $text"* ]] || die "a wrong document: $said"
}
# The one who looks must be able to see.
finds_what_is_wrong() {
	local different='prints something else than the document says'
	differs 3 "$different" 'echo a|b'
	differs 5 "$different" 'echo a b|a   b' 'echo a 17 s|a ... min'
	differs 3 "$different" 'true|a'
	differs 2 'exit status 1' 'echo 5; false|...'
	differs 4 "$different" 'printf "a\nb\n"|a'
}

follow() {
	finds_what_is_wrong
	prepare
	python3 "$lib/document.py" run "$MODULES/admin.md" "$1" "$sync_dir/$CASE_ID" "$OUT" || die 'the document is not right'
	# it undoes all that it has done
	for m in cifs ksmbd smbdirect; do
		! module_loaded $m || die "$m is still loaded"
	done
}

server() { follow server; }
client() { follow client; }
