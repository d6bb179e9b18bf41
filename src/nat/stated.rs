//! A behaviour as a scenario would state it: the keys of `[nat.NAME]` and their values. Pure.

use std::time::Duration;

use serde::Serialize;

use super::{Behavior, Filtering, PortAssignment, Translation, UdpPolicy};

impl Behavior {
    /// Every axis that means something for this behaviour, as the key and the value that a scenario has for it; keys of
    /// the `tcp` table as `tcp.KEY`.
    pub fn stated(&self) -> Vec<(&'static str, String)> {
        let mut out = vec![("translation", word(self.translation))];
        let mut say = |key, value| out.push((key, value));
        let napt = self.translation == Translation::Napt;
        let tcp = self.tcp();
        let open = |filtering| filtering == Filtering::EndpointIndependent;
        let public = self.translation == Translation::None;
        if self.udp == UdpPolicy::Blocked {
            say("udp", word(self.udp));
        } else {
            if napt {
                say("mapping", word(self.mapping));
            }
            say("filtering", word(self.filtering));
        }
        if napt {
            say("ports", word(self.ports));
            if self.ports == PortAssignment::Sequential {
                say("port-step", self.port_step.to_string());
            }
            if self.ports != PortAssignment::Overloading {
                say("port-range", self.port_range.to_string());
            }
            if let Some(block) = self.port_block {
                say("port-block", block.to_string());
            }
            if self.addresses > 1 {
                say("addresses", self.addresses.to_string());
                say("pooling", word(self.pooling));
            }
        }
        if self.translation.translates() && self.udp == UdpPolicy::Allowed {
            say("hairpinning", word(self.hairpinning));
        }
        if self.udp == UdpPolicy::Allowed && !(public && open(self.filtering)) {
            say("lifetime", duration(self.lifetime_ms));
            say("refresh", word(self.refresh));
            say("unsolicited", word(self.unsolicited));
        }
        if !(public && open(self.filtering) && open(tcp.filtering)) {
            say("icmp-errors", word(self.icmp_errors));
            if napt {
                say("tcp.mapping", word(tcp.mapping));
            }
            say("tcp.filtering", word(tcp.filtering));
            say("tcp.unsolicited", word(tcp.unsolicited));
            say("tcp.simultaneous-open", word(tcp.simultaneous_open));
            say("tcp.lifetime", duration(tcp.lifetime_ms));
        }
        out
    }
}

/// The word that scenarios have for a value.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        // Every axis is an enumeration of words.
        _ => String::new(),
    }
}

/// A duration in its largest whole unit, as scenarios write it; days have none there.
pub fn duration(ms: u64) -> String {
    let seconds = Duration::from_millis(ms).as_secs();
    match ms {
        ms if ms % 1000 > 0 => format!("{ms}ms"),
        _ if seconds.is_multiple_of(86_400) && seconds > 0 => format!("{}d", seconds / 86_400),
        _ if seconds.is_multiple_of(3600) && seconds > 0 => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) && seconds >= 120 => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nat::{Mapping, preset};

    #[test]
    fn every_value_has_a_word() {
        for p in &preset::ALL {
            let stated = p.behavior.stated();
            assert!(stated.iter().all(|(key, value)| !key.is_empty() && !value.is_empty()), "{}: {stated:?}", p.name);
        }
    }

    #[test]
    fn only_what_means_something_is_stated() {
        let keys = |b: Behavior| b.stated().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(Behavior::public(Filtering::EndpointIndependent)), ["translation", "filtering"]);
        let eim = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent);
        assert!(!keys(eim).contains(&"pooling"));
        assert!(keys(Behavior { addresses: 2, ..eim }).contains(&"pooling"));
        assert!(!keys(Behavior { udp: UdpPolicy::Blocked, ..eim }).contains(&"lifetime"));
        assert!(!keys(Behavior::one_to_one(Filtering::AddressDependent)).contains(&"ports"));
    }

    #[test]
    fn durations_are_short() {
        for (ms, text) in [
            (0, "0s"),
            (200, "200ms"),
            (30_000, "30s"),
            (60_000, "60s"),
            (90_000, "90s"),
            (300_000, "5m"),
            (7_440_000, "124m"),
            (3_600_000, "1h"),
            (432_000_000, "5d"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }
}
