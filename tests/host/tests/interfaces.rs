// SPDX-License-Identifier: GPL-2.0

//! Lists of interfaces: what they say of a place (`Documentation/steering.md`, 3).

use smbdirect_core::interfaces::{
    capability, check, check_capabilities, verdict, ListError, Place, Verdict, MAX_TEXT, MAX_WORDS,
};
use std::net::IpAddr;

fn place<'a>(netdev: &'a str, rdma: &'a str, addr: &str) -> Place<'a> {
    let some = |name: &'a str| (!name.is_empty()).then_some(name);
    Place {
        names: [some(netdev), some(rdma)],
        addr: (!addr.is_empty()).then(|| match addr.parse().unwrap() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        }),
    }
}

#[test]
fn verdicts() {
    use Verdict::{Excluded, Taken, Unnamed};
    let at = place("eth1", "rxe0", "10.9.0.1");
    let at6 = place("eth1", "rxe0", "fd09::1");
    let unknown = place("", "", "");
    for (list, of_at, of_at6, of_unknown) in [
        ("", Taken, Taken, Taken),
        ("eth1", Taken, Taken, Unnamed),
        ("rxe0", Taken, Taken, Unnamed),
        ("eth", Unnamed, Unnamed, Unnamed),
        ("eth*", Taken, Taken, Unnamed),
        ("*", Taken, Taken, Unnamed),
        ("eth2", Unnamed, Unnamed, Unnamed),
        ("eth2 10.9.0.1", Taken, Unnamed, Unnamed),
        ("10.9.0.2", Unnamed, Unnamed, Unnamed),
        ("10.0.0.0/8", Taken, Unnamed, Unnamed),
        ("0.0.0.0/0", Taken, Unnamed, Unnamed),
        ("::/0", Taken, Taken, Unnamed),
        ("fd09::/64", Unnamed, Taken, Unnamed),
        ("!eth1", Excluded, Excluded, Taken),
        ("!eth2", Taken, Taken, Taken),
        ("!10.9.0.0/16", Excluded, Taken, Taken),
        ("eth1 !10.9.0.1", Excluded, Taken, Unnamed),
        ("!10.9.0.1 eth1", Excluded, Taken, Unnamed),
        ("!*", Excluded, Excluded, Taken),
    ] {
        assert_eq!(check(list), Ok(()), "{list}");
        assert_eq!(verdict(list, &at), of_at, "{list}");
        assert_eq!(verdict(list, &at6), of_at6, "{list}");
        assert_eq!(verdict(list, &unknown), of_unknown, "{list}");
    }
}

/// Of an interface with several addresses the greatest verdict counts: excluded wins over taken, taken over unnamed.
#[test]
fn several_addresses() {
    let whole = |list, addrs: &[&str]| {
        addrs
            .iter()
            .map(|addr| verdict(list, &place("eth1", "", addr)))
            .max()
    };
    let both = ["10.9.0.1", "10.8.0.1"];
    assert_eq!(whole("10.9.0.0/16", &both), Some(Verdict::Taken));
    assert_eq!(whole("10.7.0.0/16", &both), Some(Verdict::Unnamed));
    assert_eq!(
        whole("10.9.0.0/16 !10.8.0.1", &both),
        Some(Verdict::Excluded)
    );
    assert_eq!(whole("!10.7.0.1", &both), Some(Verdict::Taken));
}

#[test]
fn overrides() {
    let list = "eth1=none eth*=rdma";
    assert_eq!(check_capabilities(list), Ok(()));
    assert_eq!(capability(list, &place("eth1", "", "")), Some(false));
    assert_eq!(capability(list, &place("eth2", "", "")), Some(true));
    assert_eq!(capability(list, &place("wlan0", "", "")), None);
    assert_eq!(capability("", &place("eth1", "", "")), None);
    for bad in ["eth1", "eth1=", "eth1=yes", "!eth1=rdma", "10.9.0.1=rdma"] {
        assert!(check_capabilities(bad).is_err(), "{bad}");
    }
}

#[test]
fn limits() {
    let words = vec!["a"; MAX_WORDS].join(" ");
    assert_eq!(check(&words), Ok(()));
    assert_eq!(check(&format!("{words} a")), Err(ListError::TooLong));
    let long = vec!["abcdefghijklmno"; MAX_WORDS].join(" ");
    assert!(long.len() <= MAX_TEXT);
    assert_eq!(check(&long), Ok(()));
    assert_eq!(check(&format!("p{long}q")), Err(ListError::TooLong));
}
