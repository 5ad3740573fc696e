# SPDX-License-Identifier: GPL-2.0
# Loading the modules under test. Those in $MODULES (ours or the C smbdirect,
# ksmbd, cifs, siw) win over the ones that the distribution packaged.

MODULES=${MODULES:-/lab/share/modules/${VM:-a}}

module_loaded() { [ -e "/sys/module/${1//-/_}/initstate" ]; }

# configfs comes with rdma_cm, so with smbdirect.
configfs_mount() { mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config; }

# module_load NAME [PARAMETER...] : with what it depends on.
module_load() {
	local name=$1 dep deps
	shift
	! module_loaded "$name" || return 0
	if [ -e "$MODULES/$name.ko" ]; then
		deps=$(modinfo -F depends "$MODULES/$name.ko")
		for dep in ${deps//,/ }; do
			module_load "$dep" || return 1
		done
		insmod "$MODULES/$name.ko" "$@"
	else
		modprobe "$name" "$@"
	fi
}

# Soft dependencies that insmod does not know about.
modules_load() {
	local m
	for m in smbdirect ksmbd cifs; do
		module_load $m || return 1
	done
	for m in ccm gcm cmac hmac md5 sha256 sha512 aes nls_utf8 ecb; do
		modprobe -q $m || true
	done
}

# modules_unload : the whole stack; fails when something is still in use.
modules_unload() {
	local m
	for m in cifs ksmbd smbdirect; do
		! module_loaded $m || rmmod $m || return 1
	done
}

# smbdirect_kind : which smbdirect is loaded, asked of the module itself: only
# Rust code has symbols with such names. (No pipe: with pipefail, a reader that
# has seen enough makes it fail.)
smbdirect_kind() {
	awk '$4 == "[smbdirect]" && $3 ~ /^_R/ { rust = 1 }
	     END { print rust ? "rust" : "c" }' /proc/kallsyms
}
