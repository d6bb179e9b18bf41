//! Whom to ask: servers that were named, those of a list, or public ones; and their addresses, IPv4 and IPv6 apart.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::name::Name;
use crate::classification::{Family, Server};
use crate::plan::seed::derive;
use crate::probe::Candidate;
use crate::probe::check::target::PORT;

/// How long a name may take to become addresses.
const PATIENCE: Duration = Duration::from_secs(5);

/// Public servers of three operators on three networks; the third one answers on two ports of one address, which tells ADM from
/// APDM.
const ORDINARY: [(&str, u16); 4] = [
    ("stun.cloudflare.com", 3478),
    ("stun.l.google.com", 19302),
    ("stun.nextcloud.com", 3478),
    ("stun.nextcloud.com", 443),
];

/// Public servers that say they do behaviour discovery (RFC 5780), each by another operator.
const BEHAVIOR: [&str; 8] = [
    "stun.freeswitch.org",
    "stun.voipgate.com",
    "stun.sonetel.com",
    "stun.signalwire.com",
    "stun.bethesda.net",
    "stun.m-online.net",
    "stun.sip.us",
    "stun.stochastix.de",
];

/// How many of those are asked: some are always down, and none should be asked by everybody. Two of them at most are then
/// tested in full.
const ASKED: usize = 3;

/// Public servers; which ones with behaviour discovery follows from the seed.
pub fn public(seed: u64) -> Vec<Name> {
    let mut behavior = BEHAVIOR;
    behavior.sort_by_key(|host| derive(seed, host));
    let behavior = behavior.into_iter().take(ASKED).map(|host| (host, PORT));
    let name = |(host, port): (&str, u16)| Name { written: format!("{host}:{port}"), host: host.to_owned(), port };
    ORDINARY.into_iter().chain(behavior).map(name).collect()
}

/// Servers with their addresses.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// Of each server and family the first address, in the order in which servers were named.
    pub candidates: Vec<Resolution>,
    /// Servers without an address of the families that are asked about.
    pub lost: Vec<Server>,
}

/// One address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The server.
    pub name: Name,
    /// An address.
    pub address: SocketAddr,
}

impl Resolved {
    /// Those of one family.
    pub fn of(&self, family: Family) -> impl Iterator<Item = &Resolution> {
        self.candidates.iter().filter(move |c| Family::of(c.address.ip()) == family)
    }

    /// The same as the engine takes them.
    pub fn candidates_of(&self, family: Family) -> Vec<Candidate> {
        self.of(family).map(|r| Candidate { name: r.name.written.clone(), address: r.address }).collect()
    }
}

/// Resolves all of them at the same time.
pub async fn resolve(names: &[Name], families: &[Family]) -> Resolved {
    let lookups = names.iter().map(|name| async move {
        let found = match timeout(PATIENCE, tokio::net::lookup_host((name.host.as_str(), name.port))).await {
            Err(_) => Err(format!("no answer from the resolver within {} s", PATIENCE.as_secs())),
            Ok(Err(e)) => Err(e.to_string()),
            Ok(Ok(found)) => Ok(found.collect::<Vec<SocketAddr>>()),
        };
        (name, found)
    });
    let mut resolved = Resolved::default();
    for (name, found) in futures_util::future::join_all(lookups).await {
        add(&mut resolved, name, found, families);
    }
    resolved
}

fn add(resolved: &mut Resolved, name: &Name, found: Result<Vec<SocketAddr>, String>, families: &[Family]) {
    let mut lose = |problem: String| {
        let problems = vec![problem];
        resolved.lost.push(Server { problems, ..Server::unasked(&name.written, None) });
    };
    let found = match found {
        Ok(found) => found,
        Err(why) => return lose(format!("failed to resolve {}: {why}", name.host)),
    };
    let first = |family: &Family| found.iter().copied().find(|a| Family::of(a.ip()) == *family);
    let chosen: Vec<SocketAddr> = families.iter().filter_map(first).collect();
    if chosen.is_empty() {
        let asked: Vec<String> = families.iter().map(Family::to_string).collect();
        return lose(format!("{} has no {} address", name.host, asked.join(" or ")));
    }
    for address in chosen {
        // Two names can stand for one server, which must not vouch for itself.
        match resolved.candidates.iter().find(|c| c.address == address) {
            None => resolved.candidates.push(Resolution { name: name.clone(), address }),
            Some(other) => {
                let problems = vec![format!("is {} under another name", other.name.written)];
                resolved.lost.push(Server { problems, ..Server::unasked(&name.written, Some(address)) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_same_seed_asks_the_same_servers_and_others_ask_others() {
        assert_eq!(public(1), public(1));
        assert_eq!(public(1).len(), ORDINARY.len() + ASKED);
        let chosen: std::collections::BTreeSet<String> =
            (0..50).flat_map(public).map(|name| name.host).filter(|host| BEHAVIOR.contains(&host.as_str())).collect();
        assert_eq!(chosen.len(), BEHAVIOR.len(), "each has its turn");
    }

    fn added(found: Result<&[&str], &str>, families: &[Family]) -> Resolved {
        let mut resolved = Resolved::default();
        let found = found.map(|f| f.iter().map(|a| a.parse().unwrap()).collect()).map_err(str::to_owned);
        add(&mut resolved, &"stun.example".parse().unwrap(), found, families);
        resolved
    }

    #[test]
    fn families_are_kept_apart_and_each_has_one_address() {
        let both = [Family::Ipv4, Family::Ipv6];
        let found = Ok(&["[2001:db8::1]:3478", "192.0.2.1:3478", "192.0.2.2:3478"][..]);
        let resolved = added(found, &both);
        assert_eq!(resolved.candidates_of(Family::Ipv4)[0].address, "192.0.2.1:3478".parse().unwrap());
        assert_eq!(resolved.of(Family::Ipv6).count(), 1);
        let v6 = added(Ok(&["192.0.2.1:3478"]), &[Family::Ipv6]);
        assert_eq!(v6.lost[0].problems, ["stun.example has no IPv6 address"]);
        let none = added(Err("no such name"), &both);
        assert_eq!(none.lost[0].problems, ["failed to resolve stun.example: no such name"]);
    }

    #[tokio::test]
    async fn two_names_of_one_server_count_once() {
        let names = ["127.0.0.1:3478", "stun:127.0.0.1"].map(|n| n.parse().unwrap());
        let resolved = resolve(&names, &[Family::Ipv4]).await;
        assert_eq!((resolved.candidates.len(), resolved.lost.len()), (1, 1));
        assert_eq!(resolved.lost[0].problems, ["is 127.0.0.1:3478 under another name"]);
    }
}
