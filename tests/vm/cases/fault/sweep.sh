# SPDX-License-Identifier: GPL-2.0
# desc: the n-th allocation or verbs call fails, n = 1, 2, ... until there are no more
# param: LIFE = connect message register read write release_client shutdown_client release_server
# param: DEV = rxe siw
# deadline: 900
# allow: page allocation failure -- that is what is tested
# allow: vmalloc error: -- the same
# files: build/lab/abi/smbdirect_abitest.ko build/lab/fault/smbdirect_fault.ko tests/fault/sweep.py

run() {
	local family=0 range
	[ "$DEV" = rxe ] || family=1
	module_load smbdirect
	link_up "$DEV"
	# where smbdirect.ko's functions are
	range=$(awk '$4 == "[smbdirect]" && tolower($2) == "t" { print $1 }' /proc/kallsyms | sort)
	insmod "$MODULES/smbdirect_fault.ko" start="0x$(head -n 1 <<<"$range")" \
		end="$(printf '0x%x' $(((0x$(tail -n 1 <<<"$range") | 0xfff) + 1)))"
	insmod "$MODULES/smbdirect_abitest.ko" addr="$ADDR" iwarp=$family slow=$((3 * PATIENCE)) cases=
	python3 "$MODULES/sweep.py" "fault_$LIFE" "$OUT/points" "${FIRST:-1}" ||
		die 'a fault was not handled, see above'
	rmmod smbdirect_abitest smbdirect_fault
}
