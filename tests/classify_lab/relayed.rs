//! Filtering from a TURN server, where STUN servers have one address and one port each: all that a relay can tell is found, and
//! where it can tell nothing that is said.

use std::net::Ipv4Addr;

use natlab::classification::{Finding, MappingFound, ServerRole, Status};
use natlab::nat::{Behavior, Filtering, Mapping};

use crate::client::{self, Said};
use crate::coturn;
use crate::lab::{Home, Node, SERVERS};
use crate::place::{self, Server};

/// `natlab serve` in a namespace.
fn serve(node: &Node, arguments: &[&str]) -> Server {
    node.netns.run(|| place::serve(arguments)).expect("enter the namespace")
}

/// A STUN server that can do no more than STUN.
fn plain(node: &Node, address: Ipv4Addr) -> Server {
    serve(node, &["stun", "--listen", &address.to_string()])
}

/// natlab's TURN server on a port that no STUN server has.
fn turn(node: &Node, address: Ipv4Addr, more: &[&str]) -> Server {
    let address = address.to_string();
    let login = ["turn", "--listen", &address, "--port", "3500", "--user", "u", "--password", "p"];
    serve(node, &[&login[..], more].concat())
}

/// Behind this NAT, asking these STUN servers and this TURN server as the user does.
fn ask(home: &Home, stun: &[Ipv4Addr], turn: &str, credentials: &[&str]) -> Said {
    let stun: Vec<String> = stun.iter().map(Ipv4Addr::to_string).collect();
    let servers = stun.iter().flat_map(|s| ["--server", s]);
    let arguments: Vec<&str> = servers.chain(["--turn", turn]).chain(credentials.iter().copied()).collect();
    client::classify(&home.hosts[0], &arguments)
}

fn login(home: &Home, stun: &[Ipv4Addr], turn: &str) -> Said {
    ask(home, stun, turn, &["--user", "u", "--password", "p"])
}

fn behind(b: Behavior) -> Home {
    let home = Home::build().expect("build the lab");
    home.become_gateway(b);
    home
}

/// Every mapping with every filtering.
pub fn nine() -> Vec<Behavior> {
    Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.map(|f| Behavior::napt(m, f))).collect()
}

/// The filtering is the one that was declared, and it was the relay that told it.
fn found(b: &Behavior, said: &Said) {
    let (family, text) = (said.ipv4(), &said.text);
    assert_eq!(family.filtering.value, Some(b.filtering), "{text}");
    assert!(family.filtering.method.as_ref().is_some_and(|m| m.starts_with("TURN-assisted")), "{text}");
    // Each server is seen from one port: whether ports matter cannot be told.
    let independent = b.mapping == Mapping::EndpointIndependent;
    let mapping = if independent { MappingFound::EndpointIndependent } else { MappingFound::EndpointDependent };
    assert_eq!((family.mapping.value, said.code), (Some(mapping), Some(if independent { 0 } else { 10 })), "{text}");
    let report = said.report.as_ref().expect("a report");
    assert_eq!(report.servers.iter().filter(|s| s.role == ServerRole::Relay).count(), 1, "{text}");
}

/// No filtering is found, and the reason is told.
fn unknown(said: &Said, status: Status, because: &str) {
    let Finding { value, status: ended, because: why, .. } = &said.ipv4().filtering;
    assert_eq!((*value, *ended), (None, status), "{}", said.text);
    assert!(why.as_ref().is_some_and(|why| why.contains(because)), "no word of {because:?}: {}", said.text);
}

pub fn agrees(b: Behavior) {
    let home = behind(b);
    let [one, two, three] = SERVERS;
    let _servers = [plain(&home.internet, one), plain(&home.internet, two), turn(&home.internet, three, &[])];
    found(&b, &login(&home, &[one, two], &format!("turn:{three}:3500")));
}

pub fn agrees_with_coturn(b: Behavior) {
    let home = behind(b);
    let [one, two, three] = SERVERS;
    let _servers = [plain(&home.internet, one), plain(&home.internet, two)];
    let _coturn = coturn::start(&home.internet, &[three], "");
    found(&b, &login(&home, &[one, two], &format!("turn:{three}")));
}

pub fn time_limited_credentials_and_a_wrong_secret() {
    let b = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent);
    let home = behind(b);
    let [one, two, three] = SERVERS;
    let _servers = [plain(&home.internet, one), plain(&home.internet, two)];
    let _coturn = coturn::start(&home.internet, &[three], "use-auth-secret\nstatic-auth-secret=north\n");
    let at = format!("turn:{three}");
    found(&b, &ask(&home, &[one, two], &at, &["--secret", "north"]));
    let wrong = ask(&home, &[one, two], &at, &["--secret", "south"]);
    unknown(&wrong, Status::Unsupported, "401");
    assert_eq!(wrong.code, Some(0), "{}", wrong.text);
}

/// The mapping is known, so it ends with 0; the filtering is not, and the reason is the server's refusal.
pub fn a_wrong_password() {
    let home = behind(Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent));
    let [one, two, three] = SERVERS;
    let _servers = [plain(&home.internet, one), plain(&home.internet, two), turn(&home.internet, three, &[])];
    let said = ask(&home, &[one, two], &format!("turn:{three}:3500"), &["--user", "u", "--password", "x"]);
    unknown(&said, Status::Unsupported, "turn:198.51.100.3:3500: failed to allocate a relay at 198.51.100.3:3500: ");
    unknown(&said, Status::Unsupported, "401");
    assert_eq!((said.ipv4().mapping.value, said.code), (Some(MappingFound::EndpointIndependent), Some(0)));
    let server = said.report.as_ref().expect("a report").servers.last().expect("servers");
    assert_eq!((server.role, server.problems.len()), (ServerRole::Unusable, 1), "{}", said.text);
}

/// A STUN server on the relay's address is what the TURN server is elsewhere; the latter may be anywhere.
pub fn where_one_of_the_stun_servers_is() {
    let [one, two, _] = SERVERS;
    for b in nine() {
        let home = behind(b);
        let relay = ["--relay-address", &two.to_string()];
        let _servers = [plain(&home.internet, one), plain(&home.internet, two), turn(&home.internet, one, &relay)];
        found(&b, &login(&home, &[one, two], &format!("turn:{one}:3500")));
    }
}

/// The relay is where nobody can be asked: what passes from there passes from everywhere; what does not may be kept out by
/// either of two filterings.
pub fn elsewhere() {
    let [one, two, three] = SERVERS;
    for filtering in Filtering::ALL {
        let b = Behavior::napt(Mapping::EndpointIndependent, filtering);
        let home = behind(b);
        let relay = ["--relay-address", &three.to_string()];
        let _servers = [plain(&home.internet, one), plain(&home.internet, two), turn(&home.internet, one, &relay)];
        let said = login(&home, &[one, two], &format!("turn:{one}:3500"));
        if filtering == Filtering::EndpointIndependent {
            found(&b, &said);
        } else {
            unknown(&said, Status::Unsupported, "not EIF, but no server is known on 198.51.100.3");
        }
    }
}

/// A TURN server that is silent over UDP cannot tell what it sees there.
pub fn over_tcp_alone() {
    let [one, two, three] = SERVERS;
    for filtering in Filtering::ALL {
        let b = Behavior::napt(Mapping::EndpointIndependent, filtering);
        let home = behind(b);
        let tcp = ["--transport", "tcp"];
        let _servers = [plain(&home.internet, one), plain(&home.internet, two), turn(&home.internet, three, &tcp)];
        let said = login(&home, &[one, two], &format!("turn:{three}:3500?transport=tcp"));
        if filtering == Filtering::EndpointIndependent {
            found(&b, &said);
        } else {
            unknown(&said, Status::Inconclusive, "not EIF, but 198.51.100.3:3500 does not answer a plain request");
        }
    }
}

/// No stranger is left that could be one: the relay is where the only server is that tells the endpoint.
pub fn where_the_only_stun_server_is() {
    let home = behind(Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent));
    let at = SERVERS[0];
    let _servers = [plain(&home.internet, at), turn(&home.internet, at, &[])];
    let said = login(&home, &[at], &format!("turn:{at}:3500"));
    unknown(&said, Status::Unsupported, "needs a STUN server on another address than 198.51.100.1, the relay's");
    assert_eq!((said.ipv4().mapping.value, said.code), (None, Some(4)), "{}", said.text);
}
