//! The rule for two endpoints that send checks to each other: which mappings and filters let a pair of candidates work.
//!
//! It is the closed form of a packet-level simulation of RFC 8445 (`simulation`, in the tests of this module), for both
//! semantics, for chains of gateways, and for endpoints that nobody was told.

use super::chain::Chain;

/// One end of a path.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// For people.
    pub name: String,
    /// What is in front of it.
    pub chain: Chain,
    /// The other side was told an endpoint of it that it can send to; otherwise it has to be heard first.
    pub announced: bool,
    /// It is a relayed transport address.
    pub relay: bool,
}

/// Whether a path exists, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// It does.
    Open(String),
    /// It does when packets come in one order and not in another.
    Racy(String),
    /// It does not.
    Closed(String),
    /// The model does not say.
    NoRule(String),
}

/// Whether checks between two ends succeed in both directions.
pub(super) fn direct(a: &End, b: &End) -> Path {
    let path = match (a.announced, b.announced) {
        (false, false) => {
            return Path::Closed(format!(
                "nobody knows where to send: neither {} nor {} told the other an address that can be reached",
                a.name, b.name
            ));
        }
        (true, true) => by_mapping(a, b),
        (false, true) => unheard(a, b),
        (true, false) => unheard(b, a),
    };
    match path {
        Path::Closed(reason) => affine(a, b).unwrap_or(Path::Closed(reason)),
        path => path,
    }
}

/// `hidden` told nobody a public endpoint of its own; it has to reach `known` first.
fn unheard(hidden: &End, known: &End) -> Path {
    if known.chain.admits_everybody() {
        return by_mapping(hidden, known);
    }
    Path::Closed(format!(
        "no public address of {} is known, so {} never sends there and its filter drops what comes from it",
        hidden.name, known.name
    ))
}

/// Both hear of each other in time, and the mapping tables decide.
fn by_mapping(a: &End, b: &End) -> Path {
    match (a.chain.has_one_endpoint(), b.chain.has_one_endpoint()) {
        (true, true) => Path::Open(format!(
            "{} and {} each send from the one endpoint that they told the other, and their own \
             checks open their filters",
            a.name, b.name
        )),
        (true, false) => one_moves(a, b),
        (false, true) => one_moves(b, a),
        (false, false) => both_move(a, b),
    }
}

/// `stable` has one endpoint for everybody, `moving` several.
fn one_moves(stable: &End, moving: &End) -> Path {
    let surprise = format!("{} sends its checks from an endpoint that nobody was told", moving.name);
    if stable.chain.admits_everybody() {
        Path::Open(format!("{surprise}, but {} lets everybody in", stable.name))
    } else if moving.chain.roams() {
        Path::Closed(format!(
            "{surprise}, not even from that address, and {} lets in only addresses that it has sent to",
            stable.name
        ))
    } else if stable.chain.admits_addresses() {
        Path::Open(format!("{surprise}, but {} has sent to its address and lets every port of it in", stable.name))
    } else {
        Path::Closed(format!("{surprise}, and {} lets in only endpoints that it has sent to", stable.name))
    }
}

fn both_move(a: &End, b: &End) -> Path {
    let surprise = format!("{} and {} both send from endpoints that nobody was told", a.name, b.name);
    if a.chain.roams() || b.chain.roams() {
        // The least that can be said: an answer may come from yet another address each time.
        return Path::Closed(format!("{surprise}, and the address of at least one changes with each of them"));
    }
    let talks_to = |x: &End, y: &End| x.chain.admits_addresses() && !y.chain.insists_on_ports();
    if !(talks_to(a, b) || talks_to(b, a)) {
        return Path::Closed(format!("{surprise}, and the first check or its answer meets a filter that drops it"));
    }
    if a.chain.is_steady() || b.chain.is_steady() {
        return Path::Open(format!(
            "{surprise}, but one hears the other, the answer passes, and at least one of them keeps the endpoint \
             that it answered from"
        ));
    }
    Path::Closed(format!(
        "{surprise}, and each answers every packet from yet another one, so that no answer comes from where the \
         check went"
    ))
}

/// What reply affinity adds: whoever is heard answers from where the check came in, so the mapping no longer matters.
fn affine(a: &End, b: &End) -> Option<Path> {
    let answers = |listener: &End, caller: &End| {
        let chain = &listener.chain;
        let hears = match (caller.announced, caller.chain.has_one_endpoint()) {
            (true, true) => chain.admits_endpoints(),
            (true, false) if caller.chain.roams() => chain.admits_everybody(),
            (true, false) => chain.admits_addresses(),
            (false, _) => chain.admits_everybody(),
        };
        listener.announced && hears && !chain.has_one_endpoint() && chain.is_reply_affine()
    };
    let (listener, caller) = if answers(a, b) {
        (a, b)
    } else if answers(b, a) {
        (b, a)
    } else {
        return None;
    };
    let why = format!("{} hears {} and answers from where the check came in", listener.name, caller.name);
    // A caller that always uses the endpoint it announced may be sent to before it is heard. The listener's NAT then
    // has a session with that endpoint through another one of its own already, and drops the check that comes in.
    if caller.announced && caller.chain.has_one_endpoint() {
        return Some(Path::Racy(format!(
            "{why}, but only if that check arrives before {} has sent one itself",
            listener.name
        )));
    }
    Some(Path::Open(why))
}
