//! Against natlab's own servers, and against what is no server at all.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use natlab::net::Transport;
use natlab::server::stun::{Endpoints, Options, Place, answer};

use crate::Test;
use crate::certificate::{Fault, issue};
use crate::place::{Server, check, free_port, own_address, serve};

pub const TESTS: &[Test] = &[
    ("natlab::a_right_turn_server_is_fine_over_udp_tcp_and_tls", right),
    ("natlab::a_stun_server_with_two_addresses_has_live_alternates", alternates),
    ("natlab::a_dead_alternate_is_found", dead_alternate),
    ("natlab::a_wrong_password_and_an_unexpected_realm", wrong_password),
    ("natlab::without_credentials_turn_stays_undecided", no_credentials),
    ("natlab::a_server_over_tcp_only", tcp_only),
    ("natlab::nothing_listens", dead_port),
    ("natlab::a_certificate_is_wrong_in_each_way", certificates),
    ("natlab::a_silent_server_times_out", silent),
    ("natlab::an_answer_from_another_address_is_told", wrong_source),
    ("natlab::a_name_that_does_not_resolve", no_name),
    ("natlab::what_is_no_server_is_a_usage_error", usage),
    ("natlab::an_interrupt_ends_it_with_130", interrupt),
];

const CARRIES: [&str; 9] = [
    "stun ok",
    "mapped ok",
    "realm ok",
    "allocate ok",
    "relay-address ok",
    "relay ok",
    "permissions ok",
    "channels ok",
    "refresh ok",
];

fn turn(address: Ipv4Addr, more: &[&str]) -> Server {
    let address = address.to_string();
    serve(&[&["turn", "--listen", &address, "--user", "u", "--password", "p"], more].concat())
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn right() {
    let (address, directory) = (own_address(), tempfile::tempdir().unwrap());
    let files = issue(directory.path(), address, Fault::None);
    let _server = turn(address, &["--tls-cert", path(&files.certificate), "--tls-key", path(&files.key)]);
    let login = ["--user", "u", "--password", "p", "--realm", "natlab", "--ca", path(&files.authority)];
    let said = check(&[&[address.to_string().as_str()], &login[..]].concat());
    assert_eq!(said.code, 0, "{}", said.text);
    assert_eq!(said.json["conclusion"], "ok");
    let mut udp = CARRIES.map(str::to_owned).to_vec();
    udp.insert(2, "alternates not-applicable".to_owned());
    assert_eq!(said.findings("udp"), udp, "{}", said.text);
    assert_eq!(said.findings("tcp"), [&["connect ok"], &CARRIES[..]].concat(), "{}", said.text);
    assert_eq!(said.findings("tls"), [&["certificate ok"], &CARRIES[..]].concat(), "{}", said.text);
}

fn alternates() {
    let (one, two) = (own_address(), own_address());
    let _server = serve(&["stun", "--listen", &one.to_string(), "--listen", &two.to_string()]);
    let said = check(&[&format!("stun:{one}")]);
    assert_eq!(said.code, 0, "{}", said.text);
    said.assert("udp", "alternates", "ok");
    said.assert("tcp", "stun", "ok");
    let trips = &said.json["servers"][0]["checks"][0]["round_trips"];
    assert_eq!((&trips["answered"], &trips["asked"]), (&5.into(), &5.into()), "{}", said.text);
}

/// A STUN server that hears at one socket and answers from another, and says that it is at these endpoints; it ends with the
/// test program.
fn stun(hears: UdpSocket, answers: UdpSocket, endpoints: Endpoints) {
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, client)) = hears.recv_from(&mut buffer) {
            let options = Options::default();
            let told = answer(&buffer[..length], client, Place::PRIMARY, Transport::Udp, &endpoints, &options);
            answers.send_to(&told.unwrap().bytes, client).unwrap();
        }
    });
}

/// A server that promises a second address which is not there.
fn dead_alternate() {
    let address = own_address();
    let socket = UdpSocket::bind((address, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let promised = Endpoints::new(address.into(), Some([127, 63, 255, 254].into()), port, 9);
    stun(socket.try_clone().unwrap(), socket, promised);
    let said = check(&[&format!("stun:{address}:{port}"), "--timeout", "300"]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("udp", "stun", "ok");
    said.assert("udp", "alternates", "failed: dead-alternate");
}

fn wrong_password() {
    let address = own_address();
    let _server = turn(address, &[]);
    let said = check(&[&format!("turn:{address}"), "--user", "u", "--password", "x", "--realm", "elsewhere"]);
    assert_eq!(said.code, 1, "{}", said.text);
    for transport in ["udp", "tcp"] {
        said.assert(transport, "stun", "ok");
        said.assert(transport, "realm", "failed: wrong-realm");
        said.assert(transport, "allocate", "failed: unauthorized");
    }
    let expired = check(&[&format!("turn:{address}?transport=udp"), "--user", "1000000000:u", "--password", "x"]);
    expired.assert("udp", "allocate", "failed: credentials-expired");
}

fn no_credentials() {
    let address = own_address();
    let _server = turn(address, &[]);
    let said = check(&[&format!("turn:{address}")]);
    assert_eq!(said.code, 4, "{}", said.text);
    said.assert("udp", "allocate", "undecided: credentials-missing");
    // A bare host need not relay.
    let said = check(&[&address.to_string()]);
    assert_eq!(said.code, 0, "{}", said.text);
    said.assert("udp", "allocate", "not-applicable: credentials-missing");
    said.assert("tls", "connect", "not-applicable: connection-refused");
}

fn tcp_only() {
    let address = own_address();
    let _server = turn(address, &["--transport", "tcp"]);
    let login = ["--user", "u", "--password", "p"];
    let said = check(&[&[format!("turn:{address}").as_str()], &login[..]].concat());
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("udp", "stun", "failed: connection-refused");
    said.assert("tcp", "relay", "ok");
    let said = check(&[&[format!("turn:{address}?transport=tcp").as_str()], &login[..]].concat());
    assert_eq!(said.code, 0, "{}", said.text);
    assert!(said.findings("udp").is_empty());
    let said = check(&[&[address.to_string().as_str()], &login[..]].concat());
    assert_eq!(said.code, 0, "{}", said.text);
    said.assert("udp", "stun", "not-applicable: connection-refused");
}

fn dead_port() {
    let address = own_address();
    for (server, transport, line) in
        [(format!("stun:{address}"), "udp", "stun"), (format!("turns:{address}"), "tls", "connect")]
    {
        let said = check(&[&server]);
        assert_eq!(said.code, 1, "{}", said.text);
        said.assert(transport, line, "failed: connection-refused");
    }
    // Of a bare host nothing has to be there, but something.
    let said = check(&[&address.to_string()]);
    assert_eq!(said.code, 1, "{}", said.text);
    assert!(said.json["servers"][0]["checks"][0]["hint"].is_string(), "{}", said.text);
}

fn certificates() {
    for (fault, cause) in [
        (Fault::Expired, "certificate-expired"),
        (Fault::NotYetValid, "certificate-not-yet-valid"),
        (Fault::WrongName, "certificate-wrong-name"),
    ] {
        let (address, directory) = (own_address(), tempfile::tempdir().unwrap());
        let files = issue(directory.path(), address, fault);
        let _server = turn(address, &["--tls-cert", path(&files.certificate), "--tls-key", path(&files.key)]);
        let server = format!("turns:{address}");
        let login = [server.as_str(), "--user", "u", "--password", "p"];
        let said = check(&[&login[..], &["--ca", path(&files.authority)]].concat());
        assert_eq!(said.code, 1, "{}", said.text);
        said.assert("tls", "certificate", &format!("failed: {cause}"));
        said.assert("tls", "relay", "ok");
        if fault == Fault::WrongName {
            assert!(said.text.contains("other.example.org"), "{}", said.text);
            let unknown = check(&login);
            unknown.assert("tls", "certificate", "failed: certificate-unknown-issuer");
            let insecure = check(&[&login[..], &["--insecure"]].concat());
            assert_eq!(insecure.code, 0, "{}", insecure.text);
            insecure.assert("tls", "certificate", "not-applicable");
        }
    }
}

fn silent() {
    let socket = UdpSocket::bind((own_address(), 0)).unwrap();
    let said = check(&[&format!("turn:{}?transport=udp", socket.local_addr().unwrap()), "--timeout", "300"]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("udp", "stun", "failed: timeout");

    // Where TCP answers, silence over UDP may be the network's.
    let address = own_address();
    let _server = turn(address, &["--transport", "tcp"]);
    let _hole = UdpSocket::bind((address, 3478)).unwrap();
    let said = check(&[&address.to_string(), "--user", "u", "--password", "p", "--timeout", "300"]);
    assert_eq!(said.code, 4, "{}", said.text);
    said.assert("udp", "stun", "undecided: timeout");
    said.assert("tcp", "relay", "ok");
}

fn wrong_source() {
    let (asked, other) = (own_address(), own_address());
    let port = free_port(asked);
    let [hears, answers] = [asked, other].map(|address| UdpSocket::bind((address, port)).unwrap());
    stun(hears, answers, Endpoints::new(asked.into(), None, port, port));
    let said = check(&[&format!("stun:{asked}:{port}"), "--timeout", "300"]);
    said.assert("udp", "stun", "failed: wrong-source");
    assert!(said.text.contains(&other.to_string()), "{}", said.text);
}

fn no_name() {
    let said = check(&["stun:does-not-exist.invalid"]);
    // Where the host has no network at all, it is not the name's fault.
    let expected = if said.code == 4 { "undecided: unreachable" } else { "failed: name-not-found" };
    said.assert("", "name", expected);
    assert!([1, 4].contains(&said.code), "{}", said.text);
}

fn interrupt() {
    let silent = UdpSocket::bind((own_address(), 0)).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_natlab"))
        .args(["check", &format!("stun:{}", silent.local_addr().unwrap())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It has begun, and with it the handler stands.
    silent.recv_from(&mut [0; 64]).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(130), Vec::new()), "half a report is none");
}

fn usage() {
    for arguments in [
        &["turn://example.org"][..],
        &["stun:example.org:0"],
        &["turn:example.org", "--user", "u"],
        &["turn:example.org", "--password", "p"],
        &["turn:example.org", "--user", "u", "--password", "p", "--secret", "s"],
        &["stun:example.org", "--ca", "/does/not/exist"],
        &[],
    ] {
        let said = check(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {}", said.text);
    }
}
