//! Types of plan and NAT under the record's own spelling: events spell names with underscores, the record as the W3C does.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ice::CandidateType;
use crate::nat::{
    Behavior, Filtering, Hairpinning, IcmpErrors, Mapping, Measured, Pooling, PortAssignment, PortRange, Refresh,
    Semantics, SimultaneousOpen, Tcp, Translation, UdpPolicy, Unsolicited, UnsolicitedSyn,
};
use crate::plan::{Deadlines, Expectation, ExpectedOutcome};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Behavior", rename_all = "camelCase")]
pub(super) struct BehaviorNames {
    translation: Translation,
    mapping: Mapping,
    filtering: Filtering,
    ports: PortAssignment,
    hairpinning: Hairpinning,
    semantics: Semantics,
    udp: UdpPolicy,
    lifetime_ms: u64,
    #[serde(default)]
    port_range: PortRange,
    #[serde(default = "one")]
    port_step: i8,
    #[serde(default)]
    port_block: Option<u16>,
    #[serde(default = "one")]
    addresses: u8,
    #[serde(default)]
    pooling: Pooling,
    #[serde(default)]
    refresh: Refresh,
    #[serde(default)]
    unsolicited: Unsolicited,
    #[serde(default)]
    icmp_errors: IcmpErrors,
    #[serde(default, with = "tcp")]
    tcp: Option<Tcp>,
}

fn one<T: From<bool>>() -> T {
    T::from(true)
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Tcp", rename_all = "camelCase")]
struct TcpNames {
    mapping: Mapping,
    filtering: Filtering,
    unsolicited: UnsolicitedSyn,
    simultaneous_open: SimultaneousOpen,
    lifetime_ms: u64,
}

/// `Option<Tcp>`, for `#[serde(with)]`.
mod tcp {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Named(#[serde(with = "TcpNames")] Tcp);

    pub(super) fn serialize<S: Serializer>(value: &Option<Tcp>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Named).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Tcp>, D::Error> {
        Ok(Option::<Named>::deserialize(from)?.map(|Named(tcp)| tcp))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Measured", rename_all = "camelCase")]
pub(super) struct MeasuredNames {
    udp: Option<UdpPolicy>,
    translation: Option<Translation>,
    mapping: Option<Mapping>,
    filtering: Option<Filtering>,
    ports_preserved: Option<bool>,
    hairpinning: Option<Hairpinning>,
    evidence: Vec<String>,
    undecided: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Deadlines", rename_all = "camelCase")]
pub(super) struct DeadlinesNames {
    connect_ms: u64,
    hello_ms: u64,
    data_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Expectation", rename_all = "camelCase")]
pub(super) struct ExpectationNames {
    outcome: Vec<ExpectedOutcome>,
    local: Vec<CandidateType>,
    remote: Vec<CandidateType>,
    connect_within_ms: Option<u64>,
    because: Option<String>,
}

/// `Option<Behavior>`, for `#[serde(with)]`.
pub(super) mod behavior {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Named(#[serde(with = "BehaviorNames")] Behavior);

    pub(in super::super) fn serialize<S: Serializer>(value: &Option<Behavior>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Named).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Behavior>, D::Error> {
        Ok(Option::<Named>::deserialize(from)?.map(|Named(behavior)| behavior))
    }
}

/// `Option<Expectation>`, for `#[serde(with)]`.
pub(super) mod expectation {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Named(#[serde(with = "ExpectationNames")] Expectation);

    pub(in super::super) fn serialize<S: Serializer>(value: &Option<Expectation>, to: S) -> Result<S::Ok, S::Error> {
        value.clone().map(Named).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Expectation>, D::Error> {
        Ok(Option::<Named>::deserialize(from)?.map(|Named(expectation)| expectation))
    }
}
