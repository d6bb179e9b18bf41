//! Two sides with a gateway in common: they may meet inside it, or at the external endpoints that it turns packets
//! around at.

use super::Shared;
use super::chain::Chain;
use super::closed_form::Means;
use super::rule::{End, Path, direct};
use crate::nat::{Behavior, Filtering, Hairpinning};

/// The place where two sides meet: each with the gateways before it, and the common ones, innermost first.
struct Place<'a> {
    sides: &'a [Means; 2],
    inner: [&'a [Behavior]; 2],
    common: &'a [Behavior],
    isolated: bool,
}

/// The best path between two sides behind common gateways.
pub(super) fn meet(shared: Shared, sides: &[Means; 2]) -> Path {
    let split = |side: &'_ Means| side.gateways.len().saturating_sub(shared.gateways);
    let inner = [0, 1].map(|i| &sides[i].gateways[..split(&sides[i])]);
    let common = &sides[0].gateways[split(&sides[0])..];
    let place = Place { sides, inner, common, isolated: shared.isolated };
    let Some(owner) = common.iter().rposition(|g| g.translation.translates()) else {
        // Nothing translates further out, so inside is already the Internet, filters in front of it aside.
        return place.inside(true);
    };
    match place.inside(false) {
        Path::Closed(reason) => match place.turned_around(owner) {
            Path::Closed(why) => Path::Closed(format!("{reason}; {why}")),
            path => path,
        },
        path => path,
    }
}

impl Place<'_> {
    /// Whether nodes of the innermost common network reach each other. In an isolated one they do where both stand
    /// behind routers: their packets then pass the gateway instead of going to a neighbour.
    fn reachable(&self) -> bool {
        let routed = |inner: &&[Behavior]| !inner.is_empty() && !Chain::of(inner).translates();
        !self.isolated || self.inner.iter().all(routed)
    }

    /// Inside the innermost common network, without passing its gateway. `public`: what STUN told them is an address
    /// there.
    fn inside(&self, public: bool) -> Path {
        if !self.reachable() {
            return Path::Closed("both are in a network whose nodes cannot reach each other".to_owned());
        }
        let ends = [0, 1].map(|i| {
            let (side, chain) = (&self.sides[i], Chain::of(self.inner[i]));
            let announced = side.announces_host && !chain.translates() || public && side.announces_reflexive;
            let name =
                if self.inner[i].is_empty() { side.role().to_owned() } else { format!("{} ({chain})", side.role()) };
            (side.sends && !chain.blocks_udp()).then_some(End { name, chain, announced, relay: false })
        });
        match ends {
            [Some(a), Some(b)] => match direct(&a, &b) {
                Path::Open(reason) => Path::Open(format!("inside the network that both are in: {reason}")),
                Path::Closed(reason) => Path::Closed(format!("inside the network that both are in, {reason}")),
                path => path,
            },
            _ => Path::Closed("inside the network that both are in, at least one side sends no checks".to_owned()),
        }
    }

    /// Through external endpoints of the outermost common gateway that translates.
    fn turned_around(&self, owner: usize) -> Path {
        let gateway = self.common[owner];
        if let Some(side) = self.sides.iter().find(|s| !s.sends) {
            return Path::Closed(format!("{} sends no checks", side.role()));
        }
        let chains = self.inner.map(|inner| [inner, &self.common[..=owner]].concat());
        if chains.iter().any(|gateways| Chain::of(gateways).blocks_udp()) {
            return Path::Closed("UDP is blocked on the way to their common NAT".to_owned());
        }
        match gateway.hairpinning {
            Hairpinning::None => Path::Closed(format!(
                "their common NAT ({gateway}) does not turn packets around to its own external endpoints \
                 (no hairpinning)"
            )),
            Hairpinning::ExternalSource => {
                let [a, b] = [0, 1].map(|i| self.sides[i].end(&chains[i], self.sides[i].announces_reflexive));
                direct(&a, &b)
            }
            Hairpinning::InternalSource => self.internal_source(owner),
        }
    }

    /// A check that was turned around arrives from an endpoint that the receiver never sent to, and the answer goes
    /// there without passing the gateway: so it arrives from elsewhere than the check went, and only the checks that
    /// it provokes in turn can succeed, inside.
    fn internal_source(&self, owner: usize) -> Path {
        if self.common[..owner].iter().any(|g| g.translation.translates()) {
            return Path::Closed("packets come back to the inner NAT with its own address as their source".to_owned());
        }
        if owner > 0 {
            return Path::NoRule(
                "a router stands between both sides and the NAT that turns their packets around".to_owned(),
            );
        }
        if !self.sides.iter().any(|s| s.announces_reflexive) {
            return Path::Closed("nobody knows an external endpoint of the other".to_owned());
        }
        let chains = self.inner.map(Chain::of);
        if !self.lets_turn(self.common[owner].filtering, &chains) {
            return Path::Closed(
                "their common NAT turns packets around with their inside source, and neither side has sent to the one that the \
                 other sends from, so its filter is closed"
                    .to_owned(),
            );
        }
        if !self.reachable() || !chains.iter().all(Chain::admits_everybody) {
            return Path::Closed(
                "packets that their common NAT turns around keep their inside source, which the receiver never sent to"
                    .to_owned(),
            );
        }
        // From then on each knows where the other is.
        let [a, b] = [0, 1].map(|i| self.sides[i].end(self.inner[i], true));
        match direct(&a, &b) {
            Path::Open(reason) => Path::Open(format!(
                "packets that their common NAT turns around keep their inside source; both let it in and \
                 meet inside: {reason}"
            )),
            path => path,
        }
    }

    /// Whether a filter on inside endpoints lets at least one side's packets turn around. What either sends opens it for the
    /// endpoint that it sends *from*, which must be the one that it announced: packets to that are what comes back.
    fn lets_turn(&self, filtering: Filtering, chains: &[Chain; 2]) -> bool {
        let both = self.sides.iter().all(|s| s.announces_reflexive);
        let one_endpoint = [0, 1].map(|i| chains[i].has_one_endpoint());
        match filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => both && [0, 1].iter().any(|i| one_endpoint[*i] && !chains[1 - *i].roams()),
            Filtering::AddressAndPortDependent => both && one_endpoint == [true; 2],
        }
    }
}
