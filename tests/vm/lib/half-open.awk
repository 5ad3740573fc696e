# SPDX-License-Identifier: GPL-2.0
# What became of half-open connections, from a recording of the tracepoints smbd_arrival,
# smbd_negotiated, smbd_fail and smbd_closed (trace_clock mono): "name value" lines.
#
#   arrived          connections of a listener
#   negotiated       of these, those that were accepted
#   left             those of which the recording has neither that nor an end
#   at_once          the most that were half-open at one time, ...
#   at_once_of_one   ... and from one address
#   children         the same with those that are being torn down
#   longest_ms       the longest that one was half-open
#   teardown_ms      the longest that one took to be torn down then
#   ended_CAUSE      how many ended how

function field(name,   i) {
	for (i = 1; i <= NF; i++)
		if (index($i, name "=") == 1)
			return substr($i, length(name) + 2)
}
function ms(from, to) { return int((to - from) * 1000) }
function leave(c) {
	now--
	of_one[host[c]]--
	delete born[c]
}
match($0, / smbd_[a-z]+: /) {
	event = substr($0, RSTART + 6, RLENGTH - 8)
	at = substr($0, 1, RSTART - 1)
	sub(/^.* /, "", at)
	at += 0
	c = field("conn")
}
event == "arrival" {
	from = field("peer")
	sub(/:[0-9]*$/, "", from)
	born[c] = at
	host[c] = from
	arrived++
	if (++now > at_once)
		at_once = now
	if (++of_one[from] > at_once_of_one)
		at_once_of_one = of_one[from]
	if (++alive > children)
		children = alive
}
event == "negotiated" && c in born {
	negotiated++
	alive--
	leave(c)
}
event == "fail" && c in born {
	if (ms(born[c], at) > longest)
		longest = ms(born[c], at)
	ended[field("cause")]++
	failed[c] = at
	leave(c)
}
event == "closed" && c in failed {
	if (ms(failed[c], at) > teardown)
		teardown = ms(failed[c], at)
	delete failed[c]
	alive--
}
{ event = "" }
END {
	print "arrived " arrived + 0
	print "negotiated " negotiated + 0
	print "left " now + 0
	print "at_once " at_once + 0
	print "at_once_of_one " at_once_of_one + 0
	print "children " children + 0
	print "longest_ms " longest + 0
	print "teardown_ms " teardown + 0
	for (cause in ended)
		print "ended_" cause " " ended[cause]
}
