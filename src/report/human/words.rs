//! Values of a record in words: times, endpoints, verdicts, behaviours.

use std::net::SocketAddr;

use super::paint::Tone;
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping, PortAssignment, Semantics, Translation};
use crate::plan::ExpectedOutcome;
use crate::record::trial::{NatRecord, RelayUse};
use crate::record::{AgentRecord, TrialRecord};
use crate::trace::LossTrace;
use crate::verdict::Verdict;

/// A time in milliseconds with three significant digits at most, in seconds from one second on.
pub fn duration(ms: f64) -> String {
    // Half of the last digit that is shown decides, so that 999.7 ms is 1.00 s and not 1000 ms.
    match ms.abs() {
        a if a < 0.995 => format!("{ms:.2} ms"),
        a if a < 9.95 => format!("{ms:.1} ms"),
        a if a < 999.5 => format!("{ms:.0} ms"),
        a if a < 9_995.0 => format!("{:.2} s", ms / 1000.0),
        a if a < 99_950.0 => format!("{:.1} s", ms / 1000.0),
        _ => format!("{:.0} s", ms / 1000.0),
    }
}

/// An endpoint, and its transport where it is not UDP.
pub fn endpoint(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// Endpoints, or nothing.
pub fn endpoints(list: &[SocketAddr]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a gateway is called: by its preset, unless that is the classic name, which people write without hyphens.
pub fn name(nat: &NatRecord) -> Option<&str> {
    let (preset, classic) = (nat.preset.as_deref(), nat.classic_name.as_deref());
    let says_more = |p: &&str| classic.is_none_or(|c| c.replace(' ', "-") != *p);
    preset.filter(says_more).or(classic)
}

/// What a link lost, beside what it was to lose.
pub fn loss(loss: &LossTrace) -> String {
    let all = loss.dropped + loss.passed;
    let share = |hundredths: f64| format!("{:.1} %", hundredths / 100.0);
    let found =
        if all == 0 { String::new() } else { format!(" ({})", share(10_000.0 * loss.dropped as f64 / all as f64)) };
    format!("{} {} {} of {all}{found}, asked {}", loss.node, loss.direction, loss.dropped, share(f64::from(loss.asked)))
}

/// A mark and a word, and their tone: never the one without the other.
pub const fn verdict(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Met => ("✓ met", Tone::Good),
        Verdict::Unmet => ("✗ unmet", Tone::Bad),
        Verdict::Inconclusive => ("? inconclusive", Tone::Doubt),
        Verdict::Void => ("! void", Tone::Doubt),
        Verdict::Skipped => ("- skipped", Tone::Dim),
    }
}

/// Outcomes that can be expected, as parts: `direct or`, `relayed`.
pub fn outcomes(outcomes: &[ExpectedOutcome]) -> Vec<String> {
    let last = outcomes.len().saturating_sub(1);
    let word = |(i, outcome): (usize, &ExpectedOutcome)| {
        let word = match outcome {
            ExpectedOutcome::Direct => "direct",
            ExpectedOutcome::Relayed => "relayed",
            ExpectedOutcome::NoPath => "no path",
        };
        if i < last { format!("{word} or") } else { word.to_owned() }
    };
    outcomes.iter().enumerate().map(word).collect()
}

/// Who offers to whom, and which repeat it is.
pub fn direction(trial: &TrialRecord) -> [String; 2] {
    let repeat = if trial.repeat > 1 { format!(" #{}", trial.repeat) } else { String::new() };
    [trial.offerer.clone(), format!("→ {}{repeat}", trial.answerer)]
}

/// The selected pair from one side: `host 10.1.0.2:1`, `→ relay 198.51.100.5:2`.
pub fn selected_pair(agent: &AgentRecord) -> Option<[String; 2]> {
    let pair = agent.selected_pair.as_ref()?;
    let local = format!("{} {}", pair.local.kind, endpoint(&pair.local.address, pair.local.port));
    let remote = format!("→ {} {}", pair.remote.kind, endpoint(&pair.remote.address, pair.remote.port));
    Some([local, remote])
}

/// Whether a relay was needed and used, and how late.
pub fn relay(relay: &RelayUse) -> Vec<String> {
    let mut parts = Vec::new();
    match (relay.needed, relay.used) {
        (Some(true), true) => parts.push("needed, used".to_owned()),
        (Some(true), false) => parts.push("needed, not used".to_owned()),
        (Some(false), true) => parts.push("not needed, used".to_owned()),
        (Some(false), false) => parts.push("not needed".to_owned()),
        (None, true) => parts.push("used".to_owned()),
        (None, false) => parts.push("not used".to_owned()),
    }
    parts.extend(relay.after_ms.map(|ms| format!("after {}", duration(ms))));
    parts
}

/// A gateway's behaviour by the name it goes by, with every axis that is not as usual.
pub fn behaviour(name: Option<&str>, behaviour: &Behavior) -> String {
    let axes = behaviour.to_string();
    let mut text = match name {
        // The preset of blocked UDP says no more than the axes.
        Some(name) if name.replace('-', " ").eq_ignore_ascii_case(&axes) => axes,
        Some(name) => format!("{name} ({axes})"),
        None => axes,
    };
    for unusual in unusual(behaviour) {
        text.push_str(", ");
        text.push_str(&unusual);
    }
    text
}

/// Axes that differ from those of a NAT of this mapping and filtering for which nothing else is said.
fn unusual(behaviour: &Behavior) -> Vec<String> {
    let usual = match behaviour.translation {
        Translation::Napt => Behavior::napt(behaviour.mapping, behaviour.filtering),
        Translation::OneToOne => Behavior::one_to_one(behaviour.filtering),
        Translation::None => Behavior::public(behaviour.filtering),
    };
    let mut found = Vec::new();
    if behaviour.ports != usual.ports {
        found.push(format!("ports {}", ports(behaviour)));
    }
    if behaviour.hairpinning != usual.hairpinning {
        found.push(format!("hairpinning {}", hairpinning(behaviour.hairpinning)));
    }
    // Elsewhere both mean the same.
    let open = matches!(
        (behaviour.mapping, behaviour.filtering),
        (Mapping::AddressDependent, Filtering::EndpointIndependent)
            | (Mapping::AddressAndPortDependent, Filtering::EndpointIndependent | Filtering::AddressDependent)
    );
    if open && behaviour.semantics == Semantics::ReplyAffine {
        found.push("reply-affine".to_owned());
    }
    if behaviour.lifetime_ms != usual.lifetime_ms {
        found.push(format!("mappings live {}", duration(behaviour.lifetime_ms as f64)));
    }
    found
}

/// How ports are assigned.
pub const fn ports(behaviour: &Behavior) -> &'static str {
    match behaviour.ports {
        PortAssignment::Preserving => "preserved",
        PortAssignment::Parity => "of the same parity",
        PortAssignment::Sequential => "sequential",
        PortAssignment::Random => "random",
        PortAssignment::Overloading => "overloaded",
    }
}

/// What becomes of packets between two inside endpoints.
pub const fn hairpinning(hairpinning: Hairpinning) -> &'static str {
    match hairpinning {
        Hairpinning::None => "none",
        Hairpinning::ExternalSource => "from the external endpoint",
        Hairpinning::InternalSource => "from the inside endpoint",
    }
}

/// `1 trial`, `2 trials`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("{n} {one}") } else { format!("{n} {one}s") }
}

/// The first sentence of a description.
pub fn first_sentence(description: &str) -> &str {
    description.split_inclusive(". ").next().unwrap_or(description).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_the_unit_that_suits_them() {
        let said: Vec<String> = [0.0, 0.851, 0.996, 4.502, 9.96, 515.35, 999.6, 2030.522, 9_996.0, 20_000.0, 120_000.0]
            .into_iter()
            .map(duration)
            .collect();
        assert_eq!(
            said,
            [
                "0.00 ms", "0.85 ms", "1.0 ms", "4.5 ms", "10 ms", "515 ms", "1.00 s", "2.03 s", "10.0 s", "20.0 s",
                "120 s"
            ]
        );
        assert_eq!(duration(-1.25), "-1.2 ms", "before the offer");
    }

    #[test]
    fn a_behaviour_says_what_is_not_as_usual() {
        let symmetric = Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);
        assert_eq!(behaviour(Some("symmetric"), &symmetric), "symmetric (APDM/APDF)");
        let unusual = Behavior {
            hairpinning: Hairpinning::ExternalSource,
            ports: PortAssignment::Preserving,
            lifetime_ms: 500,
            ..symmetric
        };
        assert_eq!(
            behaviour(None, &unusual),
            "APDM/APDF, ports preserved, hairpinning from the external endpoint, mappings live 500 ms"
        );
        let open = Behavior {
            semantics: Semantics::ReplyAffine,
            ..Behavior::napt(Mapping::AddressAndPortDependent, Filtering::EndpointIndependent)
        };
        assert_eq!(behaviour(None, &open), "APDM/EIF, reply-affine");
        let blocked = Behavior { udp: crate::nat::UdpPolicy::Blocked, ..symmetric };
        assert_eq!(behaviour(Some("udp-blocked"), &blocked), "UDP blocked");
    }

    #[test]
    fn outcomes_break_between_words() {
        use ExpectedOutcome::{Direct, NoPath, Relayed};
        assert_eq!(outcomes(&[Direct, Relayed]), ["direct or", "relayed"]);
        assert_eq!(outcomes(&[NoPath]), ["no path"]);
    }
}
