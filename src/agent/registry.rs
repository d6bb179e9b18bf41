//! The agents that come with natlab, by name. Pure.

/// An agent inside the natlab binary, started as `natlab agent NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// As scenarios and `natlab agent` name it.
    pub name: &'static str,
    /// What it is, for lists.
    pub summary: &'static str,
}

/// Every built-in agent.
pub const BUILTIN: [Builtin; 1] = [Builtin {
    name: "webrtc-ice",
    summary: "the webrtc-ice crate 0.17.2: raw ICE, full trickle, TURN over UDP and TCP",
}];

/// How unlike a known name a mistyped one may be: the threshold clap uses for its own suggestions.
const CLOSE_ENOUGH: f64 = 0.7;

/// The built-in agent of this name.
pub fn builtin(name: &str) -> Option<&'static Builtin> {
    BUILTIN.iter().find(|agent| agent.name == name)
}

/// The built-in agent whose name is most like `name`, if one is.
pub fn nearest(name: &str) -> Option<&'static str> {
    BUILTIN
        .iter()
        .map(|agent| (strsim::jaro(agent.name, name), agent.name))
        .filter(|(likeness, _)| *likeness > CLOSE_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_finds_its_neighbour_and_a_foreign_one_does_not() {
        assert_eq!(builtin("webrtc-ice").map(|a| a.name), Some("webrtc-ice"));
        assert_eq!(builtin("webrtc_ice"), None);
        assert_eq!(nearest("webrtc_ice"), Some("webrtc-ice"));
        assert_eq!(nearest("webrtcice"), Some("webrtc-ice"));
        assert_eq!(nearest("zzz"), None);
    }
}
