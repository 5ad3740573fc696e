# SPDX-License-Identifier: GPL-2.0
# ksmbd and mounts.

SHARE_DIR=${SHARE_DIR:-/srv/share}
SMB_USER=tester SMB_PASSWORD=secret
ksmbd_conf=/run/lab/ksmbd.conf
ksmbd_users=/run/lab/ksmbd.users
ksmbd_log=/run/lab/ksmbd.log
export SHARE_DIR SMB_USER SMB_PASSWORD

# ksmbd_configure ["global line"...] : write the configuration; each argument is
# one more line of [global]. Note that ksmbd ignores unknown names silently. MULTICHANNEL=no
# switches multichannel off.
ksmbd_configure() {
	mkdir -p /run/lab "$SHARE_DIR"
	chmod 777 "$SHARE_DIR"
	{
		cat <<-CONF
			[global]
			netbios name = LAB
			server string = SMB Direct lab
			workgroup = LAB
			map to guest = bad user
			guest account = root
			server multi channel support = ${MULTICHANNEL:-yes}
			max connections = 0
		CONF
		printf '%s\n' "$@"
		cat <<-CONF
			[share]
			path = $SHARE_DIR
			read only = no
			browseable = yes
			guest ok = yes
			force user = root
			force group = root
			create mask = 0777
			directory mask = 0777
		CONF
	} >"$ksmbd_conf"
	rm -f "$ksmbd_users"
	ksmbd.adduser -C "$ksmbd_conf" -P "$ksmbd_users" -p "$SMB_PASSWORD" --add "$SMB_USER" >>"$ksmbd_log" 2>&1 ||
		{ cat "$ksmbd_log"; die 'ksmbd.adduser failed'; }
}

# ksmbd_start ["global line"...]
ksmbd_start() {
	module_load smbdirect && module_load ksmbd || return 1
	# the directory must not be on the overlay if it is to be a real filesystem
	if ! mountpoint -q "$SHARE_DIR"; then
		mkdir -p "$SHARE_DIR"
		mount -t tmpfs -o size=${SHARE_SIZE:-80%} share "$SHARE_DIR" || return 1
	fi
	ksmbd_configure "$@"
	ksmbd.mountd -C "$ksmbd_conf" -P "$ksmbd_users" -v >>"$ksmbd_log" 2>&1 ||
		{ cat "$ksmbd_log"; return 1; }
	wait_for 'ksmbd to listen' 20 ksmbd_listens
}
# In a slow kernel our server waits longer for a negotiate request than its 5 s, which
# begin when the connect request is there.
negotiate_patiently() {
	[ "$SMBDIRECT" = rust ] && [ "$PATIENCE" -gt 1 ] || return 0
	configfs_mount
	echo $((5 * PATIENCE)) >/sys/kernel/config/smbdirect/negotiate_timeout
}
ksmbd_listens() {
	[ -n "$(ss -Hltn 'sport = :445')" ]
}
ksmbd_runs() { pgrep -x ksmbd.mountd >/dev/null; }
ksmbd_gone() { ! ksmbd_runs && ! ksmbd_listens && [ "$(ps -eo comm | grep -c '^ksmbd-io\|^ksmbd:')" = 0 ]; }
ksmbd_stop() {
	module_loaded ksmbd || return 0
	ksmbd_runs || ksmbd_listens || return 0
	ksmbd.control --shutdown >>"$ksmbd_log" 2>&1 || true
	pkill -x ksmbd.mountd || true
	wait_for 'ksmbd to stop' 30 ksmbd_gone || return 1
}

# share_mount DIR [OPTIONS] : mount over RDMA; options are added to (and win
# over) the usual ones. SMB_PORT and SMB_HOST may be set.
share_mount() {
	local dir=$1 options=${2:-}
	module_load cifs || return 1
	mkdir -p "$dir"
	mount -t cifs "//${SMB_HOST:-$ADDR}/share" "$dir" -o \
		"rdma,username=$SMB_USER,password=$SMB_PASSWORD,vers=${VERS:-3.1.1}${SMB_PORT:+,port=$SMB_PORT}${options:+,$options}"
}
tcp_mount() {
	local dir=$1 options=${2:-}
	mkdir -p "$dir"
	mount -t cifs "//${SMB_HOST:-$ADDR}/share" "$dir" -o \
		"username=$SMB_USER,password=$SMB_PASSWORD,vers=${VERS:-3.1.1}${options:+,$options}"
}

cifs_mounts() {
	local device dir type rest
	while read -r device dir type rest; do
		[ "$type" != cifs ] || echo "$dir"
	done </proc/mounts
}
no_cifs_mounts() { [ -z "$(cifs_mounts)" ]; }
umount_all() {
	local dir
	for dir in $(cifs_mounts); do
		umount "$dir" 2>/dev/null || { fuser -k -m "$dir" >/dev/null 2>&1; sleep 0.5; umount "$dir" || umount -l "$dir"; }
	done
	no_cifs_mounts
}

# rdma_mounted DIR : is this mount really on RDMA?
rdma_mounted() { awk -v d="$1" '$2 == d && $3 == "cifs"' /proc/mounts | grep -q '[, ]rdma[, ]'; }
