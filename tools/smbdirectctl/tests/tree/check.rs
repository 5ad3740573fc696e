// SPDX-License-Identifier: GPL-2.0

//! What tests of `check` share: the machine, which can also be a client, and what is asked of it.

use super::Tree;
use smbdirectctl::check::{check, fault::Fault, Report};

pub const DEP: &str = "lib/modules/7.3.4+deb13-amd64/modules.dep";
pub const CONF: &str = "etc/ksmbd/ksmbd.conf";
pub const PORT: &str = "sys/class/infiniband/rxe0/ports/1/state";
pub const CM: &str = "commands/rdma -j resource show cm_id";
pub const IP: &str = "commands/ip -j address show";
pub const QP: &str = "commands/rdma -j resource show qp";
pub const NFT: &str = "commands/nft -j list ruleset";
pub const IPTABLES: &str = "commands/iptables-save";
pub const CONFIGFS: &str = "sys/kernel/config/smbdirect";
pub const SERVER: &str = "10.9.0.2";

/// What the module says of a connection to [`SERVER`].
pub const CONNECTED: &str = "outcome connected\naddress 10.9.0.2\nport 445\ndevice rxe0\nmax_send_size 1364\nmax_recv_size 1364\n\
max_fragmented_send_size 173910\nmax_fragmented_recv_size 173910\nmax_read_write_size 2097152\nsend_credits 67\nmsec 12\n\
other_port 5445\nother_stage address\nother_cause device\nother_errno 19\n";

/// The same of one that failed.
pub fn failed(stage: &str, cause: &str, errno: u32, more: &str) -> String {
    format!("outcome failed\naddress 10.9.0.2\nport 445\ndevice rxe0\nstage {stage}\ncause {cause}\nerrno {errno}\n{more}msec 7\n")
}

/// A healthy machine that can also be a client of [`SERVER`].
pub fn machine() -> Tree {
    let tree = Tree::healthy();
    tree.configfs()
        .write(
            "commands/ip -j route get 10.9.0.2",
            r#"[{"dst":"10.9.0.2","dev":"eth1","prefsrc":"10.9.0.1"}]"#,
        )
        .write("commands/negotiate 10.9.0.2", "770 8\n")
        .write("commands/probe 10.9.0.2", CONNECTED);
    tree
}

pub fn server(tree: &Tree) -> Report {
    check(&tree.root(), None)
}

pub fn client(tree: &Tree) -> Report {
    check(&tree.root(), Some(SERVER))
}

pub fn nft_rule(expr: &str) -> String {
    format!(
        r#"{{"nftables":[{{"table":{{"family":"inet","name":"filter"}}}},
        {{"chain":{{"family":"inet","table":"filter","name":"input","type":"filter","hook":"input","prio":0,"policy":"accept"}}}},
        {{"rule":{{"family":"inet","table":"filter","chain":"input","expr":{expr}}}}}]}}"#
    )
}

pub fn dport(protocol: &str, right: &str) -> String {
    format!(
        r#"{{"match":{{"op":"==","left":{{"payload":{{"protocol":"{protocol}","field":"dport"}}}},"right":{right}}}}}"#
    )
}

pub fn unloaded(tree: &Tree) -> &Tree {
    tree.remove("sys/kernel/smbdirect")
        .remove("sys/module/smbdirect")
}

/// Breaks the one thing.
pub fn inject(fault: Fault, tree: &Tree) {
    match fault {
        Fault::Kernel => tree.change(
            "boot/config-7.3.4+deb13-amd64",
            "CONFIG_INFINIBAND=m",
            "# CONFIG_INFINIBAND is not set",
        ),
        Fault::RdmaCore => tree.write("sys/module/ib_core/taint", "OE\n"),
        Fault::ModuleMissing => {
            unloaded(tree).change(DEP, "updates/smbdirect.ko:", "updates/other.ko:")
        }
        Fault::ModuleOtherKernel => unloaded(tree)
            .change(DEP, "updates/smbdirect.ko:", "updates/other.ko:")
            .write(
                "lib/modules/7.2.0/modules.dep",
                "updates/smbdirect.ko.xz:\n",
            ),
        Fault::ModuleUnsigned => unloaded(tree).write(
            "sys/kernel/security/lockdown",
            "none [integrity] confidentiality\n",
        ),
        Fault::ModuleNotLoaded => unloaded(tree),
        Fault::ModuleForeign => tree.remove("sys/kernel/smbdirect"),
        Fault::NoDevice => tree
            .remove("sys/class/infiniband/rxe0")
            .remove("sys/kernel/smbdirect/devices/rxe0"),
        Fault::DeviceUnusable => tree.remove("sys/kernel/smbdirect/devices/rxe0"),
        Fault::PortDown => tree.write(PORT, "1: DOWN\n"),
        Fault::NoInterface => tree
            .write("commands/rdma -j link show", "[]")
            .remove("sys/class/infiniband/rxe0/parent"),
        Fault::InterfaceDown => tree.write("sys/class/net/eth1/flags", "0x1002\n"),
        Fault::NoAddress => tree.write(IP, r#"[{"ifname":"eth1","addr_info":[]}]"#),
        Fault::NoIpv4 => tree.write(
            IP,
            r#"[{"ifname":"eth1","addr_info":[{"family":"inet6","local":"fd09::1"}]}]"#,
        ),
        Fault::CmDead => tree.change(QP, "RTS\",\"sq", "ERR\",\"sq"),
        Fault::KsmbdNotLoaded => tree.remove("sys/module/ksmbd"),
        Fault::KsmbdWithoutRdma => tree.remove("sys/module/smbdirect/holders/ksmbd"),
        Fault::PortTaken => tree
            .write("proc/411/comm", "smbd\n")
            .link("proc/411/fd/3", "/dev/null")
            .link("proc/411/fd/31", "socket:[2222]"),
        Fault::KsmbdNotRunning => tree.write("sys/class/ksmbd-control/stats", "2 startup 445 0\n"),
        // a connection is no listener, and of another kind it does not count
        Fault::NoListener => tree.change(CM, "LISTEN", "CONNECT"),
        Fault::ConfigRefused => tree.change(CONF, "[data]", "smb direkt = off\n[data]"),
        Fault::MultichannelOff => tree.change(
            CONF,
            "server multi channel support = yes",
            "server multi channel support = no",
        ),
        Fault::PolicyOff => tree.write(
            &format!("{CONFIGFS}/shares"),
            "data off 0 0 0\n* off 0 0 0\n",
        ),
        Fault::InterfaceExcluded => {
            tree.write(&format!("{CONFIGFS}/interfaces"), "eth7 10.8.0.0/16\n")
        }
        Fault::Firewall => tree.write(
            NFT,
            &nft_rule(&format!(
                r#"[{},{{"counter":{{"packets":1,"bytes":2}}}},{{"drop":null}}]"#,
                dport("udp", "4791")
            )),
        ),
        Fault::CifsWithoutRdma => tree.remove("sys/module/smbdirect/holders/cifs"),
        Fault::ServerUnknown => tree,
        Fault::WrongInterface => tree.change("commands/ip -j route get 10.9.0.2", "eth1", "eth0"),
        Fault::ServerUnreachable => tree.remove("commands/negotiate 10.9.0.2"),
        Fault::ServerTooOld => tree.write("commands/negotiate 10.9.0.2", "3221225659\n"),
        Fault::RdmaNoDevice => probed(tree, "address", "device", ""),
        Fault::RdmaUnreachable => probed(tree, "connect", "handshake_timeout", ""),
        Fault::RdmaNoListener => probed(tree, "connect", "refused", "reject_reason 8\n"),
        Fault::RdmaRejected => probed(tree, "connect", "refused", "reject_reason 28\n"),
        Fault::NegotiateRefused => probed(
            tree,
            "negotiate",
            "refused",
            "negotiate_status 0xc00000bb\n",
        ),
        Fault::NegotiateSilent => probed(tree, "negotiate", "handshake_timeout", ""),
        Fault::RdmaFailed => probed(tree, "negotiate", "protocol", ""),
    };
}

pub fn probed<'t>(tree: &'t Tree, stage: &str, cause: &str, more: &str) -> &'t Tree {
    tree.write("commands/probe 10.9.0.2", &failed(stage, cause, 111, more))
}
