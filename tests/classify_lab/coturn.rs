//! The same answers with somebody else's server.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use natlab::classification::{MappingFound, Status};
use natlab::nat::{Behavior, Filtering, Mapping};
use natlab::net::Transport;
use natlab::plan::{Implementation, Server, ServerKind};
use natlab::server::coturn;

use crate::behind::TWO;
use crate::client;
use crate::lab::{Home, Node, SERVERS};

/// `turnserver` in a namespace; it ends when dropped.
struct Coturn {
    process: Child,
    _directory: tempfile::TempDir,
}

impl Coturn {
    fn start(node: &Node, addresses: &[Ipv4Addr]) -> Coturn {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Server {
            node: "coturn".to_owned(),
            kind: ServerKind::Turn,
            implementation: Implementation::Coturn,
            addresses: addresses.to_vec(),
            port: 3478,
            transports: vec![Transport::Udp],
            realm: "natlab".to_owned(),
            user: "natlab".to_owned(),
            password: "natlab".to_owned(),
        };
        let text = coturn::configuration(&server, directory.path()).expect("a configuration");
        let file = directory.path().join("turnserver.conf");
        std::fs::write(&file, text).expect("write the configuration");
        let argv = coturn::argv(&file);
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process =
            node.netns.run(move || command.spawn()).expect("enter the namespace").expect("start turnserver");
        // Its words must be read, else it stops when the pipe is full.
        let words = BufReader::new(process.stdout.take().expect("a pipe"));
        std::thread::spawn(move || words.lines().for_each(drop));
        let coturn = Coturn { process, _directory: directory };
        for address in addresses {
            answers(node, SocketAddrV4::new(*address, 3478));
        }
        coturn
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until a Binding request is answered.
fn answers(node: &Node, at: SocketAddrV4) {
    let socket = node.netns.run(|| UdpSocket::bind((SERVERS[2], 0))).expect("enter the namespace").expect("bind");
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("set a timeout");
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], [7u8; 12].as_slice()].concat();
    let limit = Instant::now() + Duration::from_secs(10);
    while Instant::now() < limit {
        socket.send_to(&request, at).expect("send");
        if socket.recv_from(&mut [0; 512]).is_ok() {
            return;
        }
    }
    panic!("turnserver does not answer at {at}");
}

/// With two addresses it tells everything that natlab's own server tells.
pub fn two_addresses() {
    for (mapping, filtering) in Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.map(|f| (m, f))) {
        let home = Home::build().expect("build the lab");
        let b = Behavior::napt(mapping, filtering);
        home.become_gateway(b);
        let _server = Coturn::start(&home.internet, &TWO);
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
    let _server = Coturn::start(&home.internet, &TWO[..1]);
    let said = client::classify(&home.hosts[0], &["--server", &SERVERS[0].to_string()]);
    let found = said.ipv4();
    assert_eq!((found.mapping.value, found.filtering.value), (None, None), "{}", said.text);
    assert_eq!(found.filtering.status, Status::Unsupported, "{}", said.text);
    assert!(found.mapping.because.is_some() && found.filtering.because.is_some(), "{}", said.text);
    assert_eq!(said.code, Some(4), "{}", said.text);

    // A second server on another address tells the mapping; the filtering stays unknown.
    let _other = Coturn::start(&home.internet, &TWO[1..]);
    let [first, second] = TWO.map(|a| a.to_string());
    let said = client::classify(&home.hosts[0], &["--server", &first, "--server", &second]);
    assert_eq!(said.ipv4().mapping.value, Some(MappingFound::EndpointIndependent), "{}", said.text);
    assert_eq!((said.ipv4().filtering.value, said.code), (None, Some(0)), "{}", said.text);
}
