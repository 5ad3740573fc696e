# SPDX-License-Identifier: GPL-2.0
# Helpers shared by the lab scripts: messages, phase timing, cached builds.
# Sourced by bash scripts that have set $top to the top of the source tree.

set -euo pipefail

top=${top:?lib.sh: \$top is not set}
cache=${SMBDIRECT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/smbdirect}
jobs=${JOBS:-$(nproc)}

# Everything a person reads goes to stderr; stdout carries results (paths).
say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# key FILE... : a short hash over the contents of files and over $key_extra.
key() {
	{ cat -- "$@"; printf '%s\n' "${key_extra:-}"; } | sha256sum | cut -c1-12
}

# remove_tree DIR : also when the files belong to the mapped ids of a user
# namespace.
remove_tree() {
	[ -e "$1" ] || return 0
	if [ "$(id -u)" = 0 ]; then
		rm -rf --one-file-system -- "$1"
	else
		unshare --user --map-auto --map-root-user rm -rf --one-file-system -- "$1"
	fi
}

# with_progress LABEL LOG COMMAND... : run a long command with its output in
# LOG; show every ten seconds what it is doing, and the end of LOG if it fails.
with_progress() {
	local label=$1 log=$2 pid rc=0 t0=$SECONDS next=10
	shift 2
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.5
		if [ $((SECONDS - t0)) -ge "$next" ]; then
			next=$((next + 10))
			say "$(printf '   %-8s %3d s  %.90s' "$label" $((SECONDS - t0)) \
				"$(tail -n1 "$log" | tr -d '\r' | tr '\t' ' ')")"
		fi
	done
	wait "$pid" || rc=$?
	if [ "$rc" != 0 ]; then
		say "---- end of $log"
		tail -n "${fail_lines:-40}" "$log" >&2
		die "$label failed (exit status $rc), whole log: $log"
	fi
}

# timed LABEL STATE SECONDS : one line of the phase table; also appended to
# $LAB_TIMES when the caller collects them.
timed() {
	say "$(printf '== %-8s %-6s %4d s' "$1" "$2" "$3")"
	[ -z "${LAB_TIMES:-}" ] || printf '%s %s %s\n' "$1" "$2" "$3" >>"$LAB_TIMES"
}

# cached KIND KEY BUILDER [ARG...] : print the path of $cache/KIND/KEY; when it
# is not there, call `BUILDER TMPDIR ARG...` and rename TMPDIR into place (or fail
# if $LAB_ONLY_CACHED is set).
# Concurrent callers wait for each other; an aborted build leaves nothing that
# could be taken for a finished one.
cached() {
	local kind=$1 key=$2 builder=$3 dir tmp t0=$SECONDS
	shift 3
	dir=$cache/$kind/$key
	if [ ! -d "$dir" ]; then
		[ -z "${LAB_ONLY_CACHED:-}" ] || die "$kind is not built"
		mkdir -p "$cache/$kind" "$cache/lock" "$cache/log"
		(
			exec 9>"$cache/lock/$kind-$key"
			flock -n 9 || { say "   $kind: another run is building it, waiting"; flock 9; }
			[ ! -d "$dir" ] || exit 0
			for tmp in "$cache/$kind/.tmp.$key".*; do
				remove_tree "$tmp"
			done
			tmp=$(mktemp -d "$cache/$kind/.tmp.$key.XXXXXX")
			chmod 755 "$tmp"
			"$builder" "$tmp" "$@" >&2 9>&-
			mv -T "$tmp" "$dir"
		) || exit 1
		timed "$kind" built $((SECONDS - t0))
	else
		[ "${LAB_HITS:-}" = quiet ] || timed "$kind" cached 0
	fi
	printf '%s\n' "$dir"
}

# in_root ROOT [BIND...] -- COMMAND... : see scripts/lab/enter.
in_root() { "$top/scripts/lab/enter" "$@"; }
