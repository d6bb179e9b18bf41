//! NATs that are not as declared, one property at a time.

use super::*;

type Change = fn(&mut Observations);

fn udp(o: &mut Observations) -> &mut Behaved {
    o.udp.as_mut().unwrap()
}

fn tcp(o: &mut Observations) -> &mut Behaved {
    o.tcp.as_mut().unwrap()
}

fn ports(o: &mut Observations) -> &mut Ports {
    o.ports.as_mut().unwrap()
}

fn icmp(o: &mut Observations) -> &mut Icmp {
    o.icmp.as_mut().unwrap()
}

fn timers(o: &mut Observations) -> &mut Timers {
    o.udp_timers.as_mut().unwrap()
}

const APDM: [u16; 4] = [20_001, 20_002, 20_003, 20_004];

/// What makes each axis another one than a port-restricted cone's.
const AXES: &[(&str, Change)] = &[
    ("udp", |o| o.passes = Some(Passes { outbound: true, answer: false })),
    ("translation", |o| {
        for m in &mut udp(o).mapping {
            m.seen = [Some(m.inside); 4];
        }
    }),
    ("mapping", |o| udp(o).mapping[0].seen = APDM.map(outside)),
    ("mapping", |o| udp(o).mapping[0].seen = [6000, 6000, 20_001, 20_002].map(outside)),
    ("mapping", |o| udp(o).mapping[0].seen = [6000, 6000, 20_001, 6000].map(outside)),
    ("filtering", |o| udp(o).filtering[0].passed = [true; 4]),
    ("filtering", |o| udp(o).filtering[0].passed = [true, true, false, false]),
    ("filtering", |o| udp(o).filtering[0].passed = [true, false, true, false]),
    ("ports", |o| ports(o).second[0].external = ports(o).first[0].external),
    ("ports", |o| ports(o).first.iter_mut().zip(APDM).for_each(|(a, port)| a.external = outside(port))),
    ("ports", |o| ports(o).first.iter_mut().for_each(|a| a.external = outside(a.inside.port() + 20_000))),
    ("ports", |o| {
        let ports = ports(o);
        for (a, port) in ports.first.iter_mut().zip([29_999, 20_444, 31_007, 25_001]) {
            a.external = outside(port);
        }
    }),
    ("port-range", |o| ports(o).second[0].external = outside(50_000)),
    ("under conflict", |o| udp(o).mapping[1].seen = APDM.map(outside)),
    ("under conflict", |o| udp(o).mapping[2].seen = [outside(6001); 4]),
    ("under conflict", |o| udp(o).filtering[1].passed = [true; 4]),
    ("hairpinning", |o| o.hairpin.as_mut().unwrap().first = outside(6400)),
    ("hairpinning", |o| o.hairpin.as_mut().unwrap().answer = Some(inside(1, 6401))),
    ("lifetime", |o| timers(o).idle[1].alive = true),
    ("lifetime", |o| timers(o).idle[0].alive = false),
    ("refresh", |o| timers(o).inbound = touched(false)),
    ("refresh", |o| timers(o).outbound = touched(false)),
    ("unsolicited", |o| o.unsolicited.as_mut().unwrap().unowned = Answer::Icmp(3, 3)),
    ("unsolicited", |o| udp(o).filtering[0].answers = vec![Answer::Icmp(3, 13)]),
    ("icmp-errors", |o| icmp(o).inward.iter_mut().for_each(|c| c.arrived = None)),
    ("icmp-errors", |o| icmp(o).inward[0].arrived.as_mut().unwrap().about_from = server(1, 1)),
    ("icmp-errors", |o| icmp(o).inward_tcp[0].arrived.as_mut().unwrap().checksums = false),
    ("icmp-errors", |o| icmp(o).outward.as_mut().unwrap().0.as_mut().unwrap().from = HOSTS[0]),
    ("tcp mapping", |o| tcp(o).mapping[0].seen = APDM.map(outside)),
    ("tcp filtering", |o| tcp(o).filtering[0].passed = [true; 4]),
    ("tcp under conflict", |o| tcp(o).mapping[1].seen = APDM.map(outside)),
    ("tcp unsolicited", |o| o.syn.as_mut().unwrap().unowned = Answer::Reset),
    ("tcp unsolicited", |o| tcp(o).filtering[1].answers = vec![Answer::Icmp(3, 3)]),
    ("tcp simultaneous-open", |o| o.syn.as_mut().unwrap().crossing = Some(false)),
    ("tcp hairpinning", |o| o.tcp_hairpin.as_mut().unwrap().answer = outside(6411)),
    ("tcp lifetime", |o| o.tcp_timer.as_mut().unwrap().1[1].alive = true),
    ("dropped by rules", |o| o.drops.clear()),
    ("packets gone astray", |o| o.strays.push("one".into())),
];

#[test]
fn each_axis_can_be_another() {
    for (n, (axis, change)) in AXES.iter().enumerate() {
        let mut seen = observations();
        change(&mut seen);
        let c = judge(&cone(), &seen);
        assert_eq!(verdict(&c, axis), AxisVerdict::Different, "{axis}, change {n}");
        assert_eq!(c.conclusion, Conclusion::Different, "{axis}, change {n}");
    }
    let declared = judge(&cone(), &observations());
    for a in &declared.axes {
        let optional = ["semantics", "forward"].contains(&a.axis);
        assert!(optional || AXES.iter().any(|(axis, _)| *axis == a.axis), "nothing shows that {} can fail", a.axis);
    }
}

/// What makes a port-restricted cone meet or miss each requirement.
const REQUIREMENTS: &[(u16, &str, Status, Change)] = &[
    (4787, "REQ-1", Status::Fail, |o| udp(o).mapping[0].seen = APDM.map(outside)),
    (4787, "REQ-2", Status::Fail, |o| {
        o.external.push(Ipv4Addr::new(203, 0, 113, 3));
        ports(o).first[0].external = Some(SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 3), 7100));
    }),
    (4787, "REQ-3", Status::Fail, |o| ports(o).second[1].external = ports(o).first[1].external),
    (4787, "REQ-3a", Status::Fail, |o| ports(o).low[0].external = outside(20_700)),
    (4787, "REQ-4", Status::Fail, |o| ports(o).second[0].external = outside(20_001)),
    (4787, "REQ-5", Status::Fail, |o| timers(o).lifetime = scaled(30_000)),
    (4787, "REQ-5c", Status::Fail, |_| {}),
    (4787, "REQ-6", Status::Fail, |o| timers(o).outbound = touched(false)),
    (4787, "REQ-6a", Status::Fail, |o| timers(o).inbound = touched(false)),
    (4787, "REQ-8", Status::Fail, |_| {}),
    (4787, "REQ-8", Status::Pass, |o| udp(o).filtering[0].passed = [true; 4]),
    (4787, "REQ-9", Status::Fail, |_| {}),
    (4787, "REQ-9a", Status::Fail, |o| o.hairpin.as_mut().unwrap().first = Some(inside(0, 6400))),
    (4787, "REQ-9a", Status::Fail, |o| o.hairpin.as_mut().unwrap().first = outside(6499)),
    (4787, "REQ-9a", Status::Pass, |o| o.hairpin.as_mut().unwrap().first = outside(6400)),
    (4787, "REQ-10", Status::Fail, |o| o.payload.as_mut().unwrap().udp = Some(false)),
    (4787, "REQ-11", Status::Fail, |o| udp(o).mapping[1].seen = APDM.map(outside)),
    (4787, "REQ-12", Status::Fail, |o| icmp(o).inward[1].mapping_kept = false),
    (4787, "REQ-12a", Status::Fail, |o| icmp(o).inward[2].arrived = None),
    (4787, "REQ-12b", Status::Fail, |o| icmp(o).inward[0].arrived = None),
    (4787, "REQ-13", Status::Fail, |o| o.sizes.as_mut().unwrap().df_error = Some(None)),
    (4787, "REQ-13a", Status::Fail, |o| o.sizes.as_mut().unwrap().without_df = Some(false)),
    (4787, "REQ-14", Status::Fail, |o| o.sizes.as_mut().unwrap().out_of_order = Some([true, false])),
    (5382, "REQ-1", Status::Fail, |o| tcp(o).mapping[0].seen = APDM.map(outside)),
    (5382, "REQ-2", Status::Fail, |o| o.syn.as_mut().unwrap().crossing = Some(false)),
    (5382, "REQ-3", Status::Fail, |_| {}),
    (5382, "REQ-4", Status::Fail, |o| {
        o.syn.as_mut().unwrap().unowned = Answer::Reset;
        tcp(o).filtering.iter_mut().for_each(|f| f.answers = vec![Answer::Reset; 3]);
    }),
    (5382, "REQ-4", Status::Fail, |o| o.syn.as_mut().unwrap().after_unsolicited = Some(false)),
    (5382, "REQ-4a", Status::Fail, |o| {
        o.syn.as_mut().unwrap().unowned = Answer::Reset;
        tcp(o).filtering.iter_mut().for_each(|f| f.answers = vec![Answer::Reset; 3]);
    }),
    (5382, "REQ-5", Status::Fail, |o| o.tcp_timer.as_mut().unwrap().0 = scaled(3_600_000)),
    (5382, "REQ-6", Status::Fail, |o| o.payload.as_mut().unwrap().tcp = Some(false)),
    (5382, "REQ-7", Status::Fail, |o| tcp(o).mapping[1].seen = [outside(6000); 4]),
    (5382, "REQ-8", Status::Fail, |_| {}),
    (5382, "REQ-9", Status::Fail, |o| icmp(o).inward_tcp[0].arrived = None),
    (5382, "REQ-10", Status::Fail, |o| icmp(o).inward_tcp[0].mapping_kept = false),
    (5508, "REQ-1", Status::Fail, |o| icmp(o).echo = Some([true, false])),
    (5508, "REQ-1a", Status::Fail, |o| icmp(o).echo_identifiers = Some([Some(1), Some(2)])),
    (5508, "REQ-2", Status::Fail, |o| o.query_timer.as_mut().unwrap().0 = scaled(30_000)),
    (5508, "REQ-3", Status::Fail, |o| icmp(o).bad_checksum_arrived = Some(true)),
    (5508, "REQ-3a", Status::Fail, |o| icmp(o).bad_inner_checksum_arrived = Some(true)),
    (5508, "REQ-3b", Status::Fail, |o| icmp(o).options_arrived = Some(false)),
    (5508, "REQ-4", Status::Fail, |o| icmp(o).unknown_arrived = Some(true)),
    (5508, "REQ-4", Status::Fail, |o| icmp(o).inward[0].arrived.as_mut().unwrap().to = HOSTS[1]),
    (5508, "REQ-5", Status::Fail, |o| icmp(o).outward.as_mut().unwrap().0 = None),
    (5508, "REQ-6", Status::Fail, |o| timers(o).error = touched(true)),
    (5508, "REQ-7", Status::Fail, |o| {
        o.hairpin.as_mut().unwrap().first = outside(6400);
        icmp(o).hairpinned = Some((None, inside(0, 6320), server(0, 1)));
    }),
    (5508, "REQ-8", Status::Fail, |o| {
        let (ports_seen, answer) = (vec![20_000, 20_001], Answer::Silence);
        ports(o).exhaustion = Some(Exhaustion {
            asked: 3,
            reached: 3,
            ports: ports_seen,
            other_host_unaffected: true,
            first_kept: true,
            answer,
        });
    }),
    (5508, "REQ-10a", Status::Fail, |o| icmp(o).inward[2].arrived = None),
    (5508, "REQ-10b", Status::Fail, |o| icmp(o).inward[3].arrived = None),
    (5508, "REQ-10c", Status::Fail, |o| icmp(o).source_quench_arrived = Some(true)),
];

#[test]
fn each_requirement_can_be_missed() {
    for (n, (rfc, number, expected, change)) in REQUIREMENTS.iter().enumerate() {
        let mut seen = observations();
        change(&mut seen);
        let c = judge(&cone(), &seen);
        assert_eq!(status(&c, *rfc, number), *expected, "RFC {rfc} {number}, change {n}");
    }
    // Those about what no packet can show.
    let never = [(4787, "REQ-7"), (5508, "REQ-9"), (5508, "REQ-11")];
    for r in judge(&cone(), &observations()).requirements {
        let shown = REQUIREMENTS.iter().any(|x| (x.0, x.1, x.2) == (r.rfc, r.number, Status::Fail));
        assert!(shown || never.contains(&(r.rfc, r.number)), "nothing shows that {} {} can fail", r.rfc, r.number);
    }
}
