//! Certificates for loopback addresses: right ones, and ones that are wrong in one way each.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    Expired,
    NotYetValid,
    WrongName,
}

/// Files of a server, and of the authority that vouches for it.
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authority: PathBuf,
}

pub fn issue(directory: &Path, address: Ipv4Addr, fault: Fault) -> Files {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "an authority of a test");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();

    let mut server = CertificateParams::new(Vec::new()).unwrap();
    server.subject_alt_names = vec![match fault {
        Fault::WrongName => SanType::DnsName("other.example.org".try_into().unwrap()),
        _ => SanType::IpAddress(IpAddr::V4(address)),
    }];
    let (from, to) = match fault {
        Fault::Expired => (2001, 2002),
        Fault::NotYetValid => (2090, 2091),
        _ => (2001, 2090),
    };
    server.not_before = date_time_ymd(from, 1, 1);
    server.not_after = date_time_ymd(to, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = server.signed_by(&key, &authority).unwrap();

    let write = |name: &str, label: &str, der: &[u8]| {
        let path = directory.join(name);
        let base64 = BASE64_STANDARD.encode(der);
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
        let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
        std::fs::write(&path, pem).unwrap();
        path
    };
    Files {
        certificate: write("server.pem", "CERTIFICATE", certificate.der()),
        key: write("server.key", "PRIVATE KEY", &key.serialize_der()),
        authority: write("authority.pem", "CERTIFICATE", authority.der()),
    }
}
