# SPDX-License-Identifier: GPL-2.0
# The policy of shares as ksmbd enforces it. The case names build/ksmbd/policy/ksmbd.ko
# among its files. Needs policy.sh.

# policy_enforced : with ksmbd loaded
policy_enforced() {
	policy_load
	[ -e /sys/module/ksmbd/parameters/smbdirect_policy ] || die 'this ksmbd does not ask for the policy of shares'
}

# policy_apply [SHARE MODE]... : these shares and nothing else are in force; the
# share * is the default
policy_apply() {
	local draft=$POLICY/case dir
	mkdir $draft $draft/shares
	while [ $# -ge 2 ]; do
		dir=$draft
		[ "$1" = '*' ] || { dir=$draft/shares/$1; mkdir "$dir"; }
		echo "$2" >"$dir/smb_direct"
		shift 2
	done
	put case/commit 1
	draft_remove case
}

# policy_refused SHARE : how often, "over_rdma over_tcp cannot_move"
policy_refused() { awk -v s="$1" '$1 == s { print $3, $4, $5 }' $POLICY/shares; }

# policy_lines SHARE : how many lines about it the kernel log has
policy_lines() { dmesg | grep -c "smbdirect: share $1: .* refused" || true; }
