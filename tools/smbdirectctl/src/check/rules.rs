// SPDX-License-Identifier: GPL-2.0

//! Rules of a firewall, as far as they concern a new connection to a port: those of nftables as JSON, those of iptables as text.
//!
//! What a rule asks for and this does not know may hold or not: such a rule may let pass, and is passed over if it drops. So a rule that surely drops is
//! found, one that drops some peers only is not.

use serde_json::Value;
use std::collections::BTreeMap;

/// How deep chains call each other, at most.
const DEEP: usize = 16;
/// How many chains are walked for one packet: chains that call each other in every way would take for ever.
const WALKS: usize = 10_000;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'p> {
    /// `tcp` or `udp`.
    pub protocol: &'p str,
    /// Where it goes.
    pub port: u64,
    /// The interface that it comes in by.
    pub interface: &'p str,
    /// Whether it is of IPv6.
    pub ipv6: bool,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Accept,
    Drop,
    Call(String),
    Goto(String),
    Return,
    /// Counts, logs, ...
    Continue,
}

#[derive(Debug)]
struct Rule {
    /// `None`: it cannot be told.
    holds: Option<bool>,
    verdict: Verdict,
    text: String,
}

#[derive(Debug, Default)]
struct Chain {
    /// It is asked for packets that come in.
    input: bool,
    drops: bool,
    rules: Vec<Rule>,
}

/// Chains by table and name.
#[derive(Debug, Default)]
pub struct Rules(BTreeMap<(String, String), Chain>);

enum End {
    Accepted,
    Dropped(String),
    /// Back to the caller.
    Through,
}

impl Rules {
    /// The rule or policy that surely drops it.
    pub fn drops(&self) -> Option<String> {
        let mut left = WALKS;
        self.0
            .iter()
            .filter(|(_, chain)| chain.input)
            .find_map(
                |((table, name), chain)| match self.walk(table, name, DEEP, &mut left) {
                    End::Dropped(rule) => Some(rule),
                    End::Through if chain.drops => {
                        Some(format!("the policy of chain {name} of table {table}"))
                    }
                    End::Accepted | End::Through => None,
                },
            )
    }

    fn walk(&self, table: &str, name: &str, deep: usize, left: &mut usize) -> End {
        let (Some(deep), Some(now), Some(chain)) = (
            deep.checked_sub(1),
            left.checked_sub(1),
            self.0.get(&(table.to_owned(), name.to_owned())),
        ) else {
            // as if it accepted: nothing is claimed
            return End::Accepted;
        };
        *left = now;
        for rule in &chain.rules {
            match (&rule.verdict, rule.holds) {
                (Verdict::Continue, _) | (_, Some(false)) => {}
                (Verdict::Accept, _) => return End::Accepted,
                (Verdict::Drop, Some(true)) => {
                    return End::Dropped(format!("chain {name} of table {table}: {}", rule.text))
                }
                (Verdict::Return, Some(true)) => return End::Through,
                (Verdict::Call(to), holds) => match (self.walk(table, to, deep, left), holds) {
                    (End::Through, _) => {}
                    (End::Accepted, _) => return End::Accepted,
                    (End::Dropped(rule), Some(true)) => return End::Dropped(rule),
                    (End::Dropped(_), None | Some(false)) => {}
                },
                (Verdict::Goto(to), Some(true)) => return self.walk(table, to, deep, left),
                (Verdict::Drop | Verdict::Return | Verdict::Goto(_), None) => {}
            }
        }
        End::Through
    }

    /// From `nft -j list ruleset`.
    pub fn nft(text: &str, packet: Packet<'_>) -> Option<Self> {
        let all: Value = serde_json::from_str(text).ok()?;
        let mut rules = Self::default();
        let table = |v: &Value| format!("{} {}", word(v, "family"), word(v, "table"));
        for object in all.get("nftables")?.as_array()? {
            if let Some(chain) = object.get("chain") {
                let ip = match word(chain, "family") {
                    "inet" => true,
                    "ip" => !packet.ipv6,
                    "ip6" => packet.ipv6,
                    _ => false,
                };
                let key = (table(chain), word(chain, "name").to_owned());
                let entry = rules.0.entry(key).or_default();
                entry.input = ip && word(chain, "hook") == "input";
                entry.drops = word(chain, "policy") == "drop";
            } else if let Some(rule) = object.get("rule") {
                let key = (table(rule), word(rule, "chain").to_owned());
                let rule = nft_rule(rule.get("expr").unwrap_or(&Value::Null), packet);
                rules.0.entry(key).or_default().rules.push(rule);
            }
        }
        Some(rules)
    }

    /// From `iptables-save`, of IPv6 `ip6tables-save`.
    pub fn iptables(text: &str, packet: Packet<'_>) -> Self {
        let mut rules = Self::default();
        let mut table = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some(name) = line.strip_prefix('*') {
                table = name.trim().into();
            } else if let (Some(name), Some(policy)) = (line.strip_prefix(':'), words.get(1)) {
                let name = name.split_whitespace().next().unwrap_or("");
                let chain = rules.0.entry((table.clone(), name.into())).or_default();
                chain.input = name == "INPUT";
                chain.drops = *policy == "DROP";
            } else if let ["-A", name, rest @ ..] = words.as_slice() {
                let chain = rules.0.entry((table.clone(), (*name).into())).or_default();
                chain.rules.push(iptables_rule(rest, line, packet));
            }
        }
        rules
    }
}

/// Both, if it can be told: one that does not hold is enough.
fn both(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn nft_rule(expr: &Value, packet: Packet<'_>) -> Rule {
    let mut rule = Rule {
        holds: Some(true),
        verdict: Verdict::Continue,
        text: expr.to_string(),
    };
    for statement in expr.as_array().into_iter().flatten() {
        let Some((name, value)) = statement.as_object().and_then(|o| o.iter().next()) else {
            continue;
        };
        let target = || word(value, "target").to_owned();
        match name.as_str() {
            "match" => rule.holds = both(rule.holds, nft_match(value, packet)),
            "accept" => rule.verdict = Verdict::Accept,
            "drop" | "reject" => rule.verdict = Verdict::Drop,
            "jump" => rule.verdict = Verdict::Call(target()),
            "goto" => rule.verdict = Verdict::Goto(target()),
            "return" => rule.verdict = Verdict::Return,
            "vmap" => {
                rule.holds = both(rule.holds, vmap(value, packet));
                // what it does is not looked at: it may let pass
                rule.verdict = Verdict::Accept;
            }
            "counter" | "log" | "comment" => {}
            // limits, sets, maps, extensions of iptables
            _ => rule.holds = both(rule.holds, None),
        }
    }
    rule
}

/// A map of verdicts: `Some(false)` if it surely has none for the packet.
fn vmap(of: &Value, packet: Packet<'_>) -> Option<bool> {
    let key = of.get("key")?;
    if of_others(key, packet) {
        return Some(false);
    }
    let entries = of.get("data")?.get("set")?.as_array()?;
    let none = entries.iter().all(|entry| {
        let right = entry.get(0).unwrap_or(&Value::Null);
        nft_equal(key, right, packet) == Some(false)
    });
    none.then_some(false)
}

fn nft_match(of: &Value, packet: Packet<'_>) -> Option<bool> {
    let left = of.get("left")?;
    if of_others(left, packet) {
        return Some(false);
    }
    let equal = nft_equal(left, of.get("right")?, packet);
    match of.get("op").and_then(Value::as_str)? {
        "==" | "in" => equal,
        "!=" => equal.map(|e| !e),
        _ => None,
    }
}

fn word<'v>(of: &'v Value, name: &str) -> &'v str {
    of.get(name).and_then(Value::as_str).unwrap_or("")
}

/// Whether an expression is of a header that the packet does not have: then neither `==` nor `!=` holds.
fn of_others(left: &Value, packet: Packet<'_>) -> bool {
    let payload = left.get("payload").unwrap_or(&Value::Null);
    match word(payload, "protocol") {
        protocol @ ("tcp" | "udp") => protocol != packet.protocol,
        "ip" => packet.ipv6,
        "ip6" => !packet.ipv6,
        _ => false,
    }
}

/// Whether an expression has a value, or one of several.
fn nft_equal(left: &Value, right: &Value, packet: Packet<'_>) -> Option<bool> {
    if let Some(payload) = left.get("payload") {
        match (word(payload, "protocol"), word(payload, "field")) {
            ("tcp" | "udp", "dport") => contains(right, &|v| is_port(v, packet.port)),
            ("ip", "protocol") | ("ip6", "nexthdr") => {
                contains(right, &|v| Some(v.as_str()? == packet.protocol))
            }
            _ => None,
        }
    } else if let Some(meta) = left.get("meta") {
        match word(meta, "key") {
            "l4proto" => contains(right, &|v| Some(v.as_str()? == packet.protocol)),
            "iifname" | "iif" => contains(right, &|v| {
                let name = v.as_str()?;
                Some(match name.strip_suffix('*') {
                    Some(begin) => packet.interface.starts_with(begin),
                    None => name == packet.interface,
                })
            }),
            _ => None,
        }
    } else if left.get("ct").is_some_and(|ct| word(ct, "key") == "state") {
        contains(right, &|v| Some(v.as_str()? == "new"))
    } else {
        None
    }
}

/// Whether a value, or one of a set or list, is the one.
fn contains(value: &Value, is: &dyn Fn(&Value) -> Option<bool>) -> Option<bool> {
    let list = value
        .get("set")
        .and_then(Value::as_array)
        .or(value.as_array());
    let Some(list) = list else {
        return is(value);
    };
    let mut unsure = false;
    for v in list {
        match is(v) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unsure = true,
        }
    }
    (!unsure).then_some(false)
}

fn is_port(value: &Value, port: u64) -> Option<bool> {
    if let Some(n) = value.as_u64() {
        return Some(n == port);
    }
    let range = value.get("range")?.as_array()?;
    let end = |at: usize| range.get(at).and_then(Value::as_u64);
    Some((end(0)?..=end(1)?).contains(&port))
}

/// `445`, `440:450`, and several of them with commas.
fn in_ports(text: &str, port: u64) -> Option<bool> {
    for part in text.split(',') {
        let (low, high) = part.split_once(':').unwrap_or((part, part));
        let low: u64 = low.parse().ok()?;
        let high: u64 = high.parse().ok()?;
        if (low..=high).contains(&port) {
            return Some(true);
        }
    }
    Some(false)
}

fn iptables_rule(words: &[&str], line: &str, packet: Packet<'_>) -> Rule {
    let mut rule = Rule {
        holds: Some(true),
        verdict: Verdict::Continue,
        text: line.into(),
    };
    let mut words = words.iter().copied();
    let mut not = false;
    while let Some(word) = words.next() {
        let holds = match word {
            "!" => {
                not = true;
                continue;
            }
            "-p" => words.next().map(|p| p == packet.protocol || p == "all"),
            "--dport" | "--dports" => words.next().and_then(|p| in_ports(p, packet.port)),
            "-i" => words.next().map(|name| match name.strip_suffix('+') {
                Some(begin) => packet.interface.starts_with(begin),
                None => name == packet.interface,
            }),
            "--state" | "--ctstate" => words.next().map(|s| s.split(',').any(|s| s == "NEW")),
            // the name of an extension, or an option of a target: nothing is asked for
            "-m" | "--reject-with" | "--log-prefix" | "--comment" => {
                words.next();
                continue;
            }
            "-j" | "-g" => {
                let target = words.next().unwrap_or("");
                rule.verdict = match target {
                    "ACCEPT" => Verdict::Accept,
                    "DROP" | "REJECT" => Verdict::Drop,
                    "RETURN" => Verdict::Return,
                    "LOG" | "NFLOG" => Verdict::Continue,
                    name if word == "-g" => Verdict::Goto(name.into()),
                    name => Verdict::Call(name.into()),
                };
                continue;
            }
            _ => None,
        };
        let holds = holds.map(|h| h != not);
        not = false;
        rule.holds = both(rule.holds, holds);
    }
    rule
}
