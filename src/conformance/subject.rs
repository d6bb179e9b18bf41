//! What is verified: a gateway by itself, or a chain of them.

use serde::{Deserialize, Serialize};

use crate::nat::{Behavior, Filtering, Translation, UdpPolicy};
use crate::net::Transport;

/// A gateway as it is declared, free of any address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Declared {
    /// Name of the preset or of the scenario's gateway.
    pub name: String,
    /// What it does.
    pub behavior: Behavior,
    /// Its static port forwards. They are loaded while they are probed themselves, and at no other time: a port that is
    /// forwarded is not free for mappings.
    #[serde(default)]
    pub forwards: Vec<Inward>,
}

/// A static port forward without the address that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inward {
    /// Of which protocol.
    pub protocol: Transport,
    /// External port.
    pub port: u16,
    /// Which inside host it leads to, of two.
    pub host: usize,
    /// Port of the inside endpoint.
    pub inside: u16,
}

/// A port of the first external address, as a stranger on the Internet sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WayIn {
    /// Of which protocol.
    pub protocol: Transport,
    /// The port.
    pub port: u16,
    /// The inside host and its port that it leads to; `None` where not every gateway lets it through.
    pub to: Option<(usize, u16)>,
}

/// What is verified at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Unique among those of one call.
    pub name: String,
    /// Gateways on the way in, the outermost first; at least one.
    pub gateways: Vec<Declared>,
}

impl Subject {
    /// A gateway by itself.
    pub fn alone(gateway: Declared) -> Subject {
        Subject { name: gateway.name.clone(), gateways: vec![gateway] }
    }

    /// Gateways one behind the other, the outermost first.
    pub fn chain(gateways: Vec<Declared>) -> Subject {
        let names: Vec<&str> = gateways.iter().rev().map(|g| g.name.as_str()).collect();
        Subject { name: names.join(" behind "), gateways }
    }

    /// Whether there is more than one gateway.
    pub fn is_chain(&self) -> bool {
        self.gateways.len() > 1
    }

    /// What all of them do together.
    pub fn declared(&self) -> Behavior {
        let open = Behavior::public(Filtering::EndpointIndependent);
        let together = self.gateways.iter().rev().map(|g| g.behavior).reduce(|inner, outer| inner.behind(outer));
        together.unwrap_or(open)
    }

    /// How long an idle UDP flow through all of them lives, in milliseconds: as long as in the first that forgets it. `None`
    /// when none remembers anything.
    pub fn lifetime_ms(&self) -> Option<u64> {
        let remembers =
            |b: &Behavior| b.translation == Translation::Napt || b.filtering != Filtering::EndpointIndependent;
        self.gateways.iter().map(|g| g.behavior).filter(remembers).map(|b| b.lifetime_ms).min()
    }

    /// The same of an idle TCP connection.
    pub fn tcp_lifetime_ms(&self) -> Option<u64> {
        let remembers =
            |b: &Behavior| b.translation == Translation::Napt || b.tcp().filtering != Filtering::EndpointIndependent;
        self.gateways.iter().map(|g| g.behavior).filter(remembers).map(|b| b.tcp().lifetime_ms).min()
    }

    /// External ports that some gateway forwards.
    pub fn inward(&self) -> Vec<WayIn> {
        let mut all: Vec<(Transport, u16)> = Vec::new();
        for f in self.gateways.iter().flat_map(|g| &g.forwards) {
            if !all.contains(&(f.protocol, f.port)) {
                all.push((f.protocol, f.port));
            }
        }
        all.into_iter().map(|(protocol, port)| WayIn { protocol, port, to: self.led(protocol, port) }).collect()
    }

    /// Where a stranger's packet to a port of the first external address gets to.
    fn led(&self, protocol: Transport, mut port: u16) -> Option<(usize, u16)> {
        let (mut translated, mut host) = (false, 0);
        for g in &self.gateways {
            let b = &g.behavior;
            let filtering = match protocol {
                Transport::Udp if b.udp == UdpPolicy::Blocked => return None,
                Transport::Udp => b.filtering,
                Transport::Tcp => b.tcp().filtering,
            };
            match b.translation {
                Translation::Napt => {
                    let f = g.forwards.iter().find(|f| (f.protocol, f.port) == (protocol, port))?;
                    (port, host) = (f.inside, f.host);
                }
                // What is led to the gateway's own address goes no further.
                Translation::OneToOne | Translation::None if translated => return None,
                _ if filtering != Filtering::EndpointIndependent => return None,
                Translation::OneToOne | Translation::None => {}
            }
            translated |= b.translation.translates();
        }
        Some((host, port))
    }

    /// The same without static port forwards.
    pub fn without_forwards(&self) -> Subject {
        let each = self.gateways.iter().map(|g| Declared { forwards: Vec::new(), ..g.clone() });
        Subject { name: self.name.clone(), gateways: each.collect() }
    }

    /// The same with another behaviour of each gateway.
    pub fn map(&self, change: impl Fn(Behavior) -> Behavior) -> Subject {
        let each = self.gateways.iter().map(|g| Declared { behavior: change(g.behavior), ..g.clone() });
        Subject { name: self.name.clone(), gateways: each.collect() }
    }
}
