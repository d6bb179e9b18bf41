//! `[nat.NAME]` as it is written. Nothing is checked here beyond types.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Loss, Millis, READ_AS};
use crate::nat::preset;
use crate::nat::{
    Filtering, Hairpinning, IcmpErrors, Mapping, Pooling, PortAssignment, PortRange, Refresh, Semantics,
    SimultaneousOpen, Translation, UdpPolicy, Unsolicited, UnsolicitedSyn,
};
use crate::net::Transport;

/// A NAT or a firewall. Its behaviour is a `preset`, or the axes of RFC 4787 (`mapping` and `filtering`, or
/// `translation` and `filtering`), or a preset with more axes that do not contradict it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NatTable {
    /// A behaviour by its usual name. Without it the axes alone count.
    #[schemars(schema_with = "preset_names")]
    pub preset: Option<String>,
    /// How long an external endpoint is reused for packets from the same inside endpoint (RFC 4787 section 4.1).
    /// Without it the preset's, else `eim`.
    #[schemars(schema_with = "mapping")]
    pub mapping: Option<Mapping>,
    /// Which inbound packets an external endpoint lets through (RFC 4787 section 5). Without it the preset's, else
    /// `apdf`.
    #[schemars(schema_with = "filtering")]
    pub filtering: Option<Filtering>,
    /// How external ports are chosen (RFC 4787 section 4.2). Without it `preserving` for endpoint-independent mapping
    /// and `random` otherwise.
    pub ports: Option<PortAssignment>,
    /// How far two ports are apart that are assigned one after the other, where `ports` is `sequential`: 1 or 2, up or
    /// down. Without it 1.
    #[schemars(range(min = -2, max = 2))]
    pub port_step: Option<i8>,
    /// From which external ports are taken, both ends included. A port that is preserved need not lie there. Without it
    /// `20000-32767`.
    pub port_range: Option<Ports>,
    /// Each host inside has a block of this many external ports of its own, as behind a carrier's NAT; when it is full,
    /// packets that need another one are dropped. Without it all hosts share the whole range.
    #[schemars(range(min = 1, max = 65535))]
    pub port_block: Option<u16>,
    /// External addresses: how many, or which ones. Of a NAT with `translation = "one-to-one"` one for each node behind
    /// it. Without it one, or as many as a one-to-one NAT needs.
    pub addresses: Option<ExternalAddresses>,
    /// Which of several external addresses a mapping gets (RFC 4787 section 4.1). Without it `paired`.
    pub pooling: Option<Pooling>,
    /// Whether two endpoints behind this NAT reach each other through their external endpoints (RFC 4787 section 6).
    /// Without it `none`.
    pub hairpinning: Option<Hairpinning>,
    /// How long an idle UDP mapping lives (RFC 4787 section 4.3), at least 200 ms. Without it 120 s.
    pub lifetime: Option<Millis>,
    /// Which packets keep an idle UDP mapping alive (RFC 4787 section 4.3). Without it `both`.
    pub refresh: Option<Refresh>,
    /// What a UDP packet gets that nobody inside asked for. Without it `dropped`.
    pub unsolicited: Option<Unsolicited>,
    /// What becomes of ICMP errors about packets of live mappings (RFC 5508 section 4). Without it `translated`.
    pub icmp_errors: Option<IcmpErrors>,
    /// What it does with TCP (RFC 5382), where that is not what it does with UDP.
    pub tcp: Option<TcpTable>,
    /// Static port forwards: external ports that always lead to a node inside.
    #[schemars(length(min = 1, max = 64))]
    pub forward: Vec<ForwardTable>,
    /// Where the answer to a session from outside leaves, for `adm`/`eif`, `apdm`/`eif` and `apdm`/`adf`: the only
    /// behaviours that leave it open. Without it `strict`.
    pub semantics: Option<Semantics>,
    /// Whether UDP passes at all. Without it the preset's, else `allowed`.
    pub udp: Option<UdpPolicy>,
    /// Whether addresses are translated. `none` makes a plain router (`filtering = "eif"`) or a stateful firewall in
    /// front of public addresses; `one-to-one` gives each node behind it an external address of its own. Without it the
    /// preset's, else `napt`.
    pub translation: Option<Translation>,
    /// Name of the NAT that this one stands behind (as a home router behind a carrier's NAT). Without it this NAT is on
    /// the Internet.
    pub behind: Option<String>,
    /// Its external address, the first where it has several, where it matters: from `network.wan`, or behind another NAT from `network.lan` or
    /// 100.64.0.0/10. Without it natlab chooses one.
    pub address: Option<Ipv4Addr>,
    /// Whether the nodes behind it are kept from reaching each other directly, as in a guest network.
    pub isolated: bool,
    /// How many packets its link towards the Internet loses, by chance: a share such as `"5%"` for both directions, or
    /// one for each. Without it none.
    pub loss: Option<Loss>,
}

/// What a NAT does with TCP (RFC 5382); what is not stated is as for UDP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TcpTable {
    /// How long an external endpoint is reused for connections from the same inside endpoint (RFC 5382 section 4.1).
    /// Without it as for UDP.
    #[schemars(schema_with = "mapping")]
    pub mapping: Option<Mapping>,
    /// From whom an external endpoint lets connections in (RFC 5382 section 4.3). Without it as for UDP.
    #[schemars(schema_with = "filtering")]
    pub filtering: Option<Filtering>,
    /// What a SYN gets that nobody inside asked for. Without it `dropped`.
    pub unsolicited: Option<UnsolicitedSyn>,
    /// Whether two SYNs that cross make a connection (RFC 5382 section 4.2). Without it `supported`.
    pub simultaneous_open: Option<SimultaneousOpen>,
    /// How long an idle connection's mapping lives (RFC 5382 section 5), at least 1 s. Without it the preset's, else 124
    /// minutes.
    pub lifetime: Option<Millis>,
}

/// A static port forward: what arrives at an external port goes inside, whoever sends it.
// `Option`s, so that a forward without one of them can be checked further; the schema requires them all the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(extend("required" = ["port", "protocol", "to"]))]
pub struct ForwardTable {
    /// Of which protocol.
    pub protocol: Option<Transport>,
    /// External port, of the NAT's first external address.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The node it leads to, which stands directly behind this NAT.
    pub to: Option<String>,
    /// The port there. Without it the same.
    #[schemars(range(min = 1, max = 65535))]
    pub to_port: Option<u16>,
}

/// External addresses: a number, or the addresses themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum ExternalAddresses {
    /// This many, which natlab chooses.
    Count(#[schemars(range(min = 1, max = 16))] u8),
    /// These.
    These(#[schemars(length(min = 1, max = 16))] Vec<Ipv4Addr>),
}

/// Ports from one to another, as `"40000-40999"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports(pub PortRange);

/// The text is not a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a range of ports is two numbers from 1 to 65535, the lower one first, such as \"40000-40999\"")]
pub struct NotAPortRange;

impl FromStr for Ports {
    type Err = NotAPortRange;

    fn from_str(text: &str) -> Result<Self, NotAPortRange> {
        let port = |s: &str| s.trim().parse().ok().filter(|p: &u16| *p > 0).ok_or(NotAPortRange);
        let (first, last) = text.split_once('-').ok_or(NotAPortRange)?;
        let range = PortRange { first: port(first)?, last: port(last)? };
        if range.is_empty() { Err(NotAPortRange) } else { Ok(Ports(range)) }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Ports {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Ports {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ports".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^ *[0-9]{1,5} *- *[0-9]{1,5} *$", READ_AS: "range of ports" })
    }
}

fn preset_names(_: &mut SchemaGenerator) -> Schema {
    let choices: Vec<_> = preset::ALL
        .iter()
        .map(|p| json_schema!({ "type": "string", "const": p.name, "description": sentence(p.summary) }))
        .collect();
    json_schema!({ "oneOf": choices })
}

/// A summary as the docstrings of other values are: a sentence.
fn sentence(summary: &str) -> String {
    let mut letters = summary.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// An axis with its short names, which the documentation uses, and the long ones of RFC 4787.
fn axis(choices: [(&str, &str, &str); 3]) -> Schema {
    let choices: Vec<_> = choices
        .into_iter()
        .flat_map(|(short, long, meaning)| {
            [
                json_schema!({ "type": "string", "const": short, "description": meaning }),
                json_schema!({ "type": "string", "const": long, "description": format!("The same as `{short}`.") }),
            ]
        })
        .collect();
    json_schema!({ "oneOf": choices })
}

fn mapping(_: &mut SchemaGenerator) -> Schema {
    axis([
        ("eim", "endpoint-independent", "The same external endpoint towards everybody."),
        ("adm", "address-dependent", "One external endpoint per remote address."),
        ("apdm", "address-and-port-dependent", "One external endpoint per remote address and port."),
    ])
}

fn filtering(_: &mut SchemaGenerator) -> Schema {
    axis([
        ("eif", "endpoint-independent", "Packets from everybody come in."),
        ("adf", "address-dependent", "Packets from addresses that the inside endpoint has sent to come in."),
        (
            "apdf",
            "address-and-port-dependent",
            "Packets from addresses and ports that the inside endpoint has sent to come in.",
        ),
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_range_of_ports_has_both_ends() {
        for (text, first, last) in
            [("40000-40999", 40_000, 40_999), ("1 - 65535", 1, 65_535), ("7000-7000", 7000, 7000)]
        {
            assert_eq!(text.parse(), Ok(Ports(PortRange { first, last })), "{text}");
        }
        for text in ["", "7000", "0-7", "8-7", "1-65536", "a-b", "1-2-3", "-"] {
            assert_eq!(text.parse::<Ports>(), Err(NotAPortRange), "{text}");
        }
    }
}
