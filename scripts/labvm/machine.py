# SPDX-License-Identifier: GPL-2.0
"""One QEMU: start it, follow its two consoles, stop it."""

import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time


def die_with_parent():
    """Run in the child: the kernel kills it when the runner is gone, however."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Tail:
    """New complete lines of a growing file."""

    def __init__(self, path):
        self.path, self.pos, self.rest = path, 0, b""

    def lines(self, final=False):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.pos)
                data = f.read()
        except FileNotFoundError:
            return []
        self.pos += len(data)
        *done, self.rest = (self.rest + data).split(b"\n")
        if final and self.rest:
            done.append(self.rest)
            self.rest = b""
        return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", d.decode("utf-8", "replace").rstrip("\r"))
                for d in done]


# Without "enhanced rep movsb" and "fast short rep movs" the kernel and the C library
# copy and clear by words. Otherwise QEMU takes a step, and icount an instruction, for
# each byte: 4,096 for every page cleared, of which ksmbd takes 1,500 for one stat.
CPU = "max,-erms,-fsrm"


class Machine:
    """A guest. `kernel` yields lines of the kernel log, `script` those that
    guest scripts print; both are merged into `log` with the seconds since
    power-on."""

    def __init__(self, name, lab, share, rundir, *, memory=1024, smp=2, icount=False,
                 link=None, append="", interactive=False):
        self.name, self.lab, self.share, self.rundir = name, lab, share, rundir
        self.memory, self.smp, self.icount = memory * lab.memory, smp, icount
        self.link, self.append, self.interactive = link, append, interactive
        self.process = None
        self.started = None
        self.kernel = Tail(os.path.join(rundir, f"{name}.ttyS0"))
        self.script = Tail(os.path.join(rundir, f"{name}.hvc0"))
        self.log = open(os.path.join(rundir, f"{name}.console.log"), "a", encoding="utf-8")

    def command(self):
        """The QEMU command line."""
        if self.icount:
            # Guest time is the number of guest instructions executed, and idle
            # time is skipped: figures do not depend on the host. With "awake" it is
            # not, so that the guest's deadlines are good for what it waits for.
            sleep = "on" if self.icount == "awake" else "off"
            accel = ["-accel", "tcg,thread=single", "-icount", f"shift=0,sleep={sleep}", "-smp", "1"]
        else:
            # One host thread for all virtual CPUs. With one each, the kernel's
            # patching of its own code (static keys) crashes now and then: an
            # int3 that another CPU has just removed is still in QEMU's
            # translation. It costs no speed when two guests run at a time.
            accel = ["-accel", "tcg,thread=single", "-smp", str(self.smp)]
        # (no_timer_check: on a busy host the kernel finds that timer interrupts do not come in time, and panics)
        cmdline = (
            f"console=ttyS0 loglevel=5 panic=-1 lab.name={self.name} mitigations=off no_timer_check"
            " printk.devkmsg=on log_buf_len=8M net.ifnames=0 watchdog_thresh=60"
            " rcupdate.rcu_cpu_stall_timeout=120 random.trust_cpu=on" + self.lab.append + " " + self.append)
        cmd = ["qemu-system-x86_64", *accel, "-cpu", CPU, "-m", str(self.memory),
               "-nodefaults", "-no-reboot", "-display", "none",
               "-kernel", self.lab.kernel, "-initrd", self.lab.initramfs,
               "-append", cmdline,
               "-fsdev", f"local,id=root,path={self.lab.root},security_model=none,readonly=on,multidevs=remap",
               "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
               "-fsdev", f"local,id=share,path={self.share},security_model=none,multidevs=remap",
               "-device", "virtio-9p-pci,fsdev=share,mount_tag=share",
               "-device", "virtio-serial-pci"]
        if self.interactive:
            cmd += ["-chardev", "stdio,id=tty,mux=on,signal=off", "-serial", f"file:{self.kernel.path}",
                    "-device", "virtconsole,chardev=tty", "-mon", "chardev=tty,mode=readline"]
        else:
            cmd += ["-serial", f"file:{self.kernel.path}", "-monitor", "none",
                    "-qmp", f"unix:{self._qmp()},server=on,wait=off",
                    "-chardev", f"file,id=hvc0,path={self.script.path}",
                    "-device", "virtconsole,chardev=hvc0"]
        if self.link:
            # A cable between two guests: datagrams over unix sockets. It has
            # no connection, so that either end may vanish and come back.
            here, there = self.link
            cmd += ["-netdev", f"dgram,id=cable,local.type=unix,local.path={here},"
                               f"remote.type=unix,remote.path={there}",
                    "-device", f"virtio-net-pci,netdev=cable,host_mtu=9000,mac=52:54:00:5d:00:0{1 + ord(self.name) - 97}"]
        if os.geteuid() != 0:
            # See the mapped owners of the root as the guest must see them.
            cmd = ["unshare", "--user", "--map-auto", "--map-root-user", "--kill-child", *cmd]
        return cmd

    def start(self):
        for tail in (self.kernel, self.script):
            if os.path.exists(tail.path):
                os.unlink(tail.path)
            tail.pos, tail.rest = 0, b""
        if self.link and os.path.exists(self.link[0]):
            os.unlink(self.link[0])
        self.started = time.monotonic()
        err = open(os.path.join(self.rundir, f"{self.name}.qemu.log"), "ab")
        self.process = subprocess.Popen(
            self.command(), stdin=None if self.interactive else subprocess.DEVNULL,
            stdout=None if self.interactive else err, stderr=err,
            start_new_session=not self.interactive, preexec_fn=die_with_parent)
        err.close()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def _qmp(self):
        return os.path.join(self.rundir, f"{self.name}.qmp")

    def tell(self, command):
        """Have QEMU do something: `stop` freezes the guest and its clock, `cont`
        lets it go on."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self._qmp())
            with s.makefile("rw", encoding="utf-8") as f:
                f.readline()
                for what in ("qmp_capabilities", command):
                    f.write(json.dumps({"execute": what}) + "\n")
                    f.flush()
                    # events may come before the answer
                    while "return" not in (said := json.loads(f.readline())):
                        if "error" in said:
                            raise RuntimeError(f"QEMU refuses {what}: {said['error'].get('desc')}")

    def poll(self):
        """New lines as (channel, text), kernel log first."""
        final = not self.alive()
        out = [("kernel", line) for line in self.kernel.lines(final)]
        out += [("script", line) for line in self.script.lines(final)]
        now = time.monotonic() - self.started
        for channel, line in out:
            self.log.write(f"{now:8.2f} {'|' if channel == 'script' else ' '} {line}\n")
        if out:
            self.log.flush()
        return out

    def kill(self):
        """Power off at once, as if the plug were pulled."""
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def qemu_error(self):
        """What QEMU itself complained about."""
        try:
            with open(os.path.join(self.rundir, f"{self.name}.qemu.log"), encoding="utf-8",
                      errors="replace") as f:
                return f.read().strip()
        except FileNotFoundError:
            return ""

    def close(self):
        self.kill()
        self.log.close()


def require_qemu():
    if not shutil.which("qemu-system-x86_64"):
        raise SystemExit("error: qemu-system-x86_64 is missing: run scripts/lab/host-setup")
