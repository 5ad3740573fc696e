// SPDX-License-Identifier: GPL-2.0

//! Steps: rules in the way of software RDMA. An adapter's RDMA traffic does not pass the kernel's firewall.

use super::{
    device,
    fault::Fault,
    rules::{Packet, Rules},
    Machine, Outcome,
};

/// UDP port of RoCE.
const ROCE: u64 = 4791;

/// Protocol and port that come in, by the device's kind, if the kernel carries them.
fn software(m: &Machine<'_>) -> Option<(&'static str, u64)> {
    let soft = device::active(m).find(|d| {
        !m.root
            .exists(&format!("sys/class/infiniband/{}/device", d.name))
    })?;
    Some(match soft.kind() {
        "iWARP" => ("tcp", soft.smb_port().into()),
        _ => ("udp", ROCE),
    })
}

pub(super) fn server(m: &mut Machine<'_>) -> Outcome {
    look(m, [Some(("tcp", 445)), software(m)])
}

/// A client sends to these ports; of RoCE the answers come to the same one.
pub(super) fn client(m: &mut Machine<'_>) -> Outcome {
    let roce = software(m).filter(|(protocol, _)| *protocol == "udp");
    look(m, [roce, None])
}

fn look(m: &Machine<'_>, wanted: [Option<(&'static str, u64)>; 2]) -> Outcome {
    let wanted: Vec<_> = wanted.into_iter().flatten().collect();
    if wanted.is_empty() {
        return Outcome::good("nothing that it could drop here");
    }
    // ksmbd takes RDMA connections over IPv4 only
    let ipv6 = m.address.is_some_and(|address| address.is_ipv6());
    let names: Vec<&str> = device::usable(m).map(|i| i.name.as_str()).collect();
    let nft = m.root.output(&["nft", "-j", "list", "ruleset"]);
    let old = match &nft {
        Ok(_) => Err(String::new()),
        Err(_) => m.root.output(if ipv6 {
            &["ip6tables-save"]
        } else {
            &["iptables-save"]
        }),
    };
    for (protocol, port) in &wanted {
        let (protocol, port) = (*protocol, *port);
        for &interface in &names {
            let packet = Packet {
                protocol,
                port,
                interface,
                ipv6,
            };
            let rules = match (&nft, &old) {
                (Ok(text), _) => match Rules::nft(text, packet) {
                    Some(rules) => rules,
                    None => {
                        return Outcome::unknown(
                            "what `nft -j list ruleset` prints is not understood",
                        )
                    }
                },
                (Err(_), Ok(text)) => Rules::iptables(text, packet),
                (Err(why), Err(other)) => {
                    return Outcome::unknown(format!("rules cannot be read: {why}; {other}"))
                }
            };
            if let Some(rule) = rules.drops() {
                return Outcome::fault(
                    Fault::Firewall,
                    format!("{protocol} port {port} on {interface}: {rule}"),
                );
            }
        }
    }
    let ports: Vec<String> = wanted.iter().map(|(p, n)| format!("{p} {n}")).collect();
    Outcome::good(format!("no rule surely drops {}", ports.join(", ")))
}
