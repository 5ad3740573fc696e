# SPDX-License-Identifier: GPL-2.0
# desc: TCP connections that are reset before siw takes them over: siw's listener goes, and is used when it is gone
#
# A fault of siw, shown with either module. The guest may crash, so this is no case of
# the tests: scripts/vm run --kernel sanitized --smbdirect c tests/vm/siw-reset.sh

run() {
	modules_load
	link_up siw
	ksmbd_start
	python3 - "$ADDR" <<-'EOF' || die 'the listener is gone'
		import socket, struct, sys

		def connect():
		    s = socket.create_connection((sys.argv[1], 5445), 5)
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		    return s

		for i in range(300):
		    try:
		        connect().close()
		    except ConnectionRefusedError:
		        sys.exit(f"refused after {i} connections")
		print("siw still listens")
	EOF
}
