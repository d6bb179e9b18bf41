//! What a lab needs of the kernel and of whoever set this host up, one by one.

use serde::{Deserialize, Serialize};

/// Something that labs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Facility {
    /// One network namespace per node, with the netlink sockets that configure it.
    NetworkNamespaces,
    /// Settings below `/proc/sys/net` of a namespace: forwarding above all.
    Settings,
    /// veth pairs with their ends in two namespaces, addresses and routes.
    Links,
    /// Bridges.
    Bridges,
    /// nftables: a table with a filter chain and a counted drop.
    Rules,
    /// Rules that read connection tracking, and zones for answers.
    Tracking,
    /// Rules that translate addresses and ports.
    Translation,
    /// Sets and maps that packets fill and whose elements time out.
    DynamicMaps,
    /// Jenkins hash and counter expressions, which choose ports and zones.
    Hashing,
    /// Rules that answer what they drop: an ICMP error or a TCP reset.
    Rejection,
    /// Rules that leave packets out of connection tracking.
    Untracked,
    /// Packets lost at random where they arrive: a netdev table with an ingress hook, and random numbers.
    LossUp,
    /// Packets lost at random where they leave: an egress hook, which Linux has since 5.16.
    LossDown,
    /// The rules of a whole NAT, of the behaviour that needs most.
    Nat,
    /// Settings of connection tracking, which exist once rules use it.
    TrackingTimeouts,
    /// A real packet through that NAT, seen by a tap, its answer too.
    Packets,
    /// Counters of rules, read back.
    Counters,
    /// Connection tracking emptied.
    Flush,
    /// A packet socket in a namespace.
    Tap,
    /// A `/proc` of the lab's own.
    PrivateProc,
    /// Name service files of the lab's own.
    NameService,
}

impl Facility {
    /// Every one, in the order in which they are tried.
    pub const ALL: [Facility; 21] = [
        Facility::NetworkNamespaces,
        Facility::Settings,
        Facility::Links,
        Facility::Bridges,
        Facility::Rules,
        Facility::Tracking,
        Facility::Translation,
        Facility::DynamicMaps,
        Facility::Hashing,
        Facility::Rejection,
        Facility::Untracked,
        Facility::LossUp,
        Facility::LossDown,
        Facility::Nat,
        Facility::TrackingTimeouts,
        Facility::Tap,
        Facility::Packets,
        Facility::Counters,
        Facility::Flush,
        Facility::PrivateProc,
        Facility::NameService,
    ];

    /// In a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Facility::NetworkNamespaces => "network namespaces",
            Facility::Settings => "network settings (sysctl)",
            Facility::Links => "virtual links (veth)",
            Facility::Bridges => "bridges",
            Facility::Rules => "packet rules (nftables)",
            Facility::Tracking => "connection tracking",
            Facility::Translation => "address translation",
            Facility::DynamicMaps => "maps with timeouts",
            Facility::Hashing => "hash and counter expressions",
            Facility::Rejection => "answers to what is dropped",
            Facility::Untracked => "packets left untracked",
            Facility::LossUp => "loss, by an ingress hook",
            Facility::LossDown => "loss, by an egress hook",
            Facility::Nat => "the rules of a whole NAT",
            Facility::TrackingTimeouts => "connection tracking timeouts",
            Facility::Tap => "packet tap (AF_PACKET)",
            Facility::Packets => "a packet through the NAT",
            Facility::Counters => "counters of rules",
            Facility::Flush => "emptying connection tracking",
            Facility::PrivateProc => "a /proc of its own",
            Facility::NameService => "name service files of its own",
        }
    }

    /// What does not work without it.
    pub const fn needed_for(self) -> &'static str {
        match self {
            Facility::NetworkNamespaces => "every node is one",
            Facility::Settings => "routers forward, peers have no IPv6",
            Facility::Links => "every connection between nodes",
            Facility::Bridges => "scenarios with several nodes behind one gateway",
            Facility::Rules => "every NAT and firewall",
            Facility::Tracking => "every NAT and firewall",
            Facility::Translation => "every NAT",
            Facility::DynamicMaps => "mappings and permissions",
            Facility::Hashing => "NATs with several ports or addresses to choose from",
            Facility::Rejection => {
                "NATs with `unsolicited` or `tcp.unsolicited` other than \"dropped\", which some presets have"
            }
            Facility::Untracked => {
                "ICMP errors behind NATs with `refresh` other than \"both\" or a `lifetime` that is not in whole seconds"
            }
            Facility::LossUp => "`loss` of what a node sends (`up`)",
            Facility::LossDown => "`loss` of what a node gets (`down`)",
            Facility::Nat => "every NAT",
            Facility::TrackingTimeouts => "lifetimes of mappings",
            Facility::Tap => "connectivity checks in reports, --pcap",
            Facility::Packets => "every trial",
            Facility::Counters => "the proof that a NAT drops what it must",
            Facility::Flush => "trials that begin with a NAT as new",
            Facility::PrivateProc => "pinning namespaces, and an end that leaves no process behind",
            Facility::NameService => "look-ups that fail at once instead of after a time-out",
        }
    }

    /// Whether scenarios cannot run without it. Without the others they do, with less.
    pub const fn required(self) -> bool {
        !matches!(
            self,
            Facility::Bridges
                | Facility::Rejection
                | Facility::Untracked
                | Facility::LossUp
                | Facility::LossDown
                | Facility::Tap
                | Facility::NameService
        )
    }

    /// Kernel modules that provide it, as `modprobe` names them.
    pub const fn modules(self) -> &'static [&'static str] {
        match self {
            Facility::Links => &["veth"],
            Facility::Bridges => &["bridge"],
            Facility::Rules | Facility::Counters | Facility::DynamicMaps => &["nf_tables"],
            Facility::Tracking | Facility::TrackingTimeouts | Facility::Untracked => &["nf_conntrack", "nft_ct"],
            Facility::Translation => &["nft_chain_nat", "nft_nat"],
            Facility::Hashing => &["nft_hash", "nft_numgen"],
            Facility::Rejection => &["nft_reject_ipv4"],
            Facility::LossUp | Facility::LossDown => &["nf_tables", "nft_numgen"],
            Facility::Nat => {
                &["nf_tables", "nft_chain_nat", "nft_nat", "nft_ct", "nft_hash", "nft_numgen", "nft_limit"]
            }
            Facility::Flush => &["nf_conntrack_netlink"],
            Facility::Tap => &["af_packet"],
            Facility::NetworkNamespaces => &["nfnetlink"],
            Facility::Settings | Facility::Packets | Facility::PrivateProc | Facility::NameService => &[],
        }
    }

    /// Kernel options that provide it, for those who build kernels.
    pub const fn options(self) -> &'static [&'static str] {
        match self {
            Facility::NetworkNamespaces => &["CONFIG_NET_NS", "CONFIG_NETFILTER_NETLINK"],
            Facility::Links => &["CONFIG_VETH"],
            Facility::Bridges => &["CONFIG_BRIDGE"],
            Facility::Rules | Facility::Counters | Facility::DynamicMaps => {
                &["CONFIG_NF_TABLES", "CONFIG_NF_TABLES_IPV4"]
            }
            Facility::Tracking | Facility::TrackingTimeouts | Facility::Untracked => {
                &["CONFIG_NF_CONNTRACK", "CONFIG_NF_CONNTRACK_ZONES", "CONFIG_NFT_CT"]
            }
            Facility::Translation => &["CONFIG_NF_NAT", "CONFIG_NFT_NAT"],
            Facility::Hashing => &["CONFIG_NFT_HASH", "CONFIG_NFT_NUMGEN"],
            Facility::Rejection => &["CONFIG_NFT_REJECT_IPV4"],
            Facility::LossUp => &["CONFIG_NF_TABLES_NETDEV", "CONFIG_NETFILTER_INGRESS", "CONFIG_NFT_NUMGEN"],
            Facility::LossDown => &["CONFIG_NF_TABLES_NETDEV", "CONFIG_NETFILTER_EGRESS", "CONFIG_NFT_NUMGEN"],
            Facility::Nat => {
                &["CONFIG_NFT_NAT", "CONFIG_NFT_CT", "CONFIG_NFT_HASH", "CONFIG_NFT_NUMGEN", "CONFIG_NFT_LIMIT"]
            }
            Facility::Flush => &["CONFIG_NF_CT_NETLINK"],
            Facility::Tap => &["CONFIG_PACKET"],
            Facility::Settings | Facility::Packets | Facility::PrivateProc | Facility::NameService => &[],
        }
    }
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was used, and it did what it should.
    Ok,
    /// Scenarios run, but not all of them, or with less; the detail says what.
    Limited,
    /// It was refused.
    Missing,
    /// Nothing to try it on, since something before it is missing.
    Untried,
}

impl State {
    /// One word.
    pub const fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Limited => "limited",
            State::Missing => "missing",
            State::Untried => "untried",
        }
    }
}

/// What trying a facility showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was tried.
    pub facility: Facility,
    /// What came of it.
    pub state: State,
    /// What was seen, or the kernel's own words.
    pub detail: String,
}

/// Whether scenarios can run where this was found.
pub fn sufficient(findings: &[Finding]) -> bool {
    let fine = |f: &Finding| !f.facility.required() || matches!(f.state, State::Ok | State::Limited);
    !findings.is_empty() && findings.iter().all(fine)
}

/// Whether something was refused that only some scenarios need, or all.
pub fn refused(findings: &[Finding]) -> bool {
    findings.iter().any(|f| f.state == State::Missing)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all(state: impl Fn(Facility) -> State) -> Vec<Finding> {
        let finding = |f| Finding { facility: f, state: state(f), detail: String::new() };
        Facility::ALL.into_iter().map(finding).collect()
    }

    #[test]
    fn each_is_listed_once_and_has_a_title_of_its_own() {
        assert_eq!(BTreeSet::from(Facility::ALL).len(), Facility::ALL.len());
        let titles: BTreeSet<_> = Facility::ALL.iter().map(|f| f.title()).collect();
        assert_eq!(titles.len(), Facility::ALL.len());
    }

    #[test]
    fn what_only_some_scenarios_need_does_not_stop_the_others() {
        assert!(sufficient(&all(|_| State::Ok)));
        for one in [Facility::Bridges, Facility::Rejection, Facility::Untracked, Facility::LossUp, Facility::LossDown] {
            let without = all(|f| if f == one { State::Missing } else { State::Ok });
            assert!(sufficient(&without) && refused(&without), "{one:?}");
        }
        assert!(!refused(&all(|f| if f == Facility::Bridges { State::Limited } else { State::Ok })));
        assert!(!sufficient(&all(|f| if f == Facility::Nat { State::Missing } else { State::Ok })));
        assert!(!sufficient(&all(|f| if f == Facility::Packets { State::Untried } else { State::Ok })));
        assert!(!sufficient(&[]), "nothing was tried");
    }
}
