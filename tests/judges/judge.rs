//! Who judges: how each is started, what of its words counts, and what it must say about a gateway.

use super::gateways::{Filtering as F, Gateway, Hairpinning, Mapping as M, Ports};
use super::lab::{ADDRESSES, Server, is_installed};

/// Other people's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// `turnutils_natdiscovery` of coturn: RFC 5780.
    Natdiscovery,
    /// `stun-nat-behaviour` of pion: RFC 5780.
    Pion,
    /// `stun` of vovida: RFC 3489.
    Vovida,
    /// `pystun3`: RFC 3489.
    Pystun3,
}

impl Judge {
    /// Its program.
    pub fn name(self) -> &'static str {
        match self {
            Judge::Natdiscovery => "turnutils_natdiscovery",
            Judge::Pion => "stun-nat-behaviour",
            Judge::Vovida => "stun",
            Judge::Pystun3 => "pystun3",
        }
    }

    /// Whether it judges in a few seconds, so that it can judge everything.
    pub fn is_quick(self) -> bool {
        matches!(self, Judge::Pion | Judge::Vovida)
    }

    /// Why it cannot judge here.
    pub fn missing(self) -> Option<String> {
        (!is_installed(self.name())).then(|| format!("{} is not installed", self.name()))
    }

    /// Program and arguments.
    pub fn command(self) -> Vec<String> {
        let server = ADDRESSES[0];
        let arguments = match self {
            Judge::Natdiscovery => format!("-m -f {server}"),
            Judge::Pion => format!("-server {server}:3478 -timeout 1"),
            Judge::Vovida => server.to_owned(),
            Judge::Pystun3 => format!("-H {server} -P 3478"),
        };
        std::iter::once(self.name()).chain(arguments.split(' ')).map(str::to_owned).collect()
    }

    /// What counts of its words, in one line.
    pub fn finding(self, gateway: Gateway, said: &str) -> String {
        let after = |mark: &str| -> Vec<&str> {
            said.lines().filter_map(|l| l.split_once(mark)).map(|(_, found)| found.trim()).collect()
        };
        match self {
            Judge::Natdiscovery => {
                let verdicts: Vec<&str> = after("NAT with ").into_iter().map(|v| v.trim_end_matches('!')).collect();
                let mapping = said.split("Filtering Behavior Discovery").next().unwrap_or(said);
                format!("{}; {}", pattern(mapping, "UDP reflexive addr: "), verdicts.join(", "))
            }
            Judge::Pion => after(" behavior: ").join(", "),
            // It says which ports it saw after the filter, and hairpinning last. Another assignment may keep a port by chance.
            Judge::Vovida => {
                let parts: Vec<&str> = after("Primary: ").into_iter().flat_map(|v| v.split(", ")).collect();
                let known = parts.iter().filter(|p| keeps_ports(gateway) || !p.contains("port") || p.contains("Port"));
                known.copied().collect::<Vec<_>>().join(", ")
            }
            Judge::Pystun3 => after("NAT Type: ").join(", "),
        }
    }

    /// What it must find.
    pub fn expected(self, server: Server, gateway: Gateway) -> String {
        match self {
            Judge::Natdiscovery => natdiscovery(server, gateway),
            Judge::Pion => pion(gateway),
            Judge::Vovida => vovida(gateway),
            Judge::Pystun3 => pystun3(gateway).to_owned(),
        }
    }
}

/// Which of the values after `mark` are equal: the first is `a`, the next that differs `b`, and so on.
fn pattern(said: &str, mark: &str) -> String {
    let mut seen = Vec::new();
    let letters = said.lines().filter_map(|l| l.split_once(mark)).map(|(_, value)| {
        let place = seen.iter().position(|s| *s == value).unwrap_or_else(|| {
            seen.push(value);
            seen.len() - 1
        });
        char::from(b"abcdefgh"[place.min(7)])
    });
    letters.collect()
}

/// The letters are the reflexive endpoints of its mapping tests.
///
/// Asked at A2:P1, a server names A1:P2 as OTHER-ADDRESS (RFC 5780 §7.4: where an answer with both flags would come from),
/// and so does natlab's. The judge sends its third test to whatever the last answer named, A1:P2 then and not the A2:P2 of
/// RFC 5780 §4.3, finds that it differs from what A2:P1 saw, and says "Address and Port Dependent" of an address-dependent
/// mapping too. What it saw still tells the two apart: towards A1, A2, A1 an address-dependent mapping gives `aba`.
/// coturn's server names A2:P2 when it is asked at A2:P1, and the judge is right.
fn natdiscovery(server: Server, gateway: Gateway) -> String {
    let Some((mapping, filtering)) = gateway.axes() else { return "; ".to_owned() };
    let mapping = match (mapping, server) {
        (M::EndpointIndependent, _) => "aa; Endpoint Independent Mapping",
        (M::AddressDependent, Server::Natlab) => "aba; Address and Port Dependent Mapping",
        (M::AddressDependent, Server::Coturn) => "abb; Address Dependent Mapping",
        (M::AddressAndPortDependent, _) => "abc; Address and Port Dependent Mapping",
    };
    let filtering = match filtering {
        F::EndpointIndependent => "Endpoint Independent Filtering",
        F::AddressDependent => "Address Dependent Filtering",
        F::AddressAndPortDependent => "Address and Port Dependent Filtering",
    };
    format!("{mapping}, {filtering}")
}

fn pion(gateway: Gateway) -> String {
    let Some((mapping, filtering)) = gateway.axes() else { return "inconclusive, inconclusive".to_owned() };
    let mapping = match mapping {
        M::EndpointIndependent => "endpoint independent",
        M::AddressDependent => "address dependent",
        M::AddressAndPortDependent => "address and port dependent",
    };
    let filtering = match filtering {
        F::EndpointIndependent => "endpoint independent",
        F::AddressDependent => "address dependent",
        F::AddressAndPortDependent => "address and port dependent",
    };
    format!("{mapping}, {filtering}")
}

/// It has one word for all mappings that are not endpoint-independent, and does not look at their filters.
fn vovida(gateway: Gateway) -> String {
    let found = match gateway {
        Gateway::Open => return "Open".to_owned(),
        Gateway::Firewall => return "Firewall".to_owned(),
        Gateway::UdpBlocked => return "Blocked or could not reach STUN server".to_owned(),
        Gateway::Axes(m, f) | Gateway::Whole(m, f, ..) | Gateway::Preset(_, m, f) => match (m, f) {
            (M::EndpointIndependent, F::EndpointIndependent) => "Independent Mapping, Independent Filter",
            (M::EndpointIndependent, F::AddressDependent) => "Independent Mapping, Address Dependent Filter",
            (M::EndpointIndependent, F::AddressAndPortDependent) => "Independent Mapping, Port Dependent Filter",
            _ => "Dependent Mapping",
        },
    };
    let ports = if keeps_ports(gateway) { ", preserves ports" } else { "" };
    format!("{found}{ports}, {}", if hairpins_to_itself(gateway) { "will hairpin" } else { "no hairpin" })
}

/// Whether each of its sockets keeps its port.
fn keeps_ports(gateway: Gateway) -> bool {
    matches!(gateway, Gateway::Whole(.., Ports::Preserving | Ports::Overloading))
}

/// It sends from a socket to that socket's own reflexive endpoint. With an external source, and the same endpoint towards
/// everybody, the packet itself opens the filter that it meets; where the mapping depends on the destination it leaves from an
/// endpoint that the other has never sent to, and passes only where nothing is filtered. With the inside source there is no
/// second endpoint: filters then look at what the inside socket has sent to, which is itself.
fn hairpins_to_itself(gateway: Gateway) -> bool {
    match gateway {
        Gateway::Whole(_, _, Hairpinning::None, _) => false,
        Gateway::Whole(m, f, Hairpinning::ExternalSource, _) => {
            m == M::EndpointIndependent || f == F::EndpointIndependent
        }
        Gateway::Whole(_, _, Hairpinning::InternalSource, _) => true,
        _ => false,
    }
}

/// It looks at filtering first, and calls everything that filters nothing a full cone, whatever its mapping. It compares
/// the reflexive address with the wildcard that it is bound to, so that without translation it sees a cone as well.
fn pystun3(gateway: Gateway) -> &'static str {
    match gateway.axes() {
        None => "Blocked",
        Some((_, F::EndpointIndependent)) => "Full Cone",
        Some((M::EndpointIndependent, F::AddressDependent)) => "Restric NAT",
        Some((M::EndpointIndependent, F::AddressAndPortDependent)) => "Restric Port NAT",
        Some(_) => "Symmetric NAT",
    }
}
