//! Servers with something wrong: each has a defined answer, and none leads to a wrong value.

use natlab::classification::{MappingFound, ServerRole, Status};
use natlab::nat::{Behavior, Filtering, Mapping, UdpPolicy};

use crate::behind::TWO;
use crate::client::{self, Said};
use crate::lab::{Home, SERVERS};
use crate::liar::{Liar, Lie};

/// Classifies a restricted cone with the help of a server that lies: wrong conclusions from its lies would be EIF or APDF.
fn ask(lie: Lie) -> Said {
    let home = Home::build().expect("build the lab");
    home.become_gateway(Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent));
    let _server = Liar::start(&home.internet, TWO, lie);
    let said = client::classify(&home.hosts[0], &["--server", &SERVERS[0].to_string()]);
    let found = said.ipv4();
    assert!(matches!(found.filtering.value, None | Some(Filtering::AddressDependent)), "a wrong value: {}", said.text);
    let mapping = found.mapping.value;
    assert!(matches!(mapping, None | Some(MappingFound::EndpointIndependent)), "a wrong value: {}", said.text);
    said
}

/// The server is of no use, and that is said; what it would have told is unknown. Its bytes did come, so UDP is not blocked.
fn useless(lie: Lie, because: &str) {
    let said = ask(lie);
    let server = &said.report.as_ref().unwrap().servers[0];
    assert_eq!(server.role, ServerRole::Unusable, "{}", said.text);
    assert!(server.problems.iter().any(|p| p.contains(because)), "no word of {because:?}: {}", said.text);
    assert_ne!(said.ipv4().udp.value, Some(UdpPolicy::Blocked), "{}", said.text);
    assert_eq!((said.ipv4().mapping.value, said.code), (None, Some(4)), "{}", said.text);
}

/// Mapping is known, filtering is not: its alternates answer plain requests, and CHANGE-REQUEST is not served.
fn no_filtering(lie: Lie) {
    let said = ask(lie);
    let found = said.ipv4();
    assert_eq!(found.mapping.value, Some(MappingFound::EndpointIndependent), "{}", said.text);
    assert_eq!((found.filtering.value, found.filtering.status), (None, Status::Unsupported), "{}", said.text);
    assert_eq!(said.code, Some(0), "{}", said.text);
}

/// One address is all that there is: nothing about the mapping towards others.
fn one_address(lie: Lie, because: &str) {
    let said = ask(lie);
    let found = said.ipv4();
    assert_eq!((found.mapping.value, found.filtering.value, said.code), (None, None, Some(4)), "{}", said.text);
    let problems = &said.report.as_ref().unwrap().servers[0].problems;
    assert!(problems.iter().any(|p| p.contains(because)), "no word of {because:?}: {}", said.text);
}

pub fn a_dead_alternate() {
    one_address(Lie::DeadAlternate, "no answer from");
}

pub fn an_alternate_that_is_the_server_itself() {
    one_address(Lie::OtherIsItself, "does not differ");
}

pub fn a_private_mapped_address() {
    useless(Lie::PrivateMapped, "behind a NAT itself");
}

pub fn answers_from_the_wrong_source() {
    useless(Lie::WrongSource, "was asked and");
}

pub fn a_wrong_transaction_id() {
    useless(Lie::WrongTransaction, "nobody asked for");
}

pub fn truncated_messages() {
    useless(Lie::Truncated, "no STUN");
}

pub fn oversized_messages() {
    useless(Lie::Oversized, "no STUN");
}

pub fn try_alternate() {
    useless(Lie::TryAlternate, "300");
}

pub fn change_request_is_refused() {
    no_filtering(Lie::Refuses420);
}

pub fn change_request_is_ignored() {
    no_filtering(Lie::IgnoresChange);
}

/// One silent server may be dead: that is no proof that UDP is blocked. Two on different addresses are.
pub fn silence() {
    let home = Home::build().expect("build the lab");
    home.become_gateway(Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent));
    let _server = Liar::start(&home.internet, TWO, Lie::Silent);
    let [first, second] = TWO.map(|a| a.to_string());
    let one = client::classify(&home.hosts[0], &["--server", &first]);
    assert_eq!((one.ipv4().udp.value, one.code), (None, Some(4)), "{}", one.text);
    let two = client::classify(&home.hosts[0], &["--server", &first, "--server", &second]);
    assert_eq!((two.ipv4().udp.value, two.code), (Some(UdpPolicy::Blocked), Some(11)), "{}", two.text);
}

/// A liar among honest servers is outvoted.
pub fn one_liar_among_three() {
    let home = Home::build().expect("build the lab");
    home.become_gateway(Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent));
    let _honest = Liar::start(&home.internet, TWO, Lie::None);
    let _liar = Liar::start(&home.internet, [SERVERS[2], SERVERS[2]], Lie::PrivateMapped);
    let all = SERVERS.map(|a| a.to_string());
    let arguments: Vec<&str> = all.iter().flat_map(|a| ["--server", a]).collect();
    let said = client::classify(&home.hosts[0], &arguments);
    assert_eq!(said.ipv4().mapping.value, Some(MappingFound::EndpointIndependent), "{}", said.text);
    assert_eq!(said.ipv4().filtering.value, Some(Filtering::AddressDependent), "{}", said.text);
}

/// A name that nobody knows is named as such, and nothing is concluded from it.
pub fn a_name_that_does_not_resolve() {
    let home = Home::build().expect("build the lab");
    home.become_gateway(Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent));
    let said = client::classify(&home.hosts[0], &["--server", "nobody.invalid"]);
    assert_eq!(said.code, Some(4), "{}", said.text);
    assert!(said.text.contains("nobody.invalid"), "{}", said.text);
}
