//! What an interface seems to be, by its type and its name. Pure.
//!
//! Types come from the operating system and are right where they say something; but a bridge of a container engine, a pair of
//! virtual ports and a tunnel in user space all call themselves Ethernet somewhere, so names decide first. Names are those that
//! the programs which make such interfaces give by default.

use netdev::interface::types::InterfaceType;

use crate::classification::InterfaceKind;

/// Names, or beginnings of them when `*` follows, and what they stand for; the first that fits counts.
const NAMES: &[(&str, InterfaceKind)] = &[
    ("docker*", InterfaceKind::Container),
    ("br-*", InterfaceKind::Container),
    ("podman*", InterfaceKind::Container),
    ("cni*", InterfaceKind::Container),
    ("cali*", InterfaceKind::Container),
    ("flannel*", InterfaceKind::Container),
    ("cilium*", InterfaceKind::Container),
    ("lxc*", InterfaceKind::Container),
    ("lxd*", InterfaceKind::Container),
    ("incus*", InterfaceKind::Container),
    ("kube*", InterfaceKind::Container),
    ("veth*", InterfaceKind::Container),
    ("tun*", InterfaceKind::Vpn),
    ("tap*", InterfaceKind::Vpn),
    ("utun*", InterfaceKind::Vpn),
    ("wg*", InterfaceKind::Vpn),
    ("tailscale*", InterfaceKind::Vpn),
    ("zt*", InterfaceKind::Vpn),
    ("nordlynx", InterfaceKind::Vpn),
    ("proton*", InterfaceKind::Vpn),
    ("ipsec*", InterfaceKind::Vpn),
    ("ppp*", InterfaceKind::Vpn),
    ("gre*", InterfaceKind::Vpn),
    ("sit*", InterfaceKind::Vpn),
    ("virbr*", InterfaceKind::Virtual),
    ("vmnet*", InterfaceKind::Virtual),
    ("vboxnet*", InterfaceKind::Virtual),
    ("vnet*", InterfaceKind::Virtual),
    ("bridge*", InterfaceKind::Virtual),
    ("dummy*", InterfaceKind::Virtual),
    ("br0", InterfaceKind::Virtual),
    ("wwan*", InterfaceKind::Cellular),
    ("rmnet*", InterfaceKind::Cellular),
    ("pdp_ip*", InterfaceKind::Cellular),
    ("wlan*", InterfaceKind::Wireless),
    ("wlp*", InterfaceKind::Wireless),
    ("wlx*", InterfaceKind::Wireless),
    ("ath*", InterfaceKind::Wireless),
    ("awdl*", InterfaceKind::Wireless),
];

/// Words in what Windows calls an interface.
const WORDS: &[(&str, InterfaceKind)] = &[
    ("wireguard", InterfaceKind::Vpn),
    ("tap-windows", InterfaceKind::Vpn),
    ("wintun", InterfaceKind::Vpn),
    ("openvpn", InterfaceKind::Vpn),
    ("tailscale", InterfaceKind::Vpn),
    ("zerotier", InterfaceKind::Vpn),
    ("vpn", InterfaceKind::Vpn),
    ("wsl", InterfaceKind::Virtual),
    ("hyper-v", InterfaceKind::Virtual),
    ("vethernet", InterfaceKind::Virtual),
    ("virtualbox", InterfaceKind::Virtual),
    ("vmware", InterfaceKind::Virtual),
    ("wi-fi", InterfaceKind::Wireless),
    ("wireless", InterfaceKind::Wireless),
];

/// The kind of an interface with this name, this description (Windows has one), this type, point-to-point or not.
pub fn of(name: &str, described: &[&str], kind: InterfaceType, point_to_point: bool) -> InterfaceKind {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    if let Some((_, kind)) = NAMES.iter().find(|(pattern, _)| fits(pattern)) {
        return *kind;
    }
    let described = described.join(" ").to_lowercase();
    if let Some((_, kind)) = WORDS.iter().find(|(word, _)| described.contains(word)) {
        return *kind;
    }
    use InterfaceType as T;
    match kind {
        T::Wireless80211 | T::PeerToPeerWireless => InterfaceKind::Wireless,
        T::Wman | T::Wwan | T::Wwanpp | T::Wwanpp2 => InterfaceKind::Cellular,
        T::Tunnel | T::Ppp | T::Slip => InterfaceKind::Vpn,
        T::Bridge | T::ProprietaryVirtual => InterfaceKind::Virtual,
        _ if point_to_point => InterfaceKind::Vpn,
        T::Ethernet | T::Ethernet3Megabit | T::FastEthernetT | T::FastEthernetFx | T::GigabitEthernet => {
            InterfaceKind::Wired
        }
        _ => InterfaceKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InterfaceType as T;

    #[test]
    fn names_tell_what_types_do_not() {
        let of = |name, kind| of(name, &[], kind, false);
        assert_eq!(of("docker0", T::Ethernet), InterfaceKind::Container);
        assert_eq!(of("br-3f2a", T::Bridge), InterfaceKind::Container);
        assert_eq!(of("wg0", T::Unknown), InterfaceKind::Vpn);
        assert_eq!(of("utun3", T::Unknown), InterfaceKind::Vpn);
        assert_eq!(of("virbr0", T::Bridge), InterfaceKind::Virtual);
        assert_eq!(of("eth0", T::Ethernet), InterfaceKind::Wired);
        assert_eq!(of("en0", T::Wireless80211), InterfaceKind::Wireless);
        assert_eq!(of("wlp3s0", T::Ethernet), InterfaceKind::Wireless, "Linux calls it Ethernet");
        assert_eq!(of("what", T::Unknown), InterfaceKind::Unknown);
    }

    #[test]
    fn what_is_point_to_point_is_a_tunnel_and_windows_describes() {
        assert_eq!(of("work", &[], T::Unknown, true), InterfaceKind::Vpn);
        let described = ["Ethernet 2", "WireGuard Tunnel"];
        assert_eq!(of("{9B0F}", &described, T::Ethernet, false), InterfaceKind::Vpn);
        assert_eq!(of("{9B0F}", &["vEthernet (WSL)"], T::Ethernet, false), InterfaceKind::Virtual);
    }
}
