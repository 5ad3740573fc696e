// SPDX-License-Identifier: GPL-2.0

//! The faults that `smbdirectctl check` names, each with an exit status of its own.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The kernel has no RDMA.
    Kernel,
    /// The RDMA core is not the kernel's.
    RdmaCore,
    /// There is no smbdirect for this kernel.
    ModuleMissing,
    /// There is one, but for other kernels.
    ModuleOtherKernel,
    /// It would be refused: it is not signed.
    ModuleUnsigned,
    /// It is not loaded.
    ModuleNotLoaded,
    /// The C module is.
    ModuleForeign,
    /// No RDMA device.
    NoDevice,
    /// None that smbdirect can use.
    DeviceUnusable,
    /// No port is ACTIVE.
    PortDown,
    /// No network interface belongs to an active port.
    NoInterface,
    /// It is down, or has no carrier.
    InterfaceDown,
    /// It has no address.
    NoAddress,
    /// It has only IPv6 ones.
    NoIpv4,
    /// The queue pair that makes connections is in the error state.
    CmDead,
    /// ksmbd is not loaded.
    KsmbdNotLoaded,
    /// ksmbd was built without SMB Direct.
    KsmbdWithoutRdma,
    /// Another program serves port 445.
    PortTaken,
    /// ksmbd does not serve.
    KsmbdNotRunning,
    /// Nobody takes RDMA connections.
    NoListener,
    /// ksmbd.conf is refused.
    ConfigRefused,
    /// Multichannel is off.
    MultichannelOff,
    /// Every share is off.
    PolicyOff,
    /// The interfaces are excluded.
    InterfaceExcluded,
    /// A firewall drops it.
    Firewall,
    /// cifs was built without SMB Direct.
    CifsWithoutRdma,
    /// No address for the name of the server.
    ServerUnknown,
    /// The way to the server is over an interface without RDMA.
    WrongInterface,
    /// It does not answer on TCP port 445.
    ServerUnreachable,
    /// It speaks no SMB 3.
    ServerTooOld,
    /// No RDMA device is on the way to it.
    RdmaNoDevice,
    /// It does not answer over RDMA.
    RdmaUnreachable,
    /// It takes no RDMA connections.
    RdmaNoListener,
    /// It rejects this one.
    RdmaRejected,
    /// It refuses to negotiate SMB Direct.
    NegotiateRefused,
    /// It does not answer the negotiate request.
    NegotiateSilent,
    /// Something else went wrong with the connection.
    RdmaFailed,
}

/// What there is to know about one.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Exit status.
    pub exit: u8,
    /// Name for programs and headings.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Commands for it; what is in capitals is to be replaced.
    pub commands: &'static [&'static str],
}

macro_rules! faults {
    ($($fault:ident = $exit:literal $name:literal, $meaning:literal, $remedy:literal $(, $command:literal)*;)*) => {
        impl Fault {
            /// All, by exit status.
            pub const ALL: &'static [Self] = &[$(Self::$fault,)*];

            /// What there is to know about it.
            pub const fn about(self) -> About {
                match self {
                    $(Self::$fault => About {
                        exit: $exit,
                        name: $name,
                        meaning: $meaning,
                        remedy: $remedy,
                        commands: &[$($command,)*],
                    },)*
                }
            }
        }
    };
}

faults! {
    Kernel = 10 "kernel", "The kernel was built without RDMA.",
        "run a kernel with CONFIG_INFINIBAND and CONFIG_INFINIBAND_ADDR_TRANS; Debian's have both",
        "apt-get install -t trixie-backports linux-image-amd64";
    RdmaCore = 11 "rdma-core", "The RDMA core (ib_core) is not the one of the kernel but one of a vendor (OFED, DOCA), whose symbols differ.",
        "remove the vendor's modules, or build smbdirect, ksmbd and cifs against them",
        "modinfo -n ib_core", "dpkg -S $(modinfo -n ib_core)";
    ModuleMissing = 12 "module-missing", "There is no smbdirect module for the running kernel.",
        "build and install it",
        "make prepare-kernel", "make install KDIR=build/kernel-$(uname -r)", "depmod";
    ModuleOtherKernel = 13 "module-other-kernel", "There is a smbdirect module, but for another kernel than the running one.",
        "boot that kernel, or build the module for this one",
        "make prepare-kernel", "make install KDIR=build/kernel-$(uname -r)", "depmod";
    ModuleUnsigned = 14 "module-unsigned", "The kernel takes signed modules only (Secure Boot), and smbdirect is not signed.",
        "sign it with a key that the machine knows, or switch Secure Boot off",
        "mokutil --import KEY.der", "/usr/lib/linux-kbuild-*/scripts/sign-file sha256 KEY.priv KEY.der smbdirect.ko";
    ModuleNotLoaded = 15 "module-not-loaded", "The smbdirect module is not loaded.",
        "load it; if that fails, the kernel log says why",
        "modprobe smbdirect", "dmesg | tail";
    ModuleForeign = 16 "module-foreign", "The loaded smbdirect is the C module of the kernel.",
        "unmount, stop ksmbd, and load the other one in its place",
        "umount -a -t cifs", "ksmbd.control --shutdown", "rmmod cifs ksmbd smbdirect", "modprobe smbdirect";
    NoDevice = 20 "no-device", "There is no RDMA device.",
        "load the driver of the adapter, or make a software device",
        "lspci -k", "modprobe rdma_rxe", "rdma link add rxe0 type rxe netdev INTERFACE";
    DeviceUnusable = 21 "device-unusable", "No RDMA device is one that smbdirect can use: it has to register memory by work requests (FRWR).",
        "the kernel log says what the adapter lacks",
        "dmesg | grep 'not usable for SMB Direct'";
    PortDown = 22 "port-down", "No port of an RDMA device is ACTIVE.",
        "connect the cable, switch the interface on; InfiniBand needs a subnet manager",
        "rdma link show", "ip link set INTERFACE up";
    NoInterface = 23 "no-interface", "No network interface belongs to an active port.",
        "on InfiniBand load ib_ipoib; otherwise the driver of the Ethernet side",
        "modprobe ib_ipoib", "rdma link show";
    InterfaceDown = 24 "interface-down", "The network interface of the RDMA device is down or has no carrier.",
        "switch it on, look at the cable",
        "ip link set INTERFACE up";
    NoAddress = 25 "no-address", "The network interface of the RDMA device has no address.",
        "give it one",
        "ip address add ADDRESS/LENGTH dev INTERFACE";
    NoIpv4 = 26 "no-ipv4", "The network interface of the RDMA device has no IPv4 address, and ksmbd takes RDMA connections over IPv4 only.",
        "give it one",
        "ip address add ADDRESS/LENGTH dev INTERFACE";
    CmDead = 27 "cm-dead", "The queue pair over which a device makes all its connections (QP 1) is in the error state. rxe comes to that when it cannot send a datagram, for example since its interface was down.",
        "remove the device and make it again; connections over it end",
        "rdma resource show qp", "rdma link delete rxe0", "rdma link add rxe0 type rxe netdev INTERFACE";
    KsmbdNotLoaded = 30 "ksmbd-not-loaded", "The server, ksmbd, is not loaded.",
        "load it and start its daemon, after smbdirect",
        "modprobe ksmbd", "systemctl start ksmbd";
    KsmbdWithoutRdma = 31 "ksmbd-without-rdma", "The loaded ksmbd was built without SMB Direct, as Debian's is.",
        "load one that was built with CONFIG_SMB_SERVER_SMBDIRECT",
        "scripts/lab/peers", "ksmbd.control --shutdown", "rmmod ksmbd", "insmod ksmbd.ko";
    PortTaken = 32 "port-taken", "Another program than ksmbd serves TCP port 445.",
        "stop it, as a rule Samba, and start ksmbd again",
        "systemctl disable --now smbd", "systemctl restart ksmbd";
    KsmbdNotRunning = 33 "ksmbd-not-running", "ksmbd is loaded but does not serve.",
        "start its daemon; its log says what it dislikes in ksmbd.conf",
        "systemctl restart ksmbd", "journalctl -u ksmbd";
    NoListener = 34 "no-listener", "Nobody takes RDMA connections on the port of SMB Direct (445, iWARP: 5445).",
        "start ksmbd again, after the RDMA device is there",
        "rdma resource show cm_id", "systemctl restart ksmbd", "dmesg | grep -i listen";
    ConfigRefused = 40 "config-refused", "ksmbd.conf has a fault, so ksmbd or smbdirectctl refuses it.",
        "correct the lines that are named",
        "smbdirectctl config check /etc/ksmbd/ksmbd.conf";
    MultichannelOff = 41 "multichannel-off", "ksmbd does not offer multichannel, without which Windows never asks for RDMA. (cifs with the option rdma does not need it.)",
        "write 'server multi channel support = yes' into [global] of ksmbd.conf and start ksmbd again",
        "systemctl restart ksmbd";
    PolicyOff = 42 "policy-off", "The policy of every share is 'smb direct = off'.",
        "allow one in ksmbd.conf and apply it",
        "smbdirectctl config apply /etc/ksmbd/ksmbd.conf";
    InterfaceExcluded = 43 "interface-excluded", "'smb direct interfaces' excludes every interface that has RDMA.",
        "name one of them in ksmbd.conf and apply it",
        "smbdirectctl config show --all", "smbdirectctl config apply /etc/ksmbd/ksmbd.conf";
    Firewall = 44 "firewall", "A rule of the firewall drops what software RDMA needs: UDP port 4791 (RoCE), TCP port 5445 (iWARP), or TCP port 445, where Windows begins.",
        "let it pass",
        "nft list ruleset", "nft insert rule inet filter input udp dport 4791 accept", "nft insert rule inet filter input tcp dport '{ 445, 5445 }' accept";
    CifsWithoutRdma = 50 "cifs-without-rdma", "The client, cifs, was built without SMB Direct, as Debian's is.",
        "load one that was built with CONFIG_CIFS_SMB_DIRECT",
        "scripts/lab/peers", "rmmod cifs", "insmod cifs.ko";
    ServerUnknown = 51 "server-unknown", "The name of the server has no address.",
        "look at the name and at DNS, or give an address",
        "getent ahosts SERVER";
    WrongInterface = 52 "wrong-interface", "The way to the server is over an interface without RDMA, or there is none.",
        "use the server's address in the network of the RDMA device, or set the route",
        "ip route get ADDRESS", "ip route add NETWORK dev INTERFACE";
    ServerUnreachable = 53 "server-unreachable", "The server does not answer on TCP port 445.",
        "look whether it runs, and at firewalls on the way",
        "ping ADDRESS", "ss -ltn sport = :445";
    ServerTooOld = 54 "server-too-old", "The server speaks no SMB 3, which SMB Direct needs.",
        "allow SMB 3 there ('server max protocol' of ksmbd.conf)";
    RdmaNoDevice = 55 "rdma-no-device", "No RDMA device that smbdirect can use leads to the server's address.",
        "use the server's address in the network of the RDMA device",
        "rdma link show", "ip route get ADDRESS";
    RdmaUnreachable = 56 "rdma-unreachable", "The server's machine does not answer over RDMA at that address.",
        "look at the network and at firewalls on the way, which must let UDP port 4791 (RoCE) or TCP port 5445 (iWARP) pass; the address must be the one of the server's RDMA device",
        "ping ADDRESS", "ip neigh show";
    RdmaNoListener = 57 "rdma-no-listener", "The server's machine is there, but nobody on it takes RDMA connections for SMB (port 445, iWARP: 5445).",
        "run 'smbdirectctl check' on the server; a ksmbd built without SMB Direct, Samba and most NAS do not take any",
        "smbdirectctl check", "rdma resource show cm_id";
    RdmaRejected = 58 "rdma-rejected", "The server rejected the RDMA connection.",
        "look at the server's log and at its limits: 'smb direct max connections', 'smb direct interfaces'. ksmbd takes RDMA connections over IPv4 only",
        "dmesg | grep smbdirect", "smbdirectctl config show --all";
    NegotiateRefused = 59 "negotiate-refused", "The server took the RDMA connection and refused to negotiate SMB Direct.",
        "look at the server's log: it speaks another version of SMB Direct, or has no memory left";
    NegotiateSilent = 60 "negotiate-timeout", "The server took the RDMA connection and did not answer the negotiate request in time.",
        "look at the server: its backlog may be full, or its daemon hangs",
        "smbdirectctl status", "dmesg | grep smbdirect";
    RdmaFailed = 61 "rdma-failed", "The RDMA connection failed in another way, which is named.",
        "look at the kernel logs of both machines",
        "dmesg | grep smbdirect";
}
