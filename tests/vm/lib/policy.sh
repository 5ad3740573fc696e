# SPDX-License-Identifier: GPL-2.0
# What administrators set: configfs of the module, and smbdirectctl. Needs base.sh.

POLICY=/sys/kernel/config/smbdirect

# smbdirectctl as it is in $MODULES
ctl() { "$MODULES/smbdirectctl" "$@"; }

# policy_load [PARAMETER...] : the module, with configfs mounted.
policy_load() {
	module_load smbdirect "$@" || return 1
	configfs_mount || return 1
	[ -d $POLICY ] || die "the module made no $POLICY"
}

# put FILE VALUE : writes, relative to $POLICY.
put() { printf '%s\n' "$2" >"$POLICY/$1" || die "'$2' was refused by $1"; }

# holds FILE VALUE
holds() {
	local got
	got=$(<"$POLICY/$1")
	[ "$got" = "$2" ] || die "$1 is '$got', should be '$2'"
}

# not_put FILE ERROR VALUE : the write fails with that error, and nothing changes.
not_put() {
	local before said
	before=$(<"$POLICY/$1")
	! said=$( { printf '%s\n' "$3" >"$POLICY/$1"; } 2>&1) || die "$1 took '$3'"
	[[ $said == *"$2"* ]] || die "$1, '$3': $said, not '$2'"
	holds "$1" "$before"
}

# not_made DIRECTORY ERROR
not_made() {
	local said
	! said=$(mkdir "$POLICY/$1" 2>&1) || die "the directory $1 could be made"
	[[ $said == *"$2"* ]] || die "$1: $said, not '$2'"
}

# draft_remove NAME
draft_remove() {
	[ ! -d "$POLICY/$1/shares" ] || {
		find "$POLICY/$1/shares" -mindepth 1 -depth -type d -exec rmdir {} +
		rmdir "$POLICY/$1/shares"
	}
	rmdir "$POLICY/$1"
}

# in_force : all that is, one line for each file.
in_force() { (cd $POLICY && grep . smb_direct interfaces capabilities shares ./*_*); }
