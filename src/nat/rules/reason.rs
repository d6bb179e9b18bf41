//! What each rule is for, in the words of the RFCs: the comment that the kernel keeps with it.

use crate::nft::model::Proto;

/// A property of a NAT that a rule provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    /// Which external endpoint an inside one gets.
    Mapping,
    /// Which of several external addresses.
    Pooling,
    /// Which external port.
    PortAssignment,
    /// How long a mapping lives, and what keeps it alive.
    Refresh,
    /// What comes in.
    Filtering,
    /// Inside to inside through external endpoints.
    Hairpinning,
    /// Echo requests and the like.
    IcmpQueries,
    /// What becomes of ICMP errors.
    IcmpErrors,
    /// SYNs that cross.
    SimultaneousOpen,
    /// Ports that one inside host alone gets.
    PortBlock,
    /// Mappings that are always there: forwards and 1:1.
    Static,
    /// Private addresses stay inside.
    Isolation,
    /// Whether UDP passes.
    UdpPolicy,
}

impl Property {
    /// Name and section; the same property stands in RFC 4787 for UDP and in RFC 5382 for TCP.
    fn label(self, p: Option<Proto>) -> &'static str {
        match (self, p) {
            (Property::Mapping, Some(Proto::Tcp)) => "mapping (RFC 5382 4.1)",
            (Property::Mapping, _) => "mapping (RFC 4787 4.1)",
            (Property::Pooling, _) => "address pooling (RFC 4787 4.1)",
            (Property::PortAssignment, Some(Proto::Tcp)) => "port assignment (RFC 5382 7.1)",
            (Property::PortAssignment, _) => "port assignment (RFC 4787 4.2)",
            (Property::Refresh, Some(Proto::Tcp)) => "session refresh (RFC 5382 5)",
            (Property::Refresh, _) => "mapping refresh (RFC 4787 4.3)",
            (Property::Filtering, Some(Proto::Tcp)) => "filtering (RFC 5382 4.3)",
            (Property::Filtering, _) => "filtering (RFC 4787 5)",
            (Property::Hairpinning, Some(Proto::Tcp)) => "hairpinning (RFC 5382 7.2)",
            (Property::Hairpinning, _) => "hairpinning (RFC 4787 6)",
            (Property::IcmpQueries, _) => "icmp queries (RFC 5508 3)",
            (Property::IcmpErrors, _) => "icmp errors (RFC 5508 4)",
            (Property::SimultaneousOpen, _) => "simultaneous open (RFC 5382 4.2)",
            (Property::PortBlock, _) => "port block (RFC 6888 3)",
            (Property::Static, _) => "static mapping (RFC 2663 3.1)",
            (Property::Isolation, _) => "isolation (RFC 1918 3)",
            (Property::UdpPolicy, _) => "udp policy",
        }
    }

    /// The comment of a rule for one protocol.
    pub(super) fn of(self, p: Proto, text: &str) -> String {
        format!("{}, {p}: {text}", self.label(Some(p)))
    }

    /// The comment of a rule for all protocols.
    pub(super) fn all(self, text: &str) -> String {
        format!("{}: {text}", self.label(None))
    }
}
