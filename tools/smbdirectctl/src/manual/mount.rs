// SPDX-License-Identifier: GPL-2.0

//! `mount.smbdirect(8)`.

use super::page::Page;
use crate::mount::{FAILED, SYSTEM, USAGE};

/// The page.
pub fn page() -> String {
    let mut page = Page::new("mount.smbdirect", 8);
    page.section("Name");
    page.text("mount.smbdirect - mount a share over SMB Direct if the server takes it");
    page.section("Synopsis");
    page.code(&[
        "mount -t smbdirect //SERVER/SHARE DIRECTORY [-o rdma=auto|required|off,...]",
        "mount.smbdirect //SERVER/SHARE DIRECTORY [-fnsvrw] [-o OPTIONS]",
    ]);
    page.section("Description");
    page.text("mount(8) calls it for the type smbdirect. It finds out whether the server takes RDMA connections for SMB, says so in one line on standard error and in the kernel log, and then becomes mount.cifs(8), with the option rdma or without. The mount is one of the type cifs; umount(8) needs nothing of its own.");
    page.text("To find out, the module smbdirect makes one RDMA connection to the server as cifs would, negotiates and ends it: a probe, of 10 seconds at most for each of the first 4 addresses. Only root may have that done. If cifs is not loaded, it is loaded first.");
    page.section("Options");
    page.tag("rdma=auto", "Over RDMA if a probe succeeds, otherwise over TCP. This is so without an option, too. It is decided once, when it is mounted: a mount stays on RDMA or on TCP.");
    page.tag("rdma=required, rdma", "Over RDMA. If the probe fails, nothing is mounted and the cause is said. If a probe cannot be made (another module than this one, configfs not mounted), cifs is asked for RDMA all the same, and mounts over it or fails.");
    page.tag(
        "rdma=off, nordma",
        "Over TCP; nothing is tried, and nothing said without -v.",
    );
    page.text("Of several the last counts. All other options are passed to mount.cifs as they are: no port needs to be given (cifs tries 5445 with iWARP and 445 with other devices), and of vers 3.0 or later will do, which is also what is used without it. If another address of the server than the first takes RDMA, ip=ADDRESS is added.");
    page.text("Options are separated by commas. Two in a row are one comma in a value, as cifs has it; what is in double quotes stays together.");
    page.tag(
        "-f",
        "Nothing is mounted and nothing tried: mount.cifs gets -f.",
    );
    page.tag(
        "-n, -s, -v, -r, -w",
        "As mount.cifs has them; with -v it is also said that RDMA is off.",
    );
    page.text("Names and passwords of users are never written into a line of a log.");
    page.section("Exit status");
    page.text("That of mount.cifs, or:");
    for (exit, text) in [
        (USAGE, "Wrong call: no //SERVER/SHARE, an option that there is not, or RDMA required with a version of SMB that has none."),
        (SYSTEM, "mount.cifs cannot be run."),
        (FAILED, "RDMA is required, and cannot be had."),
    ] {
        page.tag(&exit.to_string(), text);
    }
    page.section("Without cifs-utils");
    page.text("If mount.cifs is not installed, mount(8) is asked to mount the type cifs itself, with the server's address as ip. Then there is no file of credentials and nobody is asked for a password.");
    page.section("Examples");
    page.text("By hand, and in fstab(5), where systemd has to be told that it needs the network:");
    page.code(&[
        "mount -t smbdirect //server/share /mnt -o credentials=/etc/smb.cred",
        "//server/share /mnt smbdirect rdma=auto,credentials=/etc/smb.cred,_netdev 0 0",
    ]);
    page.text("What it said:");
    page.code(&["mount.smbdirect: //server/share on /mnt: over RDMA: negotiated over mlx5_0 port 445 in 3 ms; ..."]);
    page.section("Files");
    page.tag(
        "/sys/kernel/config/smbdirect/probes",
        "Where the module is asked to connect.",
    );
    page.tag(
        "/dev/kmsg",
        "Where the line goes, with the priority of a notice.",
    );
    page.section("See also");
    page.text("smbdirectctl(8), smbdirect(7), mount.cifs(8), mount(8), fstab(5)");
    page.finish()
}
