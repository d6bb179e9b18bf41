//! The rule for two endpoints that send checks to each other: which mappings and filters let a pair of candidates work.
//!
//! It is the closed form of a packet-level simulation of RFC 8445 ([`simulation`](super::simulation), in tests), for both
//! [`Semantics`] and for endpoints that nobody was told.

use crate::nat::{Behavior, Filtering, Mapping, Semantics};

/// One end of a path.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// For people.
    pub name: String,
    /// What is in front of it.
    pub behavior: Behavior,
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
    match (a.announced, b.announced) {
        (false, false) => Path::Closed(format!(
            "nobody knows where to send: neither {} nor {} was told an address that the other can reach",
            a.name, b.name
        )),
        (true, true) => affine(a, b).unwrap_or_else(|| strict(a, b)),
        (false, true) => unheard(a, b),
        (true, false) => unheard(b, a),
    }
}

fn eim(end: &End) -> bool {
    end.behavior.mapping == Mapping::EndpointIndependent
}

/// Whether an endpoint that answered one packet answers the next one too, from whichever port of the other side that comes.
fn steady(end: &End) -> bool {
    end.behavior.mapping == Mapping::AddressDependent || end.behavior.semantics == Semantics::ReplyAffine
}

/// Both know an endpoint of the other, and the mapping tables alone decide.
fn strict(a: &End, b: &End) -> Path {
    use Filtering as F;
    let (one, other) = (&a.name, &b.name);
    match (eim(a), eim(b)) {
        (true, true) => Path::Open(format!(
            "{one} and {other} each send from the one endpoint that the other was told, and their own checks open their filters"
        )),
        (false, false) => {
            let listens = |x: &End, y: &End| {
                x.behavior.filtering == F::EndpointIndependent && y.behavior.filtering != F::AddressAndPortDependent
            };
            if !(listens(a, b) || listens(b, a)) {
                Path::Closed(format!(
                    "{one} and {other} both send from endpoints that nobody was told, and at least one filter drops what comes from them"
                ))
            } else if steady(a) || steady(b) {
                Path::Open(format!(
                    "{one} and {other} both send from endpoints that nobody was told, but one hears the other, the answer \
                     passes, and at least one of them keeps the endpoint it answered from"
                ))
            } else {
                Path::Closed(format!(
                    "{one} and {other} answer each packet from yet another endpoint, so no answer comes from where the check went"
                ))
            }
        }
        (a_is_eim, _) => {
            let (stable, moving) = if a_is_eim { (a, b) } else { (b, a) };
            let (stable_name, moving_name) = (&stable.name, &moving.name);
            match stable.behavior.filtering {
                F::AddressAndPortDependent => Path::Closed(format!(
                    "{moving_name} sends its checks from an endpoint that nobody was told, and {stable_name} lets in only \
                     endpoints that it has sent to"
                )),
                F::AddressDependent => Path::Open(format!(
                    "{moving_name} sends its checks from an endpoint that nobody was told, but {stable_name} has sent to its \
                     address and lets every port of it in"
                )),
                F::EndpointIndependent => Path::Open(format!(
                    "{moving_name} sends its checks from an endpoint that nobody was told, but {stable_name} lets everybody in"
                )),
            }
        }
    }
}

/// The cases that reply affinity adds: whoever is heard by everybody answers from where the check came in.
fn affine(a: &End, b: &End) -> Option<Path> {
    let answers = |end: &End| {
        end.announced
            && end.behavior.filtering == Filtering::EndpointIndependent
            && end.behavior.semantics == Semantics::ReplyAffine
    };
    let (listener, caller) = if answers(a) {
        (a, b)
    } else if answers(b) {
        (b, a)
    } else {
        return None;
    };
    if eim(listener) || !matches!(strict(a, b), Path::Closed(_)) {
        return None;
    }
    let (listener_name, caller_name) = (&listener.name, &caller.name);
    // A caller that always uses the endpoint it announced may be sent to before it is heard; the listener's NAT then
    // already has a session with that endpoint through another one of its own, and drops the call that comes in here.
    if caller.announced && eim(caller) {
        return Some(Path::Racy(format!(
            "{listener_name} lets everybody in and answers from where the check came in, but only if {caller_name} is heard before \
             {listener_name} has sent to it"
        )));
    }
    Some(Path::Open(format!(
        "{listener_name} lets everybody in, so the checks of {caller_name} arrive, and answers leave from where they came in"
    )))
}

/// `hidden` was announced by nobody; it has to reach `known` first.
fn unheard(hidden: &End, known: &End) -> Path {
    if known.behavior.filtering != Filtering::EndpointIndependent {
        return Path::Closed(format!(
            "no public address of {} is known, so {} never sends there and its filter drops what comes from it",
            hidden.name, known.name
        ));
    }
    affine(hidden, known).unwrap_or_else(|| strict(hidden, known))
}
