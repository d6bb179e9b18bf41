//! NATs that one meets: operating systems and firmware first, then kinds of networks. Pure.
//!
//! A preset has one lifetime, and many NATs have two: a short one for a flow that was answered once or never, and a longer
//! one for a stream. The preset takes the short one, which is what RFC 5780 §4.6 measures, and what a hole that was just
//! punched lives for; the other is in the evidence.

use super::{Evidence, EvidenceKind as E, Preset};
use crate::nat::{
    Behavior, Filtering, Hairpinning, IcmpErrors, Mapping, Pooling, PortAssignment, Refresh, Tcp, Unsolicited,
    UnsolicitedSyn,
};

/// How long Linux keeps an idle TCP connection: five days.
const LINUX_TCP_MS: u64 = 432_000_000;

/// Any NAT of Linux whose rules say `masquerade` and no more.
const MASQUERADE: Behavior = Behavior {
    ports: PortAssignment::Overloading,
    lifetime_ms: 30_000,
    tcp: Some(Tcp { lifetime_ms: LINUX_TCP_MS, ..TCP_EIM_APDF }),
    ..EIM_APDF
};

const EIM_APDF: Behavior = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
const SYMMETRIC: Behavior = Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);
const TCP_EIM_APDF: Tcp = Tcp::new(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
const TCP_SYMMETRIC: Tcp = Tcp::new(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent);

/// Operating systems and firmware, then kinds of networks.
pub(super) const ALL: [Preset; 12] = [
    Preset {
        name: "linux-masquerade",
        behavior: MASQUERADE,
        summary: "plain Linux masquerading with an input policy of drop: EIM/APDF, until two hosts share a port",
        evidence: &[
            Evidence::new(
                E::Measured,
                "Linux 6.18, nftables `masquerade`: EIM/APDF for one host; a second host with the same source port shares \
                 the external port towards other remotes and gets another one towards the same (breaks RFC 4787 REQ-3)",
            ),
            Evidence::new(
                E::VendorDocumentation,
                "Documentation/networking/nf_conntrack-sysctl.rst: UDP 30 s, 120 s for a stream; established TCP 432000 s; \
                 net/netfilter/nf_nat_core.c, get_unique_tuple: what the source has towards others is used again, else the \
                 inside port, if no tracked connection has both ends; only then another port",
            ),
        ],
    },
    Preset {
        name: "docker-bridge",
        behavior: Behavior {
            unsolicited: Unsolicited::Icmp,
            tcp: Some(Tcp { lifetime_ms: LINUX_TCP_MS, unsolicited: UnsolicitedSyn::Reset, ..TCP_EIM_APDF }),
            ..MASQUERADE
        },
        summary: "containers on Docker's bridge: Linux masquerading on a host that answers what nobody asked for",
        evidence: &[
            Evidence::new(
                E::VendorDocumentation,
                "Docker manual, \"Port publishing and mapping\": outgoing connections are masqueraded with the host's \
                 address, access to ports that are not published is blocked",
            ),
            Evidence::new(
                E::Folklore,
                "rules that users have published say MASQUERADE without --random-fully, so ports are kept; hairpinning \
                 exists for published ports alone; the host has no input filter of its own, so its kernel answers stray \
                 packets, and lets them disturb a later mapping, which this preset does not",
            ),
        ],
    },
    Preset {
        name: "openwrt",
        behavior: Behavior {
            unsolicited: Unsolicited::Icmp,
            lifetime_ms: 60_000,
            tcp: Some(Tcp { lifetime_ms: 7_440_000, unsolicited: UnsolicitedSyn::Reset, ..TCP_EIM_APDF }),
            ..MASQUERADE
        },
        summary: "OpenWrt as shipped: Linux masquerading, unsolicited packets rejected, longer timers",
        evidence: &[Evidence::new(
            E::VendorDocumentation,
            "openwrt/firewall4, root/etc/config/firewall: zone wan has `masq 1` and `input REJECT`, and there is no redirect \
             that could be reflected; package/kernel/linux/files/sysctl-nf-conntrack.conf: UDP 60 s, 180 s for a stream; \
             established TCP 7440 s",
        )],
    },
    Preset {
        name: "openwrt-fullcone",
        behavior: Behavior {
            unsolicited: Unsolicited::Icmp,
            lifetime_ms: 60_000,
            tcp: Some(Tcp { lifetime_ms: 7_440_000, unsolicited: UnsolicitedSyn::Reset, ..TCP_EIM_APDF }),
            ..Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent)
        },
        summary: "OpenWrt with the fullcone module of third parties: EIM/EIF for UDP, TCP as before",
        evidence: &[
            Evidence::new(
                E::VendorDocumentation,
                "fullcone-nat-nftables/nft-fullcone, src/nf_nat_fullcone.c: a UDP mapping belongs to the inside endpoint, and \
                 what is for its port comes in from everybody; a port that is free is kept, else it is the first free one \
                 from 1024 on; anything but UDP is masqueraded; not part of OpenWrt itself",
            ),
            Evidence::new(E::Folklore, "it does not hairpin: its rules are those of packets from zone wan"),
        ],
    },
    Preset {
        name: "pf",
        behavior: Behavior {
            lifetime_ms: 30_000,
            tcp: Some(Tcp { lifetime_ms: 86_400_000, ..TCP_SYMMETRIC }),
            ..SYMMETRIC
        },
        summary: "pfSense and OPNsense, and OpenBSD's pf without `static-port`: APDM/APDF on random ports",
        evidence: &[Evidence::new(
            E::VendorDocumentation,
            "pfSense manual, \"Static port\": the source port of every outgoing packet but IKE's is rewritten unless Static \
                 Port is set; NAT reflection is off; pf.conf(5) and pfvar.h: states are per connection, UDP times out after \
                 60 s (udp.first), 30 s (udp.single) or 60 s (udp.multiple, both have sent again), established TCP after \
                 86400 s",
        )],
    },
    Preset {
        name: "windows-winnat",
        behavior: Behavior {
            refresh: Refresh::Outbound,
            tcp: Some(Tcp {
                lifetime_ms: 1_800_000,
                ..Tcp::new(Mapping::EndpointIndependent, Filtering::AddressDependent)
            }),
            ..Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent)
        },
        summary: "NAT networks of Windows (Hyper-V, containers): EIM/ADF, kept alive from inside alone",
        evidence: &[
            Evidence::new(
                E::VendorDocumentation,
                "PowerShell manual, Set-NetNat: the filtering of UDP and of TCP, the timers, and whether packets from outside \
                 refresh UDP can be set; the defaults are not in it",
            ),
            Evidence::new(
                E::Folklore,
                "output of Get-NetNat that users have published: AddressDependentFiltering for both, UdpIdleSessionTimeout \
                 120, UdpInboundRefresh False, TcpEstablishedConnectionTimeout 1800; mapping is endpoint-independent, since \
                 filtering can be set to that",
            ),
        ],
    },
    Preset {
        name: "home-router",
        behavior: Behavior {
            lifetime_ms: 90_000,
            tcp: Some(Tcp { lifetime_ms: 3_600_000, ..TCP_EIM_APDF }),
            ..EIM_APDF
        },
        summary: "the usual router of a home: EIM/APDF, ports kept, no hairpinning, timers shorter than the RFCs want",
        evidence: &[
            Evidence::new(
                E::Literature,
                "Ford, Srisuresh and Kegel, USENIX ATC 2005: 82 % of 380 consumer NATs keep one endpoint for UDP, 24 % \
                 hairpin; Richter et al., IMC 2016: under 2 % of home routers are symmetric; Hätönen et al., IMC 2010: 34 \
                 gateways drop an unanswered UDP mapping after 30 s at the least, and most earlier than RFC 4787 wants",
            ),
            Evidence::new(E::Folklore, "90 s and one hour stand for the spread of the timers that were found"),
        ],
    },
    Preset {
        name: "carrier-grade",
        behavior: Behavior {
            ports: PortAssignment::Random,
            port_block: Some(128),
            addresses: 2,
            pooling: Pooling::Paired,
            hairpinning: Hairpinning::ExternalSource,
            lifetime_ms: 300_000,
            ..Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent)
        },
        summary: "a carrier's NAT as the RFCs want it: EIM/EIF, a block of ports per subscriber, paired pooling",
        evidence: &[
            Evidence::new(
                E::VendorDocumentation,
                "Junos, block-allocation of source NAT: blocks of 128 ports by default, up to 8 for a host, of which the \
                 preset has one; FortiOS, IP pools of port blocks and of fixed port ranges with endpoint-independent \
                 filtering",
            ),
            Evidence::new(
                E::Rfc,
                "RFC 6888 REQ-1 (RFC 4787 holds: EIM, hairpinning), REQ-2 (paired), REQ-4 (ports per subscriber limited), \
                 REQ-7 (EIF recommended); RFC 4787 REQ-5: 5 minutes recommended; RFC 7422: port blocks",
            ),
        ],
    },
    Preset {
        name: "cellular-symmetric",
        behavior: Behavior {
            addresses: 2,
            lifetime_ms: 60_000,
            tcp: Some(Tcp { lifetime_ms: 1_800_000, ..TCP_SYMMETRIC }),
            ..SYMMETRIC
        },
        summary: "a mobile carrier's NAT of the strict kind: APDM/APDF on random ports of a pool, short timers",
        evidence: &[
            Evidence::new(
                E::Literature,
                "Richter et al., IMC 2016: over 90 % of cellular networks have a carrier's NAT, and about 40 % of those are \
                 symmetric",
            ),
            Evidence::new(E::Folklore, "a minute for UDP and half an hour for TCP; carriers do not publish theirs"),
        ],
    },
    Preset {
        name: "corporate-symmetric",
        behavior: Behavior { tcp: Some(Tcp { lifetime_ms: 3_600_000, ..TCP_SYMMETRIC }), ..SYMMETRIC },
        summary: "a company's firewall with port translation: APDM/APDF on ports nobody can foresee, UDP allowed",
        evidence: &[
            Evidence::new(
                E::VendorDocumentation,
                "Cisco ASA guide, \"Dynamic PAT\": ports are assigned dynamically and cannot be foreseen, and only responding \
                 traffic comes in; its guidelines on PAT pools say that a real port that is free is kept, which the preset \
                 does not; idle UDP 2 minutes, idle TCP one hour",
            ),
            Evidence::new(
                E::Folklore,
                "each session has a port of its own; other makers' firewalls do the same with one address, and do not hairpin",
            ),
        ],
    },
    Preset {
        name: "cloud-1to1",
        behavior: Behavior {
            lifetime_ms: 30_000,
            tcp: Some(Tcp { lifetime_ms: LINUX_TCP_MS, ..TCP_EIM_APDF }),
            ..Behavior::one_to_one(Filtering::AddressAndPortDependent)
        },
        summary: "an instance with a public address of its own behind 1:1 NAT and a stateful security group",
        evidence: &[Evidence::new(
            E::VendorDocumentation,
            "Amazon VPC manual: the Internet gateway translates an instance's address one-to-one; EC2 API, \
             ConnectionTrackingConfiguration: UDP 30 s after one exchange and up to 60 s, 180 s for a stream, established \
             TCP 432000 s (350 s on Nitro v6); security groups let answers alone come in",
        )],
    },
    Preset {
        name: "hotel",
        behavior: Behavior {
            lifetime_ms: 30_000,
            icmp_errors: IcmpErrors::Dropped,
            tcp: Some(Tcp { lifetime_ms: 300_000, ..TCP_SYMMETRIC }),
            ..SYMMETRIC
        },
        summary: "a guest network on a bad day: APDM/APDF, timers of 30 s, ICMP errors lost; add `isolated = true`",
        evidence: &[Evidence::new(
            E::Folklore,
            "what support desks tell of guest networks; guests are kept apart in all of them, UDP is blocked in some \
             (`udp-blocked`), and none of it has been counted",
        )],
    },
];
