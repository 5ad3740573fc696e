// SPDX-License-Identifier: GPL-2.0

//! A machine made of files: one that serves SMB over rxe, where all is well. Tests break one thing of it.

#![allow(dead_code)] // each test uses a part

pub mod check;
pub mod random;

use smbdirectctl::root::Root;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// A directory that goes away with it.
pub struct Tree(PathBuf);

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Tree {
    pub fn empty() -> Self {
        let name = format!(
            "tree.{}.{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn root(&self) -> Root {
        Root::at(&self.0)
    }

    pub fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Changes a file that is there.
    pub fn change(&self, name: &str, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.0.join(name)).unwrap();
        assert!(text.contains(from), "{name} has no '{from}'");
        self.write(name, &text.replace(from, to))
    }

    pub fn dir(&self, name: &str) -> &Self {
        fs::create_dir_all(self.0.join(name)).unwrap();
        self
    }

    pub fn link(&self, name: &str, target: &str) -> &Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// Takes away a file or a directory that is there.
    pub fn remove(&self, name: &str) -> &Self {
        let path = self.0.join(name);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        self
    }

    /// All is well, and there are two connections.
    pub fn healthy() -> Self {
        let tree = Self::empty();
        tree.kernel().network().server().module();
        tree.connection(7, SERVER_INFO, SERVER_STATS)
            .connection(8, CLIENT_INFO, CLIENT_STATS);
        tree
    }

    pub fn connection(&self, id: u64, info: &str, stats: &str) -> &Self {
        let dir = format!("sys/kernel/smbdirect/connections/{id}");
        self.write(&format!("{dir}/info"), info)
            .write(&format!("{dir}/stats"), stats)
    }

    fn kernel(&self) -> &Self {
        self.write("proc/sys/kernel/osrelease", "7.3.4+deb13-amd64\n")
            .write(
                "boot/config-7.3.4+deb13-amd64",
                "CONFIG_RUST=y\nCONFIG_INFINIBAND=m\nCONFIG_INFINIBAND_ADDR_TRANS=y\nCONFIG_MODULE_SIG=y\n",
            )
            .write(
                "lib/modules/7.3.4+deb13-amd64/modules.dep",
                "kernel/drivers/infiniband/core/ib_core.ko.xz:\nupdates/smbdirect.ko: kernel/drivers/infiniband/core/ib_core.ko.xz\n\
                 updates/ksmbd.ko: updates/smbdirect.ko\nupdates/cifs.ko: updates/smbdirect.ko\n",
            )
            .write("lib/modules/7.3.4+deb13-amd64/updates/smbdirect.ko", "code")
            .write("sys/module/module/parameters/sig_enforce", "N\n")
            .write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
            .write("sys/module/ib_core/taint", "\n")
            .write("sys/module/ib_core/initstate", "live\n")
            .write("sys/module/rdma_cm/initstate", "live\n")
            .write("sys/module/smbdirect/initstate", "live\n")
            .dir("sys/module/smbdirect/holders/ksmbd")
            .dir("sys/module/smbdirect/holders/cifs")
            .write("sys/module/ksmbd/initstate", "live\n")
            .write("sys/module/cifs/initstate", "live\n")
    }

    fn network(&self) -> &Self {
        self.write("sys/class/net/lo/flags", "0x9\n")
            .write("sys/class/net/eth1/flags", "0x1003\n")
            .write("sys/class/net/eth1/carrier", "1\n")
            .write("sys/class/net/eth1/mtu", "9000\n")
            .write("sys/class/net/eth1/speed", "100000\n")
            .write("sys/class/infiniband/rxe0/node_type", "1: CA\n")
            .write("sys/class/infiniband/rxe0/parent", "eth1\n")
            .write("sys/class/infiniband/rxe0/ports/1/state", "4: ACTIVE\n")
            .write("sys/class/infiniband/rxe0/ports/1/phys_state", "5: LinkUp\n")
            .write("sys/class/infiniband/rxe0/ports/1/link_layer", "Ethernet\n")
            .write("sys/class/infiniband/rxe0/ports/1/rate", "2.5 Gb/sec (1X SDR)\n")
            .write(
                "commands/rdma -j link show",
                r#"[{"ifindex":0,"ifname":"rxe0","port":1,"state":"ACTIVE","physical_state":"LINK_UP","netdev":"eth1","netdev_index":3}]"#,
            )
            .write(
                "commands/ip -j address show",
                r#"[{"ifindex":1,"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1"}]},
                {"ifindex":3,"ifname":"eth1","addr_info":[{"family":"inet","local":"10.9.0.1","prefixlen":24},{"family":"inet6","local":"fd09::1","prefixlen":64}]}]"#,
            )
            .write("commands/nft -j list ruleset", r#"{"nftables":[{"metainfo":{"version":"1.1.3"}}]}"#)
            .write(
                "commands/rdma -j resource show qp",
                r#"[{"ifindex":0,"ifname":"rxe0","port":1,"lqpn":1,"type":"GSI","state":"RTS","sq-psn":0,"comm":"ib_core"},
                {"ifindex":0,"ifname":"rxe0","port":1,"lqpn":17,"type":"RC","state":"ERR","sq-psn":9,"comm":"smbdirect"}]"#,
            )
            .write(
                "commands/rdma -j resource show cm_id",
                r#"[{"ifindex":0,"ifname":"rxe0","cm-idn":0,"state":"LISTEN","ps":"TCP","comm":"smbdirect","src-addr":"0.0.0.0:445"}]"#,
            )
    }

    fn server(&self) -> &Self {
        self.write("sys/class/ksmbd-control/stats", "2 running 445 10\n")
            .write(
                "etc/ksmbd/ksmbd.conf",
                "[global]\nserver multi channel support = yes\n[data]\npath = /srv\n",
            )
            .write("proc/net/tcp", TCP)
            .write("proc/net/tcp6", "  sl  local_address\n")
    }

    fn module(&self) -> &Self {
        let dir = "sys/kernel/smbdirect";
        let device = format!("{dir}/devices/rxe0");
        self.write(&format!("{dir}/format"), "1\n")
            .write(&format!("{dir}/stats"), STATS)
            .write(&format!("{dir}/failures"), FAILURES)
            .write(
                &format!("{dir}/protocol_errors"),
                "request_too_short 0\ndata_too_short 2\n",
            )
            .write(&format!("{device}/family"), "ib\n")
            .write(&format!("{device}/stats"), STATS)
            .write(&format!("{device}/failures"), FAILURES)
            .write(
                &format!("{device}/protocol_errors"),
                "request_too_short 0\ndata_too_short 2\n",
            )
    }

    /// Nothing is set.
    pub fn configfs(&self) -> &Self {
        let dir = "sys/kernel/config/smbdirect";
        self.write(&format!("{dir}/shares"), "* default 0 0 0\n")
            .write(&format!("{dir}/interfaces"), "default\n")
            .write(&format!("{dir}/capabilities"), "default\n")
    }
}

const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1111 1 0 100 0 0 10 0\n\
   1: 00000000:01BD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2222 1 0 100 0 0 10 0\n";

const STATS: &str = "connections_active 2\nconnections_initiated 3\nconnections_accepted 4\nconnections_failed 1\nconnections_refused 0\n\
connections_broken 1\nprotocol_errors 2\nmemory_bytes 1048576\nmessages_sent 100\nmessages_received 90\ninline_sent_bytes 5000\n\
inline_received_bytes 6000\nrdma_reads 10\nrdma_read_bytes 655360\nrdma_writes 5\nrdma_write_bytes 327680\nregistered_bytes 4096\n";

const FAILURES: &str = "failed_local 0\nfailed_unreachable 1\nended_local 2\nended_peer 1\nended_keepalive_timeout 1\nrefused_half_open 0\n";

pub const SERVER_INFO: &str = "role server\npeer 10.9.0.2:49152\ndevice rxe0\nstatus CONNECTED\nend_cause none\nend_errno 0\nage_msec 65400\n\
max_send_size 1364\nmax_recv_size 1364\nmax_fragmented_send_size 1048576\nmax_fragmented_recv_size 131072\nmax_read_write_size 8388608\n\
send_credits 254\nrecv_credits_granted 255\nrecv_posted 255\nrecv_parked 3\nsends_outstanding 1\nrdma_outstanding 2\nregistrations 0\nmemory_bytes 524288\n";

pub const SERVER_STATS: &str = "messages_received 60\nempty_received 4\ninline_received_bytes 6000\nmessages_sent 61\ninline_sent_bytes 5000\n\
credit_stalls 1\nslot_stalls 2\nrdma_transfers 15\nrdma_reads 10\nrdma_read_bytes 655360\nrdma_writes 5\nrdma_write_bytes 327680\nrdma_stalls 4\n";

pub const CLIENT_INFO: &str = "role client\npeer [fd09::2]:445\ndevice rxe0\nstatus CONNECTED\nend_cause none\nend_errno 0\nage_msec 3700000\n\
max_send_size 1364\nmax_recv_size 8192\nmax_fragmented_send_size 1048576\nmax_fragmented_recv_size 1048576\nmax_read_write_size 1048576\n\
send_credits 255\nrecv_credits_granted 255\nrecv_posted 255\nrecv_parked 0\nsends_outstanding 0\nrdma_outstanding 0\nregistrations 1\nmemory_bytes 600000\n";

pub const CLIENT_STATS: &str = "messages_received 30\ninline_received_bytes 100\nmessages_sent 39\ninline_sent_bytes 200\nfast_registrations 1\n\
registered_bytes 4096\nregistration_stalls 0\n";
