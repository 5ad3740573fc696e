# SPDX-License-Identifier: GPL-2.0
#
# Entry for users and developers. The kernel's build system reads Kbuild.
#
#   make                     build smbdirect.ko in the lab (see Documentation/)
#   make KDIR=<build tree>   build it against a kernel build tree on this machine
#   make help                everything else

BUILD ?= build
export BUILD := $(abspath $(BUILD))

.DEFAULT_GOAL := module
.PHONY: module ksmbd lab lab-update prepare-kernel install tools install-tools test test-long test-sanitized fuzz check fmt vm demo \
	bench rust-analyzer clean distclean help

KVER ?= $(shell uname -r)
KTREE ?= $(BUILD)/kernel-$(KVER)

ifdef KDIR
# --- against a build tree on this machine, without the lab ---------------------
kdir := $(abspath $(KDIR))
kcc = $(shell sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\).*/\1/p' $(kdir)/.config)

module:
	@scripts/check-kdir $(kdir)
	@mkdir -p $(BUILD)/module
	$(MAKE) -C $(kdir) M=$(CURDIR) MO=$(BUILD)/module CC=$(kcc) modules
	@cp $(BUILD)/module/smbdirect.ko $(BUILD)/smbdirect.ko
	@echo "built $(BUILD)/smbdirect.ko"

# ksmbd with the policy of shares; the tree needs the kernel's sources.
ksmbd: module
	ksmbd/build $(kdir) $(BUILD)/module/Module.symvers $(BUILD)/ksmbd/policy
	@echo "built $(BUILD)/ksmbd/policy/ksmbd.ko"

install: module
	$(MAKE) -C $(kdir) M=$(CURDIR) MO=$(BUILD)/module CC=$(kcc) modules_install
else
module: lab
	@cp "$$(scripts/lab/module)" $(BUILD)/smbdirect.ko
	@echo "built $(BUILD)/smbdirect.ko"

ksmbd: lab
	@scripts/lab/ksmbd

install:
	@echo "make install needs KDIR=<build tree>; make prepare-kernel makes one" >&2; exit 1
endif

# A tree for the running kernel (or KVER=) from the distribution's source package.
prepare-kernel:
	scripts/prepare-kernel --release $(KVER) --out $(KTREE)
	@echo "now: make KDIR=$(KTREE)"

# smbdirectctl and mount.smbdirect with man pages and shell completion, in $(BUILD)/tool.
tools:
	@scripts/lab/tool

PREFIX ?= /usr
install-tools: tools
	install -D -m 755 $(BUILD)/tool/smbdirectctl $(DESTDIR)$(PREFIX)/sbin/smbdirectctl
	install -D -m 755 $(BUILD)/tool/mount.smbdirect $(DESTDIR)$(PREFIX)/sbin/mount.smbdirect
	for page in $(BUILD)/tool/man/*.[578]; do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; done
	install -D -m 644 tools/systemd/smbdirect-config.service \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/smbdirect-config.service
	install -D -m 644 $(BUILD)/tool/completion/smbdirectctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/smbdirectctl
	install -D -m 644 $(BUILD)/tool/completion/_smbdirectctl \
		$(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_smbdirectctl
	install -D -m 644 $(BUILD)/tool/completion/smbdirectctl.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/smbdirectctl.fish

# --- the lab ------------------------------------------------------------------
lab:
	@scripts/lab/host-setup
	@LAB_HITS=quiet scripts/lab/peers >/dev/null

# Take the kernel and the packages that the distribution offers today.
lab-update:
	scripts/lab/clean root
	@$(MAKE) --no-print-directory lab

# (builds what it needs itself, so that its table of times has everything)
test:
	@scripts/lab/host-setup
	@scripts/run-tests $(CASE)

# Everything: all cases with the runs of the C module, the sanitizer kernel, an
# hour of fuzzing. Takes many hours.
test-long:
	@scripts/lab/host-setup
	@rc=0; scripts/run-tests --full || rc=1; \
	scripts/run-tests --kernel sanitized || rc=1; \
	FUZZ_SECONDS=$(or $(FUZZ_SECONDS),3600) scripts/fuzz || rc=1; exit $$rc

# Coverage-guided fuzzing of the protocol core on the host; FUZZ_SECONDS of
# processor time over all targets.
fuzz:
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz

# In a kernel with KASAN, lockdep, kmemleak and faults on purpose.
test-sanitized:
	@scripts/lab/host-setup
	@scripts/run-tests --kernel sanitized $(CASE)

vm: lab
	@scripts/vm shell --smbdirect $(or $(SMBDIRECT),rust) $(if $(DEV),--param DEV=$(DEV))

demo: lab
	@scripts/vm run --quiet --smbdirect $(or $(PEER),rust) --out $(BUILD)/demo tests/vm/demo.sh

bench: lab
	@scripts/bench

# --- for developers -------------------------------------------------------------
check:
	@scripts/check

fmt:
	@scripts/check-format --fix

rust-analyzer: lab
	@scripts/rust-project

clean:
	rm -rf $(BUILD) rust-project.json

distclean: clean
	scripts/lab/clean all

help:
	@echo 'make                    build $(BUILD)/smbdirect.ko for the lab kernel'
	@echo 'make KDIR=<tree>        build it against a kernel build tree on this machine'
	@echo 'make ksmbd [KDIR=...]   build ksmbd with the policy of shares'
	@echo 'make prepare-kernel     make such a tree for the running kernel (KVER=...)'
	@echo 'make install KDIR=...   install the module for that kernel'
	@echo 'make tools              smbdirectctl, mount.smbdirect, man pages and shell completion, in $(BUILD)/tool'
	@echo 'make install-tools      install them (DESTDIR=, PREFIX=/usr)'
	@echo 'make demo               files over SMB Direct in a virtual machine (PEER=c: the C module)'
	@echo 'make bench              compare with the C module and with TCP'
	@echo 'make test               host tests and the quick tier; CASE="interop/* smoke" some of all'
	@echo 'make test-long          everything, in hours: all cases, the sanitizer kernel, fuzzing'
	@echo 'make fuzz               fuzz the protocol core on the host (FUZZ_SECONDS=600)'
	@echo 'make test-sanitized     in a kernel with KASAN, lockdep, kmemleak and faults on purpose (CASE=)'
	@echo 'make check              format, lints, layers, exports, host tests'
	@echo 'make vm                 shell in a guest (SMBDIRECT=c, DEV=siw)'
	@echo 'make fmt                format the sources'
	@echo 'make rust-analyzer      write rust-project.json'
	@echo 'make lab-update         rebuild the lab with the packages of today'
	@echo 'make clean, distclean   remove build output; and the cache of the lab'
