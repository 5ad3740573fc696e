# SPDX-License-Identifier: GPL-2.0
# A directory tree of exactly 256 MiB: empty files, thousands of small ones of
# many sizes, some of medium size, one of 64 MiB; the contents are random.

# make_tree DIR : sets tree_files, tree_dirs and tree_bytes.
make_tree() {
	python3 - "$1" <<-'PY'
		import os, sys
		top, total = sys.argv[1], 256 << 20
		left = total
		def put(path, size):
		    global left
		    with open(os.path.join(top, path), "wb") as f:
		        done = 0
		        while done < size:
		            done += f.write(os.urandom(min(size - done, 1 << 20)))
		    left -= size
		for d in range(40):
		    os.makedirs(os.path.join(top, f"d{d % 8}/s{d}"))
		for i in range(20):
		    put(f"d{i % 8}/empty{i}", 0)
		for i in range(2000):
		    # 1 byte to 8 KiB, all residues, the inline limit among them
		    put(f"d{i % 8}/s{i % 40}/small{i}", 1 + i * 2654435761 % 8192)
		for i in range(120):
		    put(f"d{i % 8}/medium{i}", 65536 + i * 4099)
		for i in range(12):
		    put(f"d{i % 8}/large{i}", (4 << 20) + i * 4097 + 1)
		put("big", 64 << 20)
		i = 0
		while left:
		    put(f"rest{i}", min(left, 16 << 20))
		    i += 1
	PY
	tree_files=$(find "$1" -type f | wc -l)
	tree_dirs=$(find "$1" -type d | wc -l)
	tree_bytes=$(find "$1" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%d", n }')
}
