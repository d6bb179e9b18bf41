//! The gateways in front of a side, as one: what a packet meets on its way through all of them.

use std::fmt;

use crate::nat::{Behavior, Filtering, Mapping, Pooling, Semantics, UdpPolicy};

/// Innermost first; empty: nothing is in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain(Vec<Behavior>);

impl Chain {
    pub(super) fn of(innermost_first: &[Behavior]) -> Chain {
        Chain(innermost_first.to_vec())
    }

    fn composite(&self) -> Behavior {
        self.0.iter().copied().reduce(Behavior::behind).unwrap_or(Behavior::public(Filtering::EndpointIndependent))
    }

    pub(super) fn translates(&self) -> bool {
        self.composite().translation.translates()
    }

    pub(super) fn blocks_udp(&self) -> bool {
        self.composite().udp == UdpPolicy::Blocked
    }

    /// One external endpoint towards everybody.
    pub(super) fn has_one_endpoint(&self) -> bool {
        self.composite().mapping == Mapping::EndpointIndependent
    }

    /// Not even its external address is the same towards everybody: a gateway takes any of several for each mapping, and
    /// there is more than one mapping for one inside endpoint.
    pub(super) fn roams(&self) -> bool {
        let mut one_endpoint = true;
        self.0.iter().any(|gateway| {
            one_endpoint &= gateway.mapping == Mapping::EndpointIndependent;
            let pool =
                gateway.translation.translates() && gateway.addresses > 1 && gateway.pooling == Pooling::Arbitrary;
            !one_endpoint && pool
        })
    }

    /// Anybody reaches the announced endpoint.
    pub(super) fn admits_everybody(&self) -> bool {
        self.composite().filtering == Filtering::EndpointIndependent
    }

    /// An address that was sent to reaches the announced endpoint, from whichever of its ports.
    pub(super) fn admits_addresses(&self) -> bool {
        self.opens(|filtering| filtering == Filtering::AddressDependent)
    }

    /// An endpoint that was sent to reaches the announced endpoint.
    pub(super) fn admits_endpoints(&self) -> bool {
        self.opens(|_| true)
    }

    /// What was sent opens the filter of the endpoint it was sent *from*. Where a gateway has several, that is
    /// another one than the one announced, so sending helps only as long as nothing further in has several.
    fn opens(&self, when_sent: impl Fn(Filtering) -> bool) -> bool {
        let mut one_endpoint = true;
        self.0.iter().all(|gateway| {
            one_endpoint &= gateway.mapping == Mapping::EndpointIndependent;
            gateway.filtering == Filtering::EndpointIndependent || one_endpoint && when_sent(gateway.filtering)
        })
    }

    /// Answers have to come from the very port that was sent to.
    pub(super) fn insists_on_ports(&self) -> bool {
        self.composite().filtering == Filtering::AddressAndPortDependent
    }

    /// Answers leave from the endpoint that the session came in on.
    pub(super) fn is_reply_affine(&self) -> bool {
        self.composite().semantics == Semantics::ReplyAffine
    }

    /// An endpoint that answered one packet answers the next one too, from whichever port of the same address it comes.
    pub(super) fn is_steady(&self) -> bool {
        let steady =
            |g: &Behavior| g.mapping != Mapping::AddressAndPortDependent || g.semantics == Semantics::ReplyAffine;
        self.0.iter().all(steady)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else { return f.write_str("public") };
        write!(f, "{first}")?;
        others.iter().try_for_each(|gateway| write!(f, " behind {gateway}"))
    }
}
