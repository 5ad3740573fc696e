// SPDX-License-Identifier: GPL-2.0

//! Manual pages that are made of the tables of the code: what they say cannot differ from what the code does.

pub mod mount;
pub mod page;
pub mod settings;

use crate::{check::fault::Fault, cli, trace::events::Group};
use page::Page;

/// Exit statuses below those of `check`.
const EXITS: [(u8, &str); 8] = [
    (
        cli::OK,
        "All is well: of status, RDMA is in use; of config diff, there is no difference; of check, no fault was found.",
    ),
    (
        cli::DIFFERENT,
        "Of config diff: there are differences. Of status: RDMA is not in use, or it cannot be told.",
    ),
    (cli::USAGE, "Wrong arguments."),
    (cli::REFUSED, "The configuration file is refused."),
    (cli::UNREADABLE, "A file, what is in force in the kernel, or its tracing, cannot be read, a file or the output cannot be written, or the terminal cannot be used."),
    (cli::NO_MODULE, "The kernel module is not there, or is another one."),
    (
        cli::KERNEL_REFUSED,
        "The kernel refused the configuration; what was in force still is.",
    ),
    (
        cli::NOT_ENFORCED,
        "The file asks for a policy of shares that the loaded ksmbd does not enforce.",
    ),
];

/// What is at the end of the page of a command.
pub fn command() -> String {
    let mut page = Page::default();
    page.section("See also");
    page.text("smbdirectctl(8), which has exit statuses and examples");
    page.finish()
}

/// What follows the description of commands in `smbdirectctl(8)`.
pub fn tool() -> String {
    let mut page = Page::default();
    page.section("Exit status");
    for (exit, text) in EXITS {
        page.tag(&exit.to_string(), text);
    }
    page.text("Of check, one for each fault, the first of the chain:");
    for fault in Fault::ALL {
        let about = fault.about();
        page.tag(
            &format!("{} ({})", about.exit, about.name),
            &format!("{} Remedy: {}.", about.meaning, about.remedy),
        );
    }
    page.section("Files");
    for (file, text) in [
        (
            "/sys/kernel/smbdirect",
            "What status, top, metrics and trace read. Its format is stable.",
        ),
        (
            "/sys/kernel/config/smbdirect",
            "What is in force of the configuration, and the policy of shares.",
        ),
        (
            "/sys/kernel/config/smbdirect/probes",
            "Where check SERVER asks the module to connect.",
        ),
        (
            "/etc/ksmbd/ksmbd.conf",
            "Where the parameters are written; see smbdirect.conf(5).",
        ),
    ] {
        page.tag(file, text);
    }
    page.section("Trace");
    page.text("trace shows tracepoints smbdirect:* as a ladder: the seconds since the first event, the connection, an arrow, and what it was.");
    for (arrow, text) in [
        (
            "|-------->|",
            "A message to the peer; to the left, of the peer. With an x it was refused.",
        ),
        (
            "|========>|",
            "RDMA Write into the peer's memory; to the left, RDMA Read out of it.",
        ),
        (
            "|. . . . >|",
            "The connection manager: a connection is asked for.",
        ),
        ("*         |", "What happens on this side only."),
    ] {
        page.tag(arrow, text);
    }
    page.text("Of a Data Transfer message: its payload and where it begins; if it is a fragment, which one, and how much of the whole follows; the credits that it asks for and grants; in brackets the send credits that this side holds and that the peer has of us, after it. The groups of events:");
    for group in Group::ALL {
        page.tag(group.name(), group.about());
    }
    page.text("A capture (--pcapng) has the headers of messages and nothing of files. What carries them, from Ethernet to InfiniBand, is made up, so that Wireshark decodes them; the length of a frame is that of the message. trace records into an instance of its own below /sys/kernel/tracing/instances, which it removes. top does the same for its latencies: each transfer costs two trace events as long as they are shown.");
    page.section("Prometheus");
    page.text("metrics prints the text format 0.0.4. node_exporter takes it from a file below the directory of its textfile collector; a timer of systemd or cron runs, on Debian:");
    page.code(&["smbdirectctl metrics --output /var/lib/prometheus/node-exporter/smbdirect.prom"]);
    page.text("The file is replaced as a whole, so it is never read half written, and everybody may read it (mode 0644). Values of connections have the labels connection, device, peer and role; a connection's number is not used twice.");
    page.section("Examples");
    for (text, lines) in [
        (
            "Whether RDMA is in use, for a script:",
            ["smbdirectctl status >/dev/null && echo yes"].as_slice(),
        ),
        (
            "Rates, every five seconds:",
            &["smbdirectctl status --watch 5"],
        ),
        (
            "Connections at work, without recording tracepoints for latencies:",
            &["smbdirectctl top --no-latency"],
        ),
        (
            "Why clients do not come over RDMA, and what to type:",
            &["smbdirectctl check --fix-hints"],
        ),
        (
            "The same on a client:",
            &["smbdirectctl check --fix-hints server.example"],
        ),
        (
            "What a client and this server say to each other for ten seconds, also for Wireshark:",
            &["smbdirectctl trace --peer 10.9.0.2 --duration 10 --pcapng client.pcapng"],
        ),
        (
            "The same on another machine, as it happens:",
            &["ssh root@server smbdirectctl trace --pcapng - | wireshark -k -i -"],
        ),
        (
            "Look at a configuration, compare it, and put it into force:",
            &[
                "smbdirectctl config check /etc/ksmbd/ksmbd.conf",
                "smbdirectctl config diff /etc/ksmbd/ksmbd.conf",
                "smbdirectctl config apply /etc/ksmbd/ksmbd.conf",
            ],
        ),
    ] {
        page.text(text);
        page.code(lines);
    }
    page.section("Bugs");
    page.text("That check can connect does not say that data flows. It cannot see firewalls and switches between machines, nor rules that drop some peers only.");
    page.section("See also");
    page.text(
        "smbdirect.conf(5), smbdirect(7), mount.smbdirect(8), ksmbd.conf(5), ksmbd.mountd(8), mount.cifs(8), rdma(8)",
    );
    page.finish()
}
