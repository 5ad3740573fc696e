# SPDX-License-Identifier: GPL-2.0
# Guests that die.

# crash_peer : the plug of the other guest is pulled, with no warning to anyone.
# It boots again and runs its half of the case from the start, with AGAIN=1 and
# with what it had in memory (its share, too) gone.
crash_peer() {
	local other=a
	[ "$VM" = b ] || other=b
	echo "<6>lab: crash $other" >/dev/kmsg
}

# pause_peer SECONDS : the other guest stands still for so long, and so does its
# clock; then it goes on as if nothing had been.
pause_peer() {
	local other=a
	[ "$VM" = b ] || other=b
	echo "<6>lab: pause $other $1" >/dev/kmsg
}
