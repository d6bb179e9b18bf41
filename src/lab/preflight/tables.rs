//! Tables that need one thing of nftables each, and the gateway whose table needs all of them. Pure.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::facility::Facility;
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping};
use crate::net::Network;
use crate::nft::model::{Answer, Base, Chain, Dir, DynOp, Dynamic, Field, Hook, Proto, Rule, Set, Step, Table, Type};
use crate::plan::Gateway;

/// The gateway that needs most: both dependent axes, strict semantics (zones), a pool of addresses, hairpinning.
pub fn gateway(wan: &str, external: Vec<Ipv4Addr>, inside: Network) -> Gateway {
    let behavior = Behavior {
        hairpinning: Hairpinning::ExternalSource,
        ..Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressDependent)
    };
    Gateway {
        behavior,
        wan: wan.to_owned(),
        external,
        inside: vec![inside],
        pairs: vec![],
        forwards: vec![],
        seed: 1,
        preset: None,
    }
}

/// One table per facility of nftables, each with nothing beyond it and [`Facility::Rules`].
pub fn pieces() -> Vec<(Facility, Table)> {
    vec![
        (Facility::Rules, table("rules", vec![], filter(vec![Step::L4(Proto::Udp), Step::Drop]))),
        (Facility::Tracking, table("tracking", vec![], filter(tracking()))),
        (Facility::Translation, table("translation", vec![], translation())),
        (Facility::DynamicMaps, table("maps", vec![map()], filter(dynamic()))),
        (Facility::Hashing, table("hashing", vec![], filter(hashing()))),
        (Facility::Rejection, table("rejection", vec![], rejection())),
        (Facility::Untracked, table("untracked", vec![], filter(vec![Step::L4(Proto::Udp), Step::Untracked]))),
    ]
}

fn table(name: &str, sets: Vec<Set>, chain: Chain) -> Table {
    Table { name: name.to_owned(), sets, chains: vec![chain] }
}

fn filter(steps: Vec<Step>) -> Chain {
    let base = Base { nat: false, hook: Hook::Prerouting, priority: -300 };
    Chain { name: "tried".to_owned(), base: Some(base), rules: vec![Rule::new(steps, "preflight")] }
}

/// Both answers, where NATs give them: before connection tracking, which is possible since Linux 5.9.
fn rejection() -> Chain {
    let answers = [(Proto::Udp, Answer::PortUnreachable), (Proto::Tcp, Answer::Reset)];
    let rules = answers.map(|(p, answer)| Rule::new([Step::L4(p), Step::Reject(answer)], "preflight"));
    Chain { rules: rules.into(), ..filter(vec![]) }
}

fn tracking() -> Vec<Step> {
    let key = vec![Field::CtSaddr(Dir::Original), Field::CtDport(Dir::Original)];
    let zone = Step::ReplyZoneHash { key, modulus: 2, offset: 1 };
    // Zones take a hash as well; where only that is missing, `Hashing` says so too.
    vec![Step::StateInvalid, Step::L4(Proto::Udp), zone]
}

fn translation() -> Chain {
    let steps = vec![Step::L4(Proto::Udp), Step::SnatToOwn { port: Some(Proto::Udp) }];
    let base = Base { nat: true, hook: Hook::Postrouting, priority: 100 };
    Chain { name: "tried".to_owned(), base: Some(base), rules: vec![Rule::new(steps, "preflight")] }
}

fn map() -> Set {
    Set {
        name: "map".to_owned(),
        key: vec![Type::Addr, Type::Port],
        value: vec![Type::Addr, Type::Port],
        dynamic: Some(Dynamic { timeout: Some(Duration::from_millis(400)), size: 16 }),
        elements: vec![],
    }
}

fn dynamic() -> Vec<Step> {
    let key = vec![Field::Saddr, Field::Sport(Proto::Udp)];
    let value = vec![Field::Daddr, Field::Dport(Proto::Udp)];
    let update = Step::Dynset { op: DynOp::Update, set: "map".to_owned(), key, value, once_per_second: false };
    vec![Step::L4(Proto::Udp), update]
}

fn hashing() -> Vec<Step> {
    let key = vec![Field::Saddr, Field::Sport(Proto::Udp)];
    vec![Step::L4(Proto::Udp), Step::MarkHash { key, modulus: 64, seed: 1 }, Step::MarkCounter { modulus: 64 }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nat::{Refresh, Tcp, Unsolicited, UnsolicitedSyn, rules};

    fn kinds(table: &Table) -> Vec<std::mem::Discriminant<Step>> {
        table.rules().flat_map(|(_, r)| r.steps.iter().map(std::mem::discriminant)).collect()
    }

    #[test]
    fn what_is_tried_piece_by_piece_is_what_the_whole_nat_uses() {
        let external = vec![Ipv4Addr::new(203, 0, 113, 2), Ipv4Addr::new(203, 0, 113, 3)];
        let most = gateway("wan0", external, Network::new(Ipv4Addr::new(192, 168, 1, 0), 24));
        // What only some scenarios ask for.
        let tcp = Tcp { unsolicited: UnsolicitedSyn::Reset, ..most.behavior.tcp() };
        let unsolicited = Unsolicited::Icmp;
        let behavior = Behavior { unsolicited, tcp: Some(tcp), refresh: Refresh::Outbound, ..most.behavior };
        let some = Gateway { behavior, ..most.clone() };
        let whole: Vec<_> = [most, some].iter().flat_map(|gateway| kinds(&rules::table(gateway))).collect();
        for (facility, table) in pieces() {
            for (step, kind) in table.rules().flat_map(|(_, r)| &r.steps).zip(kinds(&table)) {
                // How a NAT translates differs by preset; that it does is what counts here.
                let translates = matches!(step, Step::SnatToOwn { .. });
                assert!(translates || whole.contains(&kind), "{facility:?}: {step:?} is not in the rules of a NAT");
            }
        }
    }
}
