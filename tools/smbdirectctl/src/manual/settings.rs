// SPDX-License-Identifier: GPL-2.0

//! `smbdirect.conf(5)`, from the table that the module and this program share.

use super::page::Page;
use crate::names::{Parameter, INTERFACES, MODE};
use smbdirect_core::settings::{Mode, Number};

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Auto => "The share is served over RDMA and over TCP.",
        Mode::Off => "Over RDMA nothing is served but what gives back what is held. Over TCP all is.",
        Mode::Required => {
            "Data (read, write, copies inside of the server) is served over RDMA only. Over TCP a session that can move to RDMA \
             may connect and look; Windows always begins so."
        }
    }
}

const fn meaning(number: Number) -> &'static str {
    match number {
        Number::MaxConnections => "Connections of the server at once, those in the handshake included; 0: no limit.",
        Number::MaxConnectionsPerAddress => {
            "The same from one IPv4 address or IPv6 /64 prefix. Not more than the one above, if both are given."
        }
        Number::MaxHalfOpen => "Connections of a listener that are not accepted yet; of one source at most 32 of them.",
        Number::ReceiveCredits => "Most receives that a client is granted.",
        Number::SendCredits => "Credits that a client is asked for.",
        Number::MaxSendSize => "Largest message sent, with its 24 bytes of header.",
        Number::MaxReceiveSize => "Largest message received.",
        Number::MaxFragmentedSize => {
            "Largest SMB message received in fragments; by itself half of what the credits carry, and 131072 at least."
        }
        Number::MaxReadWriteSize => "Largest RDMA transfer of one request. By itself ksmbd's 'smbd max io size'.",
        Number::KeepaliveInterval => "Silence after which the client is asked whether it is there.",
        Number::NegotiateTimeout => "From a client's arrival to its valid negotiate request.",
        Number::CreditTimeout => "A sender's wait for one credit or one send slot.",
    }
}

/// The page.
pub fn page() -> String {
    let mut page = Page::new("smbdirect.conf", 5);
    page.section("Name");
    page.text("smbdirect.conf - parameters of SMB Direct in ksmbd.conf");
    page.section("Description");
    page.text("The parameters of SMB Direct (SMB3 over RDMA) are written into ksmbd.conf(5), as a rule /etc/ksmbd/ksmbd.conf. ksmbd ignores names that it does not know; smbdirectctl(8) reads them and puts them into force.");
    page.text("The syntax is ksmbd's: lines 'name = value' below '[global]' or the name of a share in brackets; ';' and '#' begin a comment anywhere; names in any case; the first value that is not empty counts. Lines are not continued. Numbers are decimal; sizes take the suffixes K, M and G. A value out of range, a name that is nearly one of these, and a parameter in the wrong section are errors.");
    page.text("A parameter that is not given is unset: the value is then what ksmbd asks for, or the default. Values are read when a connection arrives; connections that exist keep theirs, except the credit timeout.");
    page.section("Shares");
    page.tag(
        MODE,
        "In [global], for shares that say nothing, or in a share: whether it is served over RDMA. One of these; without it, auto.",
    );
    for m in Mode::ALL {
        page.tag(m.name(), mode(m));
    }
    page.section("Interfaces");
    page.tag(
        INTERFACES,
        "In [global]: where connections are taken, as words with blanks or commas between; all, if it is not given. A word is the name of a network or RDMA device ('*' at its end stands for any rest), a local address, or a network such as 10.9.0.0/16; with '!' in front, not there. \"eth1;capability=RDMA\" in double quotes advertises eth1 as capable of RDMA whatever detection says, with capability=RSS as not capable.",
    );
    page.section("Numbers");
    page.text("All of them belong into [global].");
    for number in Number::ALL {
        let spec = number.spec();
        let default = spec.default.map_or("computed".into(), |n| n.to_string());
        page.tag(
            &Parameter::Number(number).name(),
            &format!(
                "{} {} to {} {}; default {default}.",
                meaning(number),
                spec.min,
                spec.max,
                spec.unit.name()
            ),
        );
    }
    page.section("Example");
    page.code(&[
        "[global]",
        "    server multi channel support = yes",
        "    smb direct interfaces = eth1 !10.9.0.7",
        "    smb direct max connections = 256",
        "",
        "[scratch]",
        "    path = /srv/scratch",
        "    smb direct = required",
    ]);
    page.section("Files");
    page.tag("/etc/ksmbd/ksmbd.conf", "The file.");
    page.tag(
        "/sys/kernel/config/smbdirect",
        "What is in force: a file for each parameter, '_' in place of blanks.",
    );
    page.section("See also");
    page.text("smbdirectctl(8), smbdirect(7), ksmbd.conf(5)");
    page.finish()
}
