# SPDX-License-Identifier: GPL-2.0
# desc: each rule that a peer breaks is counted under its name, once, and its connection by its cause
# param: DEV = rxe siw
# deadline: 300
# files: build/lab/abi/smbdirect_abitest.ko tests/abi/guest.sh tests/abi/known-c-faults

. "$lib/count.sh"
. "$lib/counters.sh"

# case of the test module, and the kind of error that it makes once. (A key that is not
# registered cannot be among them: the software adapters end the connection themselves.)
EXPECTED="
badnego_short request_too_short
badnego_no_credits request_credits_zero
badnego_receive_127 request_receive_size
badnego_fragmented_131071 request_fragmented_size
badnego_version_high no_common_version
badserver_read_write_0 response_read_write_size
baddata_short_19 data_too_short
baddata_no_credits_requested data_credits_zero
baddata_offset_unaligned data_offset_unaligned
baddata_offset_beyond data_beyond_message
baddata_fragmented_one_over data_fragmented_size
baddata_ends_early data_ended_early
baddata_over_run data_fragment_overrun
baddata_more_than_announced data_more_than_announced"

run() {
	local before changes cases kinds n
	. "$MODULES/guest.sh"
	module_load smbdirect
	link_up "$DEV"
	cases=$(echo "$EXPECTED" | awk 'NF { printf "%s%s", s, $1; s = "," }')
	kinds=$(echo "$EXPECTED" | awk 'NF { print $2 " 1" }' | sort)
	n=$(echo "$kinds" | wc -l)
	before=$(counters_now)
	abi_run "$cases"
	changes=$(counted "$before")
	echo "$changes"
	expect 'kinds of errors, and how many' \
		"$(echo "$changes" | grep -E '^(request|response|data|unexpected|second|no_common|bad)_' | sort)" "$kinds"
	expect 'protocol errors' "$(by protocol_errors "$changes")" "$n"
	expect 'connections that ended for it' \
		$(($(by ended_protocol "$changes") + $(by failed_protocol "$changes"))) "$n"
	# the device is new, the module may not be
	expect 'of the device' "$(of "$SMBD/devices/${DEV}0/stats" protocol_errors)" "$n"
}
