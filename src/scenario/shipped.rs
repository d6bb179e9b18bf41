//! The scenarios that natlab has inside, so that they run from anywhere. Pure.

use super::diagnostic;

/// A shipped scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Its name: that of its file in `scenarios/`, without `.toml`.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

impl Shipped {
    /// The name under which problems show it.
    pub fn file(&self) -> String {
        format!("{}.toml", self.name)
    }

    /// What it shows: the comment that opens it.
    pub fn description(&self) -> String {
        super::check::opening_comment(self.text)
    }
}

macro_rules! shipped {
    ($($name:literal)*) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../../scenarios/", $name, ".toml")) }),*]
    };
}

/// From what always works to what never does, then the special ones.
const ALL: &[Shipped] = shipped![
    "full-cone"
    "restricted-cone"
    "port-restricted-cone"
    "one-side-public"
    "same-nat"
    "symmetric-vs-full-cone"
    "symmetric-vs-port-restricted"
    "symmetric"
    "firewall-vs-symmetric"
    "double-nat"
    "udp-blocked-turn-tcp"
    "turn-one-side-only"
    "turn-without-stun"
    "no-turn"
    "wrong-turn-credentials"
    "incomplete-gathering"
    "late-answer"
    "lossy-link"
    "roles"
    "role-conflict"
];

/// Every shipped scenario.
pub fn all() -> &'static [Shipped] {
    ALL
}

/// The shipped scenario of this name, with or without `.toml`.
pub fn find(name: &str) -> Option<&'static Shipped> {
    let name = name.strip_suffix(".toml").unwrap_or(name);
    ALL.iter().find(|shipped| shipped.name == name)
}

/// The name that was probably meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix(".toml").unwrap_or(name);
    diagnostic::nearest(name, ALL.iter().map(|shipped| shipped.name))
}

#[cfg(test)]
mod tests {
    // The directory is compared with the list.
    #![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::scenario::diagnostic::render;
    use crate::scenario::parse;

    #[test]
    fn every_shipped_scenario_is_without_mistakes() {
        for shipped in all() {
            match parse(&shipped.file(), shipped.text.as_bytes()) {
                Ok(scenario) => assert_eq!(scenario.name, shipped.name),
                Err(problems) => panic!("{}", render(&problems, shipped.text.as_bytes(), false, 120)),
            }
        }
    }

    #[test]
    fn every_shipped_scenario_says_what_it_shows() {
        for shipped in all() {
            assert!(shipped.text.starts_with("# "), "{}", shipped.name);
            assert!(shipped.description().len() > 40, "{}", shipped.name);
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "compares with the folder")]
    fn the_list_is_what_the_directory_has() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files: BTreeSet<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".toml"))
            .collect();
        let listed: BTreeSet<String> = all().iter().map(Shipped::file).collect();
        assert_eq!(files, listed);
        assert_eq!(listed.len(), all().len(), "a name is listed twice");
    }

    #[test]
    fn a_name_is_found_with_or_without_its_suffix() {
        assert_eq!(find("symmetric"), find("symmetric.toml"));
        assert_eq!(find("symmetric").unwrap().name, "symmetric");
        assert_eq!(find("scenarios/symmetric.toml"), None);
        assert_eq!(nearest("symetric.toml"), Some("symmetric"));
        assert_eq!(nearest("zzz"), None);
    }
}
