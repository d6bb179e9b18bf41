//! ICMP errors about packets of live mappings (RFC 5508 §4).

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread::sleep;
use std::time::Instant;

use natlab::nat::{Behavior, Filtering, IcmpErrors, Mapping, Refresh};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket};

use crate::behaviors::{nine, server};
use crate::endpoints::{Endpoints, bind, v4};
use crate::lab::{HOSTS, Home, PUBLIC_HOSTS};

const EIM: Mapping = Mapping::EndpointIndependent;
const APDM: Mapping = Mapping::AddressAndPortDependent;
const EIF: Filtering = Filtering::EndpointIndependent;
const APDF: Filtering = Filtering::AddressAndPortDependent;

/// Of a lifetime that connection tracking cannot count, so that the rules translate errors themselves.
fn quick(b: Behavior) -> Behavior {
    Behavior { lifetime_ms: 400, ..b }
}

fn outbound_only(b: Behavior) -> Behavior {
    Behavior { refresh: Refresh::Outbound, ..b }
}

/// From outside to an inside endpoint that has sent.
pub fn icmp_errors_pass(home: &mut Home) {
    let mut gateways = vec![];
    for b in nine() {
        gateways.extend([b, quick(b), outbound_only(b)].map(|b| (b, HOSTS[0])));
    }
    let firewall = Behavior::public(APDF);
    gateways.extend([firewall, quick(firewall)].map(|b| (b, PUBLIC_HOSTS[0])));
    for (b, address) in gateways {
        home.become_gateway(b);
        let error = error_of_a_closed_port(home, address).unwrap_or_else(|| panic!("{b} {:?}: no error", b.lifetime()));
        assert_eq!(error, ErrorKind::ConnectionRefused, "{b}");
        home.become_gateway(Behavior { icmp_errors: IcmpErrors::Dropped, ..b });
        assert_eq!(error_of_a_closed_port(home, address), None, "{b}: dropped");
        let tracked = b.refresh == Refresh::Both && b.lifetime_ms.is_multiple_of(1000);
        assert_eq!(home.dropped("icmp errors (RFC 5508 4): dropped"), u64::from(tracked), "{b}");
    }
}

fn error_of_a_closed_port(home: &Home, address: Ipv4Addr) -> Option<ErrorKind> {
    let all = Endpoints::new(&home.hosts[0], address, &home.internet);
    let socket = bind(&home.hosts[0], address, 6300);
    socket.connect(server(0, 33_333)).expect("connect");
    socket.send(b"anybody?").expect("send");
    all.settle();
    socket.take_error().expect("ask for the error").map(|e| e.kind())
}

/// From an inside endpoint that has closed, to who sent to it (RFC 5508 REQ-5).
pub fn icmp_errors_pass_outwards(home: &mut Home) {
    for b in nine().flat_map(|b| [b, quick(b), outbound_only(b)]) {
        for icmp_errors in [IcmpErrors::Translated, IcmpErrors::Dropped] {
            home.become_gateway(Behavior { icmp_errors, ..b });
            let all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
            let (inside, remote) =
                (bind(&home.hosts[0], HOSTS[0], 6310), bind(&home.internet, *server(0, 1).ip(), 3600));
            inside.send_to(&[0; 4], remote.local_addr().expect("bound")).expect("send");
            let (_, external) = remote.recv_from(&mut [0; 4]).expect("it passes");
            drop(inside);
            remote.connect(external).expect("connect");
            remote.send(&[0; 4]).expect("send");
            all.settle();
            let told = remote.take_error().expect("ask for the error").map(|e| e.kind());
            let expected = (icmp_errors == IcmpErrors::Translated).then_some(ErrorKind::ConnectionRefused);
            assert_eq!(told, expected, "{b} {:?} {icmp_errors:?}", b.lifetime());
        }
    }
}

/// RFC 5508 REQ-3 and RFC 4787 §4.3: an error ends no mapping, and keeps none alive.
pub fn icmp_errors_change_no_mapping(home: &mut Home) {
    for (mapping, filtering) in [(EIM, APDF), (APDM, EIF)] {
        for lifetime_ms in [400, 1000] {
            let b = Behavior { lifetime_ms, ..Behavior::napt(mapping, filtering) };
            assert!((0..5).any(|_| error_changes_nothing(home, b)), "{b}: this host pauses too often to tell");
        }
    }
}

/// False when the host was too slow to say.
fn error_changes_nothing(home: &Home, b: Behavior) -> bool {
    for alive in [true, false] {
        home.become_gateway(b);
        let all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
        let (inside, remote) = (bind(&home.hosts[0], HOSTS[0], 6320), bind(&home.internet, *server(0, 1).ip(), 3600));
        for s in [&inside, &remote] {
            s.set_nonblocking(true).expect("make it non-blocking");
        }
        let to = v4(remote.local_addr().expect("bound"));
        inside.connect(to).expect("connect");
        let young = Instant::now();
        inside.send(&[0; 4]).expect("send");
        all.settle();
        let (_, external) = remote.recv_from(&mut [0; 4]).expect("an outbound packet passes");
        let wait = |part: u32| sleep((b.lifetime() * part / 8).saturating_sub(young.elapsed()));
        wait(3);
        send_error(home, to, v4(external));
        all.settle();
        let told = inside.take_error().expect("ask for the error").map(|e| e.kind());
        if young.elapsed() > b.lifetime() * 3 / 4 {
            return false;
        }
        assert_eq!(told, Some(ErrorKind::ConnectionRefused), "{b}: the error arrives");
        wait(if alive { 5 } else { 10 });
        remote.send_to(&[0; 4], external).expect("send");
        all.settle();
        let came = inside.recv(&mut [0; 4]).is_ok();
        if alive && young.elapsed() > b.lifetime() * 7 / 8 {
            return false;
        }
        assert_eq!(came, alive, "{b}: the error has {} the mapping", if alive { "ended" } else { "kept alive" });
    }
    true
}

/// "Port unreachable", made by hand, about a UDP packet from `external` to `remote`, from the latter's host.
fn send_error(home: &Home, remote: SocketAddrV4, external: SocketAddrV4) {
    let open = || socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp);
    let raw: OwnedFd = home.internet.netns.run(open).expect("enter the namespace").expect("open a raw socket");
    let mut about = vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0];
    about.extend(external.ip().octets());
    about.extend(remote.ip().octets());
    let header = checksum(&about);
    about[10..12].copy_from_slice(&header.to_be_bytes());
    about.extend(external.port().to_be_bytes());
    about.extend(remote.port().to_be_bytes());
    about.extend([0, 12, 0, 0]);
    let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
    error.extend(about);
    let sum = checksum(&error);
    error[2..4].copy_from_slice(&sum.to_be_bytes());
    let to = SockaddrIn::from(SocketAddrV4::new(*external.ip(), 0));
    sendto(raw.as_raw_fd(), &error, &to, MsgFlags::empty()).expect("send");
}

/// RFC 1071.
pub fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |b| u32::from(*b))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}
