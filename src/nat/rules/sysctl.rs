//! Kernel settings of a gateway's namespace.

use std::time::Duration;

use crate::nat::{Behavior, Gateway, Refresh};

/// A kernel setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// As `sysctl` spells it: `net.ipv4.ip_forward`.
    pub name: &'static str,
    /// What is written.
    pub value: String,
    /// When it can be written.
    pub stage: Stage,
    /// The file may be missing, and then the setting is not needed.
    pub optional: bool,
}

/// When a setting can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Before interfaces are made, which inherit some of them.
    BeforeInterfaces,
    /// After the table is loaded: on a host where nothing tracked connections yet, loading it brings these files about.
    AfterTable,
}

/// What a gateway's namespace needs, in order.
pub fn sysctls(gateway: &Gateway) -> Vec<Sysctl> {
    let setting = |stage, optional| move |name, value: &str| Sysctl { name, value: value.to_owned(), stage, optional };
    let first = setting(Stage::BeforeInterfaces, false);
    let optional = setting(Stage::BeforeInterfaces, true);
    let tracking = setting(Stage::AfterTable, false);
    let b = &gateway.behavior;
    let mut out = vec![
        first("net.ipv4.ip_forward", "1"),
        // New namespaces inherit these from the host. A redirect would make a client send hairpinned packets to its neighbour
        // directly; strict reverse paths would drop what a test sends on purpose.
        first("net.ipv4.conf.all.send_redirects", "0"),
        first("net.ipv4.conf.default.send_redirects", "0"),
        first("net.ipv4.conf.all.rp_filter", "0"),
        first("net.ipv4.conf.default.rp_filter", "0"),
        // Each packet that is answered with an error is: not one a second for each sender, and not a thousand in all, a limit
        // that the kernel puts on the types of this mask and that "icmp_ratelimit" does not lift.
        first("net.ipv4.icmp_ratemask", "0"),
        // br_netfilter would translate frames that are only bridged, and hairpinned packets would vanish.
        optional("net.bridge.bridge-nf-call-iptables", "0"),
        optional("net.bridge.bridge-nf-call-ip6tables", "0"),
        optional("net.bridge.bridge-nf-call-arptables", "0"),
    ];
    if b.translation.translates() || super::firewalled(b) {
        let timeout = if untracked(b) { 0 } else { conntrack_timeout(b.lifetime()) }.to_string();
        out.push(tracking("net.netfilter.nf_conntrack_udp_timeout", &timeout));
        out.push(tracking("net.netfilter.nf_conntrack_udp_timeout_stream", &timeout));
        // A session begins with a SYN. Else any later segment from inside would bring a mapping back that has ended.
        out.push(tracking("net.netfilter.nf_conntrack_tcp_loose", "0"));
        let lifetime = b.tcp().lifetime_ms / 1000;
        for (name, most) in TCP_TIMEOUTS {
            let seconds = most.map_or(lifetime, |most| most.min(lifetime));
            out.push(tracking(name, &seconds.to_string()));
        }
    }
    out
}

/// Sessions that are opening, closing or reset end after so many seconds at the latest (RFC 5382 REQ-5: four minutes at the
/// least); the kernel's own are from 10 to 120. Mappings live on.
const TRANSITORY: Option<u64> = Some(240);

/// The timers of connections, and what they are where it is not the lifetime that counts: no connection outlives its mapping.
const TCP_TIMEOUTS: [(&str, Option<u64>); 10] = [
    ("net.netfilter.nf_conntrack_tcp_timeout_established", None),
    ("net.netfilter.nf_conntrack_tcp_timeout_unacknowledged", Some(300)),
    ("net.netfilter.nf_conntrack_tcp_timeout_max_retrans", Some(300)),
    ("net.netfilter.nf_conntrack_tcp_timeout_syn_sent", TRANSITORY),
    ("net.netfilter.nf_conntrack_tcp_timeout_syn_recv", TRANSITORY),
    ("net.netfilter.nf_conntrack_tcp_timeout_fin_wait", TRANSITORY),
    ("net.netfilter.nf_conntrack_tcp_timeout_close_wait", TRANSITORY),
    ("net.netfilter.nf_conntrack_tcp_timeout_last_ack", TRANSITORY),
    ("net.netfilter.nf_conntrack_tcp_timeout_time_wait", TRANSITORY),
    ("net.netfilter.nf_conntrack_tcp_timeout_close", TRANSITORY),
];

/// In seconds. A tracked connection must not outlive its mapping, else its port could not be used again by another; and the
/// setting knows whole seconds only. With 0 every packet begins a connection of its own and the maps decide alone; the rules
/// translate ICMP errors themselves then, and `ReplyAffine` cannot be had.
pub(super) fn conntrack_timeout(lifetime: Duration) -> u64 {
    if lifetime.subsec_nanos() == 0 { lifetime.as_secs() } else { 0 }
}

/// Whether connection tracking is made to forget UDP at once, and the maps decide alone: of lifetimes that it cannot count, and
/// where packets of one direction keep nothing alive, since it takes both for a refresh.
pub(super) fn untracked(b: &Behavior) -> bool {
    b.refresh != Refresh::Both || conntrack_timeout(b.lifetime()) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_never_outlive_their_mappings() {
        for (ms, seconds) in [(200, 0), (400, 0), (999, 0), (1000, 1), (1500, 0), (120_000, 120)] {
            assert_eq!(conntrack_timeout(Duration::from_millis(ms)), seconds, "{ms} ms");
        }
    }
}
