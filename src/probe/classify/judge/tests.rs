#![allow(clippy::unwrap_used)]

use super::*;
use crate::classification::MappingFound as M;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn seen(pairs: &[(&str, &str)]) -> Vec<(SocketAddr, SocketAddr)> {
    pairs.iter().map(|(server, mapped)| (at(server), at(mapped))).collect()
}

const A: &str = "198.51.100.7:1";
const B: &str = "198.51.100.7:2";
const C: &str = "198.51.100.7:3";

#[test]
fn ordinary_servers_vote() {
    let one = |pairs: &[(&str, &str)]| mapping_of_ordinary(&seen(pairs)).value;
    let (s1, s2, s3, s2b) = ("192.0.2.1:3478", "192.0.2.2:3478", "192.0.2.3:3478", "192.0.2.2:443");
    assert_eq!(one(&[]), None);
    assert_eq!(one(&[(s1, A)]), None, "one server shows nothing");
    assert_eq!(one(&[(s2, A), (s2b, A)]), None, "EIM or ADM");
    assert_eq!(one(&[(s2, A), (s2b, B)]), Some(M::AddressAndPortDependent));
    assert_eq!(one(&[(s1, A), (s2, A)]), Some(M::EndpointIndependent));
    assert_eq!(one(&[(s1, A), (s2, B)]), Some(M::EndpointDependent));
    assert_eq!(one(&[(s1, A), (s2, A), (s3, B)]), Some(M::EndpointIndependent), "one liar");
    assert_eq!(one(&[(s1, A), (s2, B), (s3, C)]), Some(M::EndpointDependent));
    assert_eq!(one(&[(s1, A), (s2, B), (s2b, B)]), Some(M::AddressDependent));
    assert_eq!(one(&[(s1, A), (s2, B), (s2b, C)]), Some(M::AddressAndPortDependent));
    assert_eq!(one(&[(s1, A), (s2, A), ("192.0.2.4:1", B), ("192.0.2.5:1", B)]), None, "no majority");
}

#[test]
fn servers_are_checked_for_sanity() {
    let (server, local) = (at("203.0.113.1:3478"), at("10.0.0.2:5000"));
    let fatal = |mapped: Option<&str>, other: Option<&str>| {
        let success = Success { xor_mapped: mapped.map(at), other_address: other.map(at), ..Success::default() };
        let (places, problems) = sanity(server, local, &success, mapped.map(at));
        (places.is_some(), problems.iter().any(|p| p.fatal), problems.len())
    };
    assert_eq!(fatal(Some(A), Some("203.0.113.2:3479")), (true, false, 0));
    assert_eq!(fatal(Some(A), None), (false, false, 0));
    for private in ["172.18.0.1:9", "100.64.0.9:9", "127.0.0.1:9", "169.254.0.1:9"] {
        assert!(fatal(Some(private), None).1, "{private}");
    }
    assert!(fatal(Some("[2001:db8::1]:9"), None).1, "another family");
    assert!(fatal(None, None).1);
    for other in ["203.0.113.1:3479", "203.0.113.2:3478", "192.168.0.9:3479", "[2001:db8::2]:3479"] {
        assert_eq!(fatal(Some(A), Some(other)), (false, false, 1), "{other}");
    }
    // Without a NAT the mapped address may be anything that the host itself has.
    let success = Success { xor_mapped: Some(local), ..Success::default() };
    assert_eq!(sanity(server, local, &success, Some(local)).1, []);
}

#[test]
fn one_port_that_was_kept_may_be_chance() {
    use crate::classification::Preservation as P;
    let kept = |kept: u16| {
        let seen: Vec<_> = (0..16u16)
            .map(|i| (50_000 + i, if i < kept { 50_000 + i } else { 20_000 + 31 * i }))
            .map(|(l, m)| (SocketAddr::from(([10, 0, 0, 2], l)), SocketAddr::from(([198, 51, 100, 7], m))))
            .collect();
        ports(&seen).preservation.value
    };
    assert_eq!([0, 1, 2, 16].map(kept), [Some(P::None), None, Some(P::Some), Some(P::All)]);
    assert_eq!(ports(&[]).preservation.value, None);
}

#[test]
fn silence_counts_only_with_a_live_sender_and_little_loss() {
    let silent = |sends| Transaction { sends, outcome: Outcome::Silent, round_trip: None };
    let answered = Transaction {
        sends: 1,
        outcome: Outcome::Answered(Success { xor_mapped: Some(at(A)), ..Success::default() }),
        round_trip: None,
    };
    let clean = Loss { sent: 20, answered: 20 };
    let from = at("203.0.113.2:3479");
    assert!(matches!(passage(&silent(5), from, &answered, None, clean), Passage::Blocked { chance } if chance < 1e-4));
    assert!(matches!(passage(&silent(5), from, &answered, Some(&answered), clean), Passage::Blocked { .. }));
    assert!(matches!(passage(&silent(5), from, &answered, Some(&silent(5)), clean), Passage::Unknown(..)));
    assert!(matches!(passage(&silent(5), from, &silent(5), None, clean), Passage::Unknown(..)));
    assert!(matches!(passage(&silent(2), from, &answered, None, clean), Passage::Unknown(..)));
    let lossy = Loss { sent: 20, answered: 12 };
    assert!(matches!(passage(&silent(5), from, &answered, None, lossy), Passage::Unknown(..)));
    assert_eq!(passage(&answered, from, &silent(5), None, lossy), Passage::Passed, "an answer needs no proof");
}

proptest::proptest! {
    /// No set of votes makes it panic, and the order of servers does not matter.
    #[test]
    fn votes_have_no_order(votes in proptest::collection::vec((1u8..5, 1u16..3, 1u16..4), 0..8), turn in 0usize..8) {
        let all: Vec<(SocketAddr, SocketAddr)> = votes
            .iter()
            .map(|(ip, port, mapped)| {
                (SocketAddr::from(([192, 0, 2, *ip], *port)), SocketAddr::from(([198, 51, 100, 7], *mapped)))
            })
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect();
        let mut turned = all.clone();
        if !turned.is_empty() {
            let by = turn % turned.len();
            turned.rotate_left(by);
        }
        proptest::prop_assert_eq!(mapping_of_ordinary(&all).value, mapping_of_ordinary(&turned).value);
    }

    /// Whatever a perfect NAT of each kind shows, the conclusion is that kind.
    #[test]
    fn a_perfect_nat_is_recognised(kind in 0usize..3, servers in 2u8..6) {
        let mapping = Mapping::ALL[kind];
        let all: Vec<(SocketAddr, SocketAddr)> = (1..=servers)
            .flat_map(|ip| [1u16, 2].map(|port| (ip, port)))
            .map(|(ip, port)| {
                let mapped = match mapping {
                    Mapping::EndpointIndependent => 1,
                    Mapping::AddressDependent => u16::from(ip),
                    Mapping::AddressAndPortDependent => u16::from(ip) * 10 + port,
                };
                (SocketAddr::from(([192, 0, 2, ip], port)), SocketAddr::from(([198, 51, 100, 7], mapped)))
            })
            .collect();
        proptest::prop_assert_eq!(mapping_of_ordinary(&all).value, Some(M::from(mapping)));
    }
}
