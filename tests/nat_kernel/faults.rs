//! Eight faults that were measured in another lab's NATs, each absent here.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::thread::sleep;

use natlab::nat::{Behavior, Filtering, Hairpinning, Mapping, PortAssignment};

use crate::behaviors::{filtering_seen, mapping_seen, remotes};
use crate::endpoints::{Endpoints, bind};
use crate::lab::{EXTERNAL, HOSTS, Home, SERVERS};

const EIM: Mapping = Mapping::EndpointIndependent;
const EIF: Filtering = Filtering::EndpointIndependent;
const ADF: Filtering = Filtering::AddressDependent;

const PORTS: [PortAssignment; 4] =
    [PortAssignment::Preserving, PortAssignment::Parity, PortAssignment::Sequential, PortAssignment::Random];

/// There, whom one inside socket had contacted could send to every mapping.
pub fn a_permission_is_one_endpoints_own(home: &mut Home) {
    for mapping in Mapping::ALL {
        home.become_gateway(Behavior::napt(mapping, ADF));
        let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
        let [a1, a2, b1, _] = remotes(&mut all, &home.internet);
        let mine = all.bind(&home.hosts[0], HOSTS[0], 6001);
        let others = [(0, 6002), (1, 6001)].map(|(h, port)| all.bind(&home.hosts[h], HOSTS[h], port));
        assert!(all.deliver(mine, all.local(a1), a1).is_some());
        for other in others {
            let external = all.deliver(other, all.local(b1), b1).expect("an outbound packet passes");
            for stranger in [a1, a2] {
                assert_eq!(all.deliver(stranger, external, other), None, "{mapping}: opened by another socket");
            }
        }
    }
}

/// There, the second host with a source port got APDF where EIF was asked for.
pub fn the_second_host_with_a_port_is_filtered_alike(home: &mut Home) {
    for ports in PORTS {
        for filtering in Filtering::ALL {
            home.become_gateway(Behavior { ports, ..Behavior::napt(EIM, filtering) });
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let remotes = remotes(&mut all, &home.internet);
            for (host, address) in home.hosts.iter().zip(HOSTS) {
                let inside = all.bind(host, address, 6010);
                assert_eq!(filtering_seen(&all, inside, remotes).0, filtering, "{ports:?}, {address}");
            }
        }
    }
}

/// There, two hosts with the same source port shared an external one until they met at a remote, and changed then.
pub fn two_hosts_with_one_port_keep_distinct_and_stable_mappings(home: &mut Home) {
    for ports in PORTS {
        for filtering in Filtering::ALL {
            let b = Behavior { ports, ..Behavior::napt(EIM, filtering) };
            home.become_gateway(b);
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let remotes = remotes(&mut all, &home.internet);
            let hosts = [0, 1].map(|h| all.bind(&home.hosts[h], HOSTS[h], 6020));
            let mut seen = [BTreeSet::new(), BTreeSet::new()];
            // First to different remotes, then to the same ones, twice.
            for round in 0..4 {
                for (i, h) in hosts.into_iter().enumerate() {
                    let to = remotes[(round + i) % 4];
                    seen[i].insert(all.deliver(h, all.local(to), to).expect("an outbound packet passes"));
                }
            }
            let [first, second] = seen.map(|s| s.into_iter().collect::<Vec<_>>());
            assert_eq!((first.len(), second.len()), (1, 1), "{b} {ports:?}: stable");
            assert_ne!(first, second, "{b} {ports:?}: distinct");
        }
    }
}

/// There, a hairpinned packet came from the router's inside address, and passed the filter.
pub fn a_hairpinned_packet_has_an_external_source_and_is_filtered(home: &mut Home) {
    for ports in PORTS {
        for filtering in Filtering::ALL {
            let hairpinning = Hairpinning::ExternalSource;
            home.become_gateway(Behavior { ports, hairpinning, ..Behavior::napt(EIM, filtering) });
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let [a1, ..] = remotes(&mut all, &home.internet);
            let hosts = [0, 1].map(|h| all.bind(&home.hosts[h], HOSTS[h], 6030));
            let external = hosts.map(|h| all.deliver(h, all.local(a1), a1).expect("an outbound packet passes"));
            let first = all.deliver(hosts[0], external[1], hosts[1]);
            assert_eq!(first, (filtering == EIF).then_some(external[0]), "{ports:?} {filtering}");
            assert_eq!(all.deliver(hosts[1], external[0], hosts[0]), Some(external[1]), "{ports:?} {filtering}");
        }
    }
}

/// There, hairpinning rewrote the source of packets from the Internet, and an early one changed the mapping.
pub fn hairpinning_leaves_other_packets_alone(home: &mut Home) {
    for hairpinning in [Hairpinning::ExternalSource, Hairpinning::InternalSource] {
        home.become_gateway(Behavior { hairpinning, ..Behavior::napt(EIM, EIF) });
        let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
        let [a1, _, b1, c2] = remotes(&mut all, &home.internet);
        let inside = all.bind(&home.hosts[0], HOSTS[0], 6040);
        let external = all.deliver(inside, all.local(a1), a1).expect("an outbound packet passes");
        for stranger in [b1, c2] {
            assert_eq!(all.deliver(stranger, external, inside), Some(all.local(stranger)), "{hairpinning:?}");
            assert_eq!(all.deliver(inside, all.local(stranger), stranger), Some(external), "{hairpinning:?}");
        }
        assert_eq!(external, SocketAddrV4::new(EXTERNAL, 6040));
    }
}

/// There, a mapping with EIF lived on for five minutes whatever was configured.
pub fn a_configured_lifetime_holds_with_open_filtering(home: &mut Home) {
    for mapping in Mapping::ALL {
        let b = Behavior { lifetime_ms: 200, ..Behavior::napt(mapping, EIF) };
        home.become_gateway(b);
        let mut all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
        let [a1, _, b1, _] = remotes(&mut all, &home.internet);
        let inside = all.bind(&home.hosts[0], HOSTS[0], 6050);
        let external = all.deliver(inside, all.local(a1), a1).expect("an outbound packet passes");
        sleep(b.lifetime() * 5 / 4);
        for from in [a1, b1] {
            assert_eq!(all.deliver(from, external, inside), None, "{b}");
        }
        assert_eq!(home.dropped("filtering (RFC 4787 5), udp: unsolicited"), 2, "{b}");
    }
}

/// There, EIF with a dependent mapping was accepted, and behaved as APDF.
pub fn a_dependent_mapping_may_be_open(home: &mut Home) {
    for mapping in [Mapping::AddressDependent, Mapping::AddressAndPortDependent] {
        for ports in PORTS {
            home.become_gateway(Behavior { ports, ..Behavior::napt(mapping, EIF) });
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let remotes = remotes(&mut all, &home.internet);
            let inside = [6060, 6061].map(|port| all.bind(&home.hosts[1], HOSTS[1], port));
            assert_eq!(mapping_seen(&all, inside[0], remotes), mapping, "{ports:?}");
            assert_eq!(filtering_seen(&all, inside[1], remotes).0, EIF, "{ports:?}");
        }
    }
}

/// There, every NAT answered what nobody had asked for.
pub fn an_unsolicited_packet_is_met_with_silence(home: &mut Home) {
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            let b = Behavior::napt(mapping, filtering);
            home.become_gateway(b);
            let all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let stranger = bind(&home.internet, SERVERS[1], 3478);
            stranger.connect(SocketAddrV4::new(EXTERNAL, 6070)).expect("connect");
            stranger.send(&[0; 4]).expect("send");
            assert_eq!(all.settle(), [], "{b}");
            let error = stranger.take_error().expect("ask for the error");
            assert!(error.is_none(), "{b}: {error:?}");
            assert_eq!(home.dropped("filtering (RFC 4787 5), udp: unsolicited"), 1, "{b}");
        }
    }
}
