//! Against coturn, which refuses in ways that natlab's own server does not.

use std::net::Ipv4Addr;
use std::process::Command;

use tempfile::TempDir;

use crate::Test;
use crate::certificate::{Fault, issue};
use crate::place::{Said, Server, check, own_address, start};

pub const TESTS: &[Test] = &[
    ("coturn::a_right_server_is_fine_over_udp_tcp_and_tls", right),
    ("coturn::time_limited_credentials_and_a_wrong_secret", secret),
    ("coturn::a_quota_of_one_leaves_no_second_relay_and_of_none_no_first", quota),
    ("coturn::a_denied_peer_is_told", denied),
    ("coturn::a_wrong_password", wrong_password),
    ("coturn::a_server_without_credentials_is_open_to_anybody", open),
    ("coturn::an_expired_certificate", expired),
    ("coturn::stun_only_is_no_turn_server", stun_only),
];

/// coturn on an address of its own, with these settings besides.
fn coturn(address: Ipv4Addr, settings: &[&str]) -> (Server, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display().to_string();
    let mut text = format!(
        "listening-ip={address}\nrelay-ip={address}\nlistening-port=3478\ntls-listening-port=5349\nfingerprint\n\
         no-dtls\nno-cli\nlog-file=stdout\nsimple-log\nverbose\npidfile={at}/pid\nuserdb={at}/turndb\nrealm=north\n"
    );
    if !settings.iter().any(|s| s.starts_with("cert=")) {
        text.push_str("no-tls\n");
    }
    text.push_str(&settings.join("\n"));
    let configuration = directory.path().join("turnserver.conf");
    std::fs::write(&configuration, text + "\n").unwrap();
    let mut command = Command::new("turnserver");
    command.arg("-c").arg(&configuration).current_dir(directory.path());
    // Its listeners are open then.
    let server = start(command, "IO method (admin thread)");
    (server, directory)
}

const LOOPBACK: &str = "allow-loopback-peers";
const USER: [&str; 3] = ["lt-cred-mech", "user=u:p", LOOPBACK];

/// Loopback peers only with a password for the command line, which is off.
fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&USER[..], &["cli-password=x"], more].concat()
}

fn login(address: Ipv4Addr, more: &[&str]) -> Said {
    let server = format!("turn:{address}");
    check(&[&[server.as_str(), "--user", "u", "--password", "p"], more].concat())
}

fn right() {
    let (address, directory) = (own_address(), tempfile::tempdir().unwrap());
    let files = issue(directory.path(), address, Fault::None);
    let (certificate, key) = (format!("cert={}", files.certificate.display()), format!("pkey={}", files.key.display()));
    let (_server, _directory) = coturn(address, &with(&[&certificate, &key]));
    let text = address.to_string();
    let authority = files.authority.to_str().unwrap();
    let said = check(&[&text, "--user", "u", "--password", "p", "--realm", "north", "--ca", authority]);
    assert_eq!(said.code, 0, "{}", said.text);
    for transport in ["udp", "tcp", "tls"] {
        for line in ["stun", "realm", "allocate", "relay-address", "relay", "permissions", "channels", "refresh"] {
            said.assert(transport, line, "ok");
        }
    }
    said.assert("tls", "certificate", "ok");
    let wrong = login(address, &["--realm", "south"]);
    wrong.assert("udp", "realm", "failed: wrong-realm");
    wrong.assert("udp", "relay", "ok");
}

fn secret() {
    let address = own_address();
    let settings = ["use-auth-secret", "static-auth-secret=north", LOOPBACK, "cli-password=x"];
    let (_server, _directory) = coturn(address, &settings);
    let server = format!("turn:{address}?transport=udp");
    let right = check(&[&server, "--secret", "north", "--user", "alice"]);
    assert_eq!(right.code, 0, "{}", right.text);
    right.assert("udp", "relay", "ok");
    let wrong = check(&[&server, "--secret", "south"]);
    assert_eq!(wrong.code, 1, "{}", wrong.text);
    wrong.assert("udp", "allocate", "failed: unauthorized");
    assert!(wrong.text.contains("secret"), "{}", wrong.text);
}

fn quota() {
    let address = own_address();
    let (_server, _directory) = coturn(address, &with(&["user-quota=1"]));
    let server = format!("turn:{address}");
    // The second relay of the check itself is refused; the host's own socket takes its place.
    let said = check(&[&server, "--user", "u", "--password", "p"]);
    said.assert("udp", "allocate", "ok");
    said.assert("udp", "relay", "ok");
    assert!(said.text.contains("486"), "{}", said.text);
    // Nor is it the server's fault that it still counts the relay that was given back over UDP.
    said.assert("tcp", "allocate", "ok");
    said.assert("tcp", "relay", "ok");
    assert_eq!(said.code, 0, "{}", said.text);

    let address = own_address();
    let (_server, _directory) = coturn(address, &with(&["user-quota=1"]));
    let server = format!("turn:{address}?transport=udp");
    // Somebody holds the only one.
    let held = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _client = held.block_on(async {
        use natlab::probe::turn::{Client, Credentials, Link, Pace};
        let credentials = Credentials { user: "u".to_owned(), password: "p".to_owned() };
        let link = Link::udp((address, 3478).into()).await.unwrap();
        let mut client = Client::new(link, Some(credentials), Pace::default());
        client.allocate().await.unwrap();
        client
    });
    let said = check(&[&server, "--user", "u", "--password", "p"]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("udp", "allocate", "failed: quota-reached");
}

fn denied() {
    let address = own_address();
    let (_server, _directory) = coturn(address, &with(&["denied-peer-ip=127.0.0.0-127.255.255.255"]));
    let said = login(address, &[]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("udp", "allocate", "ok");
    said.assert("udp", "relay", "failed: forbidden");
    said.assert("tcp", "relay", "failed: forbidden");
}

fn wrong_password() {
    let address = own_address();
    let (_server, _directory) = coturn(address, &with(&[]));
    let said = check(&[&format!("turn:{address}"), "--user", "u", "--password", "x"]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("udp", "allocate", "failed: unauthorized");
    said.assert("tcp", "allocate", "failed: unauthorized");
}

fn open() {
    let address = own_address();
    let (_server, _directory) = coturn(address, &["no-auth", LOOPBACK, "cli-password=x"]);
    let said = check(&[&format!("turn:{address}?transport=udp")]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("udp", "allocate", "failed: open-relay");
    said.assert("udp", "relay", "ok");
}

fn expired() {
    let (address, directory) = (own_address(), tempfile::tempdir().unwrap());
    let files = issue(directory.path(), address, Fault::Expired);
    let (certificate, key) = (format!("cert={}", files.certificate.display()), format!("pkey={}", files.key.display()));
    let (_server, _directory) = coturn(address, &with(&[&certificate, &key]));
    let authority = files.authority.to_str().unwrap();
    let said = check(&[&format!("turns:{address}"), "--user", "u", "--password", "p", "--ca", authority]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("tls", "certificate", "failed: certificate-expired");
    said.assert("tls", "relay", "ok");
}

fn stun_only() {
    let address = own_address();
    let (_server, _directory) = coturn(address, &["stun-only"]);
    let said = check(&[&format!("turn:{address}?transport=udp"), "--user", "u", "--password", "p", "--timeout", "500"]);
    assert_eq!(said.code, 1, "{}", said.text);
    said.assert("udp", "stun", "ok");
    assert!(said.finding("udp", "allocate").starts_with("failed"), "{}", said.text);
}
