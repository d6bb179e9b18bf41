//! What a probe found a gateway to do, and how that compares with what was declared. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Behavior, Filtering, Hairpinning, Mapping, PortAssignment, Translation, UdpPolicy};

/// What the probe found a gateway to do; `None` where it was not measured, never a guess.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Whether any UDP came back at all.
    pub udp: Option<UdpPolicy>,
    /// Whether the reflexive address differs from the local one.
    pub translation: Option<Translation>,
    /// Tests I to III of RFC 5780 §4.3.
    pub mapping: Option<Mapping>,
    /// Tests I to III of RFC 5780 §4.4.
    pub filtering: Option<Filtering>,
    /// Whether every probing socket kept its port.
    pub ports_preserved: Option<bool>,
    /// Whether a packet to the own reflexive endpoint came back, and from which source.
    pub hairpinning: Option<Hairpinning>,
    /// What it saw, test by test, for people.
    pub evidence: Vec<String>,
    /// Why an axis could not be decided.
    pub undecided: Vec<String>,
}

impl Measured {
    /// Whether something was found that is not as declared, as opposed to not found out.
    pub fn contradicts(&self, declared: &Behavior) -> bool {
        let decided = self.clone();
        let known = Measured {
            udp: decided.udp.or(Some(declared.udp)),
            translation: decided.translation.or(Some(declared.translation)),
            mapping: decided.mapping.or(Some(declared.mapping)),
            filtering: decided.filtering.or(Some(declared.filtering)),
            ports_preserved: decided.ports_preserved.or(Some(declared.ports == PortAssignment::Preserving)),
            hairpinning: decided.hairpinning.or(Some(declared.hairpinning)),
            ..Measured::default()
        };
        !known.differences(declared).is_empty()
    }

    /// The differences from what was declared, each as a sentence; empty when the gateway is as declared. An axis that was
    /// not measured although it can be is a difference too: nothing counts unmeasured.
    pub fn differences(&self, declared: &Behavior) -> Vec<String> {
        let mut out = Vec::new();
        fn check<T: PartialEq + fmt::Debug>(out: &mut Vec<String>, axis: &str, declared: T, measured: &Option<T>) {
            match measured {
                Some(m) if *m == declared => {}
                Some(m) => out.push(format!("{axis}: declared {declared:?}, measured {m:?}")),
                None => out.push(format!("{axis}: declared {declared:?}, not measured")),
            }
        }
        check(&mut out, "udp", declared.udp, &self.udp);
        if declared.udp == UdpPolicy::Blocked {
            return out;
        }
        // One inside host sees that addresses change; whether others share its external address it cannot see.
        if self.translation.map(Translation::translates) != Some(declared.translation.translates()) {
            check(&mut out, "translation", declared.translation, &self.translation);
        }
        check(&mut out, "mapping", declared.mapping, &self.mapping);
        check(&mut out, "filtering", declared.filtering, &self.filtering);
        if declared.translation.translates() {
            // A random port may equal the inside port by chance, so only a declared preservation can be contradicted.
            if declared.ports == PortAssignment::Preserving && declared.mapping == Mapping::EndpointIndependent {
                check(&mut out, "ports preserved", true, &self.ports_preserved);
            }
            if declared.mapping == Mapping::EndpointIndependent {
                check(&mut out, "hairpinning", declared.hairpinning, &self.hairpinning);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_declared(b: &Behavior) -> Measured {
        Measured {
            udp: Some(b.udp),
            translation: Some(b.translation),
            mapping: Some(b.mapping),
            filtering: Some(b.filtering),
            ports_preserved: Some(true),
            hairpinning: Some(b.hairpinning),
            ..Measured::default()
        }
    }

    #[test]
    fn what_was_not_found_out_is_a_difference_but_no_contradiction() {
        let declared = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent);
        let mut measured = as_declared(&declared);
        assert_eq!(measured.differences(&declared), Vec::<String>::new());
        measured.filtering = None;
        assert_eq!(measured.differences(&declared).len(), 1);
        assert!(!measured.contradicts(&declared));
        measured.filtering = Some(Filtering::EndpointIndependent);
        assert!(measured.contradicts(&declared));
        assert!(measured.differences(&declared)[0].contains("AddressDependent"), "both behaviours are shown");
    }
}
