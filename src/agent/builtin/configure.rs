//! `configure` to settings of webrtc-ice: what can be honoured, what cannot, and with which timers. Pure.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use webrtc_ice::agent::agent_config::AgentConfig;
use webrtc_ice::candidate::CandidateType;
use webrtc_ice::mdns::MulticastDnsMode;
use webrtc_ice::network_type::NetworkType;
use webrtc_ice::url::{SchemeType, Url};

use super::input::refusal;
use crate::ice::{CandidatePolicy, IceRole, OfferRole};
use crate::protocol::{Configure, Refusal, TimerProfile};

/// Everything the agent is made of.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Who offers.
    pub(super) role: OfferRole,
    /// Forced, or by offer role (RFC 8445 §6.1.1).
    pub(super) ice_role: IceRole,
    /// Candidates to gather.
    pub(super) policy: CandidatePolicy,
    /// Servers that the library can use, TURN over TCP through the shim.
    pub(super) servers: Vec<Server>,
    /// Loopback addresses are candidates too.
    pub(super) loopback: bool,
    /// Pace.
    pub(super) timers: Timers,
    /// What was asked for and is not done.
    pub(super) ignored: Vec<String>,
}

/// One URL.
#[derive(Clone, Debug)]
pub(super) struct Server {
    /// As given.
    pub(super) given: String,
    /// As the library reads it.
    pub(super) url: Url,
}

/// The library's timers, all of them, so that the record holds what was really used. Milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Timers {
    pub(super) profile: TimerProfile,
    /// Each tick sends a check on every pair that waits or is in progress; there is no other pacing.
    pub(super) check_interval_ms: u64,
    /// A pair fails at the tick that finds more than this many checks sent, so one more is sent.
    pub(super) max_binding_requests: u16,
    /// The controlling side nominates a pair only when its both candidates are this old, counted from the start of checks.
    pub(super) host_acceptance_min_wait_ms: u64,
    pub(super) srflx_acceptance_min_wait_ms: u64,
    pub(super) prflx_acceptance_min_wait_ms: u64,
    pub(super) relay_acceptance_min_wait_ms: u64,
    /// How long the data plane of an allocation waits after its candidate is out ([`crate::agent::turn_shim`]), and checks after
    /// a late answer for the candidates that follow it; natlab's own, 0 in the library.
    pub(super) relay_hold_ms: u64,
    pub(super) keepalive_interval_ms: u64,
    pub(super) disconnected_timeout_ms: u64,
    /// After disconnection; an agent that never connects fails after the sum of both.
    pub(super) failed_timeout_ms: u64,
}

impl Timers {
    pub(super) fn of(profile: TimerProfile) -> Timers {
        // webrtc-ice 0.17.2, `agent_config.rs`: private constants there, hence repeated here and given explicitly.
        let stock = Timers {
            profile: TimerProfile::Stock,
            check_interval_ms: 200,
            max_binding_requests: 7,
            host_acceptance_min_wait_ms: 0,
            srflx_acceptance_min_wait_ms: 500,
            prflx_acceptance_min_wait_ms: 1000,
            relay_acceptance_min_wait_ms: 2000,
            relay_hold_ms: 0,
            keepalive_interval_ms: 2000,
            disconnected_timeout_ms: 5000,
            failed_timeout_ms: 25_000,
        };
        match profile {
            TimerProfile::Stock => stock,
            TimerProfile::Lab => Timers {
                profile,
                check_interval_ms: 20,
                max_binding_requests: 50,
                srflx_acceptance_min_wait_ms: 0,
                prflx_acceptance_min_wait_ms: 0,
                // Not 0: relay pairs may answer before direct ones, and the first nominated pair is final.
                relay_acceptance_min_wait_ms: 500,
                // Far less than that wait, and far more than a candidate takes through signalling.
                relay_hold_ms: 100,
                ..stock
            },
        }
    }

    /// Transmissions after which a pair is given up: `ping_all_candidates` compares the count *before* it sends
    /// (`agent_internal.rs`: `binding_request_count > max_binding_requests`), so it is one more than the setting.
    pub(super) fn checks_per_pair(&self) -> u32 {
        u32::from(self.max_binding_requests) + 1
    }
}

/// Reads what is asked; `raw` is the whole command, for fields that the types do not know.
pub(super) fn settings(asked: &Configure, raw: &Map<String, Value>) -> Result<Settings, Refusal> {
    let mut ignored = unknown_fields(raw);
    let mut servers = Vec::new();
    for server in &asked.ice_servers {
        for given in &server.urls {
            let mut url = Url::parse_url(given).map_err(|e| refusal("bad_url", format!("{given}: {e}")))?;
            url.username = server.username.clone().unwrap_or_default();
            url.password = server.credential.clone().unwrap_or_default();
            let anonymous = url.username.is_empty() || url.password.is_empty();
            match url.scheme {
                // The library would send plain datagrams to a `stuns:` server and has no TLS for `turns:`.
                SchemeType::Stuns | SchemeType::Turns | SchemeType::Unknown => {
                    ignored.push(format!("ice_servers:{given}"))
                }
                // One such URL makes the library skip every relay after it (`gather_candidates_relay` returns).
                SchemeType::Turn if anonymous => ignored.push(format!("ice_servers:{given}")),
                SchemeType::Stun | SchemeType::Turn => servers.push(Server { given: given.clone(), url }),
            }
        }
    }
    let network = asked.network.clone().unwrap_or_default();
    for family in network.families.iter().filter(|family| *family != "ipv4") {
        ignored.push(format!("network.families:{family}"));
    }
    if !network.families.is_empty() && !network.families.iter().any(|family| family == "ipv4") {
        return Err(refusal("unsupported", "this agent speaks IPv4 only"));
    }
    Ok(Settings {
        role: asked.role,
        ice_role: asked.ice_role.unwrap_or(match asked.role {
            OfferRole::Offerer => IceRole::Controlling,
            OfferRole::Answerer => IceRole::Controlled,
        }),
        policy: asked.policy,
        servers,
        loopback: network.loopback,
        timers: Timers::of(asked.timers.as_ref().map_or(TimerProfile::Stock, |t| t.profile)),
        ignored,
    })
}

/// Names of fields that nothing here reads, in the order of their names.
fn unknown_fields(raw: &Map<String, Value>) -> Vec<String> {
    const KNOWN: [&str; 9] = ["cmd", "id", "role", "ice_servers", "policy", "trickle", "ice_role", "timers", "network"];
    const NETWORK: [&str; 2] = ["families", "loopback"];
    let mut unknown: Vec<String> = raw.keys().filter(|key| !KNOWN.contains(&key.as_str())).cloned().collect();
    if let Some(network) = raw.get("network").and_then(Value::as_object) {
        unknown
            .extend(network.keys().filter(|key| !NETWORK.contains(&key.as_str())).map(|key| format!("network.{key}")));
    }
    unknown
}

/// The library's own configuration; `urls` are those of [`Settings::servers`], shims in place.
pub(super) fn library_config(settings: &Settings, urls: Vec<Url>) -> AgentConfig {
    let timers = &settings.timers;
    let ms = Duration::from_millis;
    let candidate_types = match settings.policy {
        CandidatePolicy::All => vec![CandidateType::Host, CandidateType::ServerReflexive, CandidateType::Relay],
        CandidatePolicy::Host => vec![CandidateType::Host],
        CandidatePolicy::Srflx => vec![CandidateType::ServerReflexive],
        CandidatePolicy::Relay => vec![CandidateType::Relay],
    };
    AgentConfig {
        // With host candidates only, any URL is an error to the library (`ErrUselessUrlsProvided`).
        urls: if settings.policy == CandidatePolicy::Host { Vec::new() } else { urls },
        // Empty would mean relay candidates only.
        network_types: vec![NetworkType::Udp4],
        candidate_types,
        multicast_dns_mode: MulticastDnsMode::Disabled,
        is_controlling: settings.ice_role == IceRole::Controlling,
        include_loopback: settings.loopback,
        check_interval: ms(timers.check_interval_ms),
        max_binding_requests: Some(timers.max_binding_requests),
        host_acceptance_min_wait: Some(ms(timers.host_acceptance_min_wait_ms)),
        srflx_acceptance_min_wait: Some(ms(timers.srflx_acceptance_min_wait_ms)),
        prflx_acceptance_min_wait: Some(ms(timers.prflx_acceptance_min_wait_ms)),
        relay_acceptance_min_wait: Some(ms(timers.relay_acceptance_min_wait_ms)),
        keepalive_interval: Some(ms(timers.keepalive_interval_ms)),
        disconnected_timeout: Some(ms(timers.disconnected_timeout_ms)),
        failed_timeout: Some(ms(timers.failed_timeout_ms)),
        ..AgentConfig::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn read(extra: Value) -> Result<Settings, Refusal> {
        let mut raw = json!({"cmd": "configure", "id": 1, "role": "answerer", "ice_servers": [], "policy": "all", "trickle": true});
        raw.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        settings(&serde_json::from_value(raw.clone()).unwrap(), raw.as_object().unwrap())
    }

    #[test]
    fn the_offerer_controls_unless_it_is_told_otherwise() {
        assert_eq!(read(json!({})).unwrap().ice_role, IceRole::Controlled);
        assert_eq!(read(json!({"role": "offerer"})).unwrap().ice_role, IceRole::Controlling);
        let forced = read(json!({"role": "offerer", "ice_role": "controlled"})).unwrap();
        assert_eq!(forced.ice_role, IceRole::Controlled);
        assert!(!library_config(&forced, Vec::new()).is_controlling);
    }

    #[test]
    fn servers_the_library_cannot_use_are_named_and_left_out() {
        let settings = read(json!({"ice_servers": [
            {"urls": ["stun:192.0.2.1:3478", "stuns:192.0.2.1"]},
            {"urls": ["turn:192.0.2.1:3478", "turn:192.0.2.1?transport=tcp", "turns:192.0.2.1"], "username": "u", "credential": "p"},
            {"urls": ["turn:192.0.2.2"], "username": "u"},
        ]}))
        .unwrap();
        assert_eq!(
            settings.ignored,
            ["ice_servers:stuns:192.0.2.1", "ice_servers:turns:192.0.2.1", "ice_servers:turn:192.0.2.2"]
        );
        let kept: Vec<_> = settings.servers.iter().map(|s| (s.given.as_str(), s.url.port)).collect();
        assert_eq!(
            kept,
            [("stun:192.0.2.1:3478", 3478), ("turn:192.0.2.1:3478", 3478), ("turn:192.0.2.1?transport=tcp", 3478)]
        );
        let bad = read(json!({"ice_servers": [{"urls": ["http://192.0.2.1"]}]})).unwrap_err();
        assert_eq!(bad.code, "bad_url");
    }

    #[test]
    fn what_nothing_reads_is_said_to_be_ignored() {
        let settings = read(json!({
            "tie_breaker": 1, "network": {"families": ["ipv4", "ipv6"], "tcp": true, "loopback": true},
        }))
        .unwrap();
        assert_eq!(settings.ignored, ["tie_breaker", "network.tcp", "network.families:ipv6"]);
        assert!(settings.loopback);
        assert_eq!(read(json!({"network": {"families": ["ipv6"]}})).unwrap_err().code, "unsupported");
    }

    #[test]
    fn policies_choose_what_is_gathered() {
        let types = |policy: &str| {
            let settings = read(json!({"policy": policy})).unwrap();
            let config = library_config(&settings, vec![Url::parse_url("stun:192.0.2.1").unwrap()]);
            (config.candidate_types, config.urls.len())
        };
        use CandidateType::{Host, Relay, ServerReflexive};
        assert_eq!(types("all"), (vec![Host, ServerReflexive, Relay], 1));
        assert_eq!(types("host"), (vec![Host], 0));
        assert_eq!(types("srflx"), (vec![ServerReflexive], 1));
        assert_eq!(types("relay"), (vec![Relay], 1));
    }

    #[test]
    fn the_lab_profile_checks_each_20_ms_and_gives_a_pair_up_after_51_checks() {
        let lab = read(json!({"timers": {"profile": "lab"}})).unwrap().timers;
        assert_eq!((lab.check_interval_ms, lab.checks_per_pair(), lab.relay_acceptance_min_wait_ms), (20, 51, 500));
        let stock = read(json!({})).unwrap().timers;
        assert_eq!((stock.profile, stock.check_interval_ms, stock.checks_per_pair()), (TimerProfile::Stock, 200, 8));
        assert_eq!(serde_json::to_value(&lab).unwrap()["profile"], "lab");
    }
}
