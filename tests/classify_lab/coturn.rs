//! The same answers with somebody else's server.

use std::net::Ipv4Addr;
use std::process::Command;

use natlab::classification::{MappingFound, Status};
use natlab::nat::{Behavior, Filtering, Mapping};
use natlab::net::Transport;
use natlab::plan::{Implementation, ServerKind};
use natlab::server::coturn;
use tempfile::TempDir;

use crate::behind::TWO;
use crate::client;
use crate::lab::{Home, Node, SERVERS};
use crate::place::{self, Server};

/// `turnserver` in a namespace, with these settings besides; it ends when dropped.
pub fn start(node: &Node, addresses: &[Ipv4Addr], settings: &str) -> (Server, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let server = natlab::plan::Server {
        node: "coturn".to_owned(),
        kind: ServerKind::Turn,
        implementation: Implementation::Coturn,
        addresses: addresses.to_vec(),
        port: 3478,
        transports: vec![Transport::Udp],
        realm: "natlab".to_owned(),
        user: "u".to_owned(),
        password: "p".to_owned(),
    };
    let text = coturn::configuration(&server, directory.path()).expect("a configuration") + settings;
    let file = directory.path().join("turnserver.conf");
    std::fs::write(&file, text).expect("write the configuration");
    let argv = coturn::argv(&file);
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]);
    // Its listeners are open then.
    let run = || place::start(command, "IO method (admin thread)");
    (node.netns.run(run).expect("enter the namespace"), directory)
}

/// With two addresses it tells everything that natlab's own server tells.
pub fn two_addresses() {
    for (mapping, filtering) in Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.map(|f| (m, f))) {
        let home = Home::build().expect("build the lab");
        let b = Behavior::napt(mapping, filtering);
        home.become_gateway(b);
        let _server = start(&home.internet, &TWO, "");
        crate::behind::check(
            &b,
            &client::classify(&home.hosts[0], &["--server", &SERVERS[0].to_string(), "--hairpin"]),
        );
    }
}

/// With one address nothing is known about other destinations, and that is said.
pub fn one_address() {
    let home = Home::build().expect("build the lab");
    home.become_gateway(Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent));
    let _server = start(&home.internet, &TWO[..1], "");
    let said = client::classify(&home.hosts[0], &["--server", &SERVERS[0].to_string()]);
    let found = said.ipv4();
    assert_eq!((found.mapping.value, found.filtering.value), (None, None), "{}", said.text);
    assert_eq!(found.filtering.status, Status::Unsupported, "{}", said.text);
    assert!(found.mapping.because.is_some() && found.filtering.because.is_some(), "{}", said.text);
    assert_eq!(said.code, Some(4), "{}", said.text);

    // A second server on another address tells the mapping; the filtering stays unknown.
    let _other = start(&home.internet, &TWO[1..], "");
    let [first, second] = TWO.map(|a| a.to_string());
    let said = client::classify(&home.hosts[0], &["--server", &first, "--server", &second]);
    assert_eq!(said.ipv4().mapping.value, Some(MappingFound::EndpointIndependent), "{}", said.text);
    assert_eq!((said.ipv4().filtering.value, said.code), (None, Some(0)), "{}", said.text);
}
