//! Behaviours by their usual names: the classic ones of RFC 3489 (`classic`), and devices and networks that one meets
//! (`device`). Each says what its name rests on, and how sure that is.

mod classic;
mod device;

use std::fmt;

use serde::Serialize;

use super::Behavior;

/// A behaviour with a name, and where the name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// As scenarios and the command line spell it.
    pub name: &'static str,
    /// What it does.
    pub behavior: Behavior,
    /// One sentence.
    pub summary: &'static str,
    /// Why the name means this behaviour, the strongest evidence first; never empty.
    pub evidence: &'static [Evidence],
}

/// One reason to believe in a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// How sure it is.
    pub kind: EvidenceKind,
    /// What is known from where.
    pub says: &'static str,
}

impl Evidence {
    const fn new(kind: EvidenceKind, says: &'static str) -> Self {
        Evidence { kind, says }
    }
}

/// How much a statement about a device or a network is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceKind {
    /// The thing itself was probed by natlab's authors.
    Measured,
    /// Its maker says so: a manual, or the source of what is shipped.
    VendorDocumentation,
    /// A standard defines or demands it.
    Rfc,
    /// A study of many devices or networks found it.
    Literature,
    /// Everybody says so, and nobody has shown it.
    Folklore,
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EvidenceKind::Measured => "measured",
            EvidenceKind::VendorDocumentation => "vendor documentation",
            EvidenceKind::Rfc => "RFC",
            EvidenceKind::Literature => "literature",
            EvidenceKind::Folklore => "folklore",
        })
    }
}

/// Every preset: the classic ones from the most to the least permissive, then devices, then networks.
pub static ALL: [Preset; classic::ALL.len() + device::ALL.len()] = {
    let mut all = [classic::ALL[0]; classic::ALL.len() + device::ALL.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < classic::ALL.len() { classic::ALL[i] } else { device::ALL[i - classic::ALL.len()] };
        i += 1;
    }
    all
};

/// The preset of this name.
pub fn find(name: &str) -> Option<&'static Preset> {
    ALL.iter().find(|p| p.name == name)
}

/// The preset whose name is most like this one, if it is alike at all.
pub fn nearest(name: &str) -> Option<&'static str> {
    ALL.iter()
        .map(|p| (strsim::jaro_winkler(&name.to_lowercase(), p.name), p.name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::nat::PortAssignment;

    #[test]
    fn names_are_unique_and_found() {
        assert_eq!(ALL.iter().map(|p| p.name).collect::<BTreeSet<_>>().len(), ALL.len());
        assert!(ALL.iter().all(|p| find(p.name) == Some(p)));
        assert_eq!(find("symetric"), None);
    }

    #[test]
    fn classic_names_are_those_of_the_behaviour() {
        for p in &classic::ALL {
            if let Some(classic) = p.behavior.classic_name() {
                assert_eq!(classic.replace(' ', "-"), p.name);
            }
        }
    }

    #[test]
    fn cones_preserve_ports_and_symmetric_does_not() {
        for p in classic::ALL.iter().filter(|p| p.behavior.translation.translates()) {
            assert_eq!(p.behavior.ports == PortAssignment::Random, p.name == "symmetric", "{}", p.name);
        }
    }

    #[test]
    fn misspelled_names_are_recognised() {
        assert_eq!(nearest("symetric"), Some("symmetric"));
        assert_eq!(nearest("Full_Cone"), Some("full-cone"));
        assert_eq!(nearest("port-restricted"), Some("port-restricted-cone"));
        assert_eq!(nearest("xyzzy"), None);
    }

    #[test]
    fn every_preset_says_what_it_rests_on_strongest_first() {
        for p in &ALL {
            assert!(!p.evidence.is_empty(), "{}", p.name);
            assert!(p.evidence.is_sorted_by_key(|e| e.kind), "{}", p.name);
            assert!(p.evidence.iter().all(|e| e.says.len() > 20 && !e.says.ends_with('.')), "{}", p.name);
            assert!(!p.summary.ends_with('.') && p.summary.len() < 120, "{}", p.name);
        }
    }

    #[test]
    fn no_two_presets_are_one_behaviour_under_two_names() {
        for (i, p) in ALL.iter().enumerate() {
            let same = ALL.iter().skip(i + 1).find(|q| q.behavior == p.behavior);
            assert_eq!(same.map(|q| q.name), None, "{}", p.name);
        }
    }
}
