//! What it all comes to, in one word: what the exit code of `natlab classify` is made from. Pure.

use super::{Classification, FamilyFindings, MappingFound};
use crate::nat::UdpPolicy;

/// How a classification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conclusion {
    /// The mapping is endpoint-independent, or there is no NAT. Other axes may be unknown.
    Classified,
    /// The mapping depends on whom is spoken to: many peers will need a relay.
    NotEndpointIndependent,
    /// Nothing comes back over UDP.
    UdpBlocked,
    /// The mapping is not known.
    Undecided,
}

impl FamilyFindings {
    /// How it ended for this family.
    pub fn conclusion(&self) -> Conclusion {
        if self.udp.value == Some(UdpPolicy::Blocked) {
            return Conclusion::UdpBlocked;
        }
        match self.mapping.value {
            Some(MappingFound::EndpointIndependent) => Conclusion::Classified,
            Some(_) => Conclusion::NotEndpointIndependent,
            None => Conclusion::Undecided,
        }
    }
}

impl Classification {
    /// How it ended: a mapping that is not endpoint-independent in any family comes first, then one that is not known.
    /// Blocked UDP counts only where no family has another answer, since the other family then carries UDP.
    pub fn conclusion(&self) -> Conclusion {
        let of: Vec<Conclusion> = self.families.iter().map(FamilyFindings::conclusion).collect();
        let order = [Conclusion::NotEndpointIndependent, Conclusion::Undecided, Conclusion::Classified];
        let first = order.into_iter().find(|c| of.contains(c));
        first.unwrap_or(if of.is_empty() { Conclusion::Undecided } else { Conclusion::UdpBlocked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::{Family, Finding};

    fn family(mapping: Option<MappingFound>, udp: UdpPolicy) -> FamilyFindings {
        let mut family = FamilyFindings::unknown(Family::Ipv4);
        family.udp = Finding::known(udp, "");
        if let Some(mapping) = mapping {
            family.mapping = Finding::known(mapping, "");
        }
        family
    }

    #[test]
    fn each_ending_has_its_findings() {
        use Conclusion as C;
        use MappingFound as M;
        let eim = || family(Some(M::EndpointIndependent), UdpPolicy::Allowed);
        let edm = || family(Some(M::EndpointDependent), UdpPolicy::Allowed);
        let open = || family(None, UdpPolicy::Allowed);
        let blocked = || family(None, UdpPolicy::Blocked);
        let of = |families| Classification { families, ..Classification::default() }.conclusion();
        assert_eq!(of(vec![]), C::Undecided);
        assert_eq!(of(vec![eim()]), C::Classified, "unknown filtering included");
        assert_eq!(of(vec![edm()]), C::NotEndpointIndependent);
        assert_eq!(of(vec![blocked()]), C::UdpBlocked);
        assert_eq!(of(vec![open()]), C::Undecided);
        assert_eq!(of(vec![eim(), blocked()]), C::Classified, "the other family carries UDP");
        assert_eq!(of(vec![edm(), eim()]), C::NotEndpointIndependent);
        assert_eq!(of(vec![eim(), open()]), C::Undecided);
        assert_eq!(of(vec![blocked(), blocked()]), C::UdpBlocked);
    }
}
