//! Two sides with a gateway in common: they may meet inside it, or at the external endpoints that it turns packets around at.

use super::Shared;
use super::closed_form::Means;
use super::rule::{End, Path, direct};
use super::unknown::{Assumptions, Unknown};
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping, Semantics, Translation, UdpPolicy};

/// A node that stands directly in the common network.
const DIRECTLY_INSIDE: Behavior = Behavior::public(Filtering::EndpointIndependent);

/// The best path between two sides behind common gateways.
pub(super) fn meet(shared: &Shared, sides: &[Means; 2], assumptions: &Assumptions) -> Path {
    let Some(owner) = shared.gateways.iter().rposition(|g| g.translation == Translation::Napt) else {
        // Nothing translates further out, so inside is already the Internet, filters in front of it aside.
        return inside(shared, sides, true);
    };
    match inside(shared, sides, false) {
        Path::Open(reason) => Path::Open(reason),
        Path::Closed(reason) => match turned_around(shared, owner, sides, assumptions) {
            Path::Closed(why) => Path::Closed(format!("{reason}; {why}")),
            path => path,
        },
        other => other,
    }
}

fn inner(shared: &Shared) -> [Option<Behavior>; 2] {
    [shared.offerer_inner, shared.answerer_inner]
}

/// Whether nodes of the innermost common network reach each other. In an isolated one they do where both stand behind
/// routers: their packets then pass the gateway instead of going to a neighbour.
fn reachable(shared: &Shared) -> bool {
    let routed = |inner: Option<Behavior>| inner.is_some_and(|b| b.translation == Translation::None);
    !shared.isolated || inner(shared).into_iter().all(routed)
}

/// Inside the innermost common network, without passing its gateway.
fn inside(shared: &Shared, sides: &[Means; 2], public: bool) -> Path {
    if !reachable(shared) {
        return Path::Closed("both are in a network whose nodes cannot reach each other".to_owned());
    }
    let ends = [0, 1].map(|i| {
        let (side, inner) = (&sides[i], inner(shared)[i].unwrap_or(DIRECTLY_INSIDE));
        let host = side.announces_host && inner.translation == Translation::None;
        let usable = side.sends && inner.udp == UdpPolicy::Allowed;
        usable.then(|| End {
            name: side.role().to_owned(),
            ..side.end(inner, host || public && side.announces_reflexive)
        })
    });
    match ends {
        [Some(a), Some(b)] => match direct(&a, &b) {
            Path::Open(reason) => Path::Open(format!("both are in one network and meet there: {reason}")),
            path => path,
        },
        _ => Path::Closed("inside their common network at least one side sends no checks".to_owned()),
    }
}

/// Through external endpoints of the outermost common gateway that translates.
fn turned_around(shared: &Shared, owner: usize, sides: &[Means; 2], assumptions: &Assumptions) -> Path {
    let gateways = &shared.gateways[..=owner];
    let gateway = gateways[owner];
    let seen = inner(shared).map(|inner| inner.into_iter().chain(gateways.iter().copied()).reduce(Behavior::behind));
    if let Some(side) = sides.iter().find(|s| !s.sends) {
        return Path::Closed(format!("{} sends no checks", side.role()));
    }
    let [Some(offerer), Some(answerer)] = seen else { return Path::Closed("nothing translates".to_owned()) };
    if [offerer, answerer].iter().any(|b| b.udp == UdpPolicy::Blocked) {
        return Path::Closed("UDP is blocked on the way to their common NAT".to_owned());
    }
    let affine = assumptions.grant(Unknown::HairpinSemantics);
    let end = |side: &Means, behavior: Behavior| {
        let semantics = if affine { Semantics::ReplyAffine } else { behavior.semantics };
        side.end(Behavior { semantics, ..behavior }, side.announces_reflexive)
    };
    match gateway.hairpinning {
        Hairpinning::None => Path::Closed(format!(
            "their common NAT ({gateway}) does not turn packets around to its own external endpoints (no hairpinning)"
        )),
        Hairpinning::ExternalSource => direct(&end(&sides[0], offerer), &end(&sides[1], answerer)),
        Hairpinning::InternalSource => internal_source(shared, owner, sides),
    }
}

/// A check that was turned around arrives from an endpoint that the receiver never sent to, and the answer goes there
/// without passing the gateway: so it arrives from elsewhere than the check went, and only the checks that it provokes in
/// turn can succeed, inside.
fn internal_source(shared: &Shared, owner: usize, sides: &[Means; 2]) -> Path {
    let within = inner(shared).map(|b| b.unwrap_or(DIRECTLY_INSIDE));
    if owner > 0 {
        if shared.gateways[..owner].iter().any(|g| g.translation == Translation::Napt) {
            return Path::Closed("packets come back to the inner NAT with its own address as their source".to_owned());
        }
        return Path::NoRule(
            "a gateway stands between both sides and the NAT that turns their packets around".to_owned(),
        );
    }
    if !sides.iter().any(|s| s.announces_reflexive) {
        return Path::Closed("nobody knows an external endpoint of the other".to_owned());
    }
    if !reachable(shared) || within.iter().any(|b| b.filtering != Filtering::EndpointIndependent) {
        return Path::Closed(
            "packets that are turned around keep their inside source, which the receiver never sent to".to_owned(),
        );
    }
    if within.iter().all(|b| b.mapping == Mapping::EndpointIndependent) {
        return Path::Open(
            "packets that are turned around keep their inside source; both sides let it in and then meet inside"
                .to_owned(),
        );
    }
    Path::NoRule("packets keep their inside source, and an inner NAT has several endpoints for each side".to_owned())
}
