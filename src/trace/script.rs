//! Event lists by hand, for the tests of trace, verdict and record: two peers behind a gateway each, a STUN and a TURN
//! server.

#![allow(clippy::unwrap_used)]

mod lines;
mod stories;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;

use crate::event::{Awaited, Class, Direction, Event, Happened, Method, Packet, ProcessRole};
use crate::ice::{CandidatePolicy, CandidateType, IceRole, OfferRole};
use crate::nat::{Behavior, Filtering, Mapping, Measured};
use crate::net::Transport;
use crate::oracle::Prediction;
use crate::plan::*;
use crate::protocol::*;

pub(crate) use lines::{host, relay, srflx};
pub(crate) use stories::{direct, exhausted, hopeless, relayed};

pub(crate) const ALICE: &str = "alice";
pub(crate) const BOB: &str = "bob";
pub(crate) const ALICE_HOST: &str = "10.1.0.2:5000";
pub(crate) const BOB_HOST: &str = "10.2.0.2:6000";
pub(crate) const ALICE_SRFLX: &str = "203.0.113.21:5000";
pub(crate) const BOB_SRFLX: &str = "203.0.113.22:6000";
pub(crate) const STUN: &str = "203.0.113.10:3478";
pub(crate) const TURN: &str = "203.0.113.30:3478";
pub(crate) const BOB_RELAY: &str = "203.0.113.30:50000";
/// What the agents of these scripts say: a pair is given up after so many checks.
pub(crate) const CHECKS_PER_PAIR: u32 = 4;
/// Their pace, in microseconds.
pub(crate) const CHECK_INTERVAL_US: u64 = 20_000;

pub(crate) fn endpoint(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn port_restricted() -> Behavior {
    Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent)
}

pub(crate) fn symmetric() -> Behavior {
    Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent)
}

/// Alice offers to Bob, each behind a gateway of this behaviour, both with the STUN server.
pub(crate) fn trial(behavior: Behavior, predicted: ExpectedOutcome) -> Trial {
    let peer = |nat: &str, host: &str| Peer {
        behind: vec![nat.to_owned()],
        behavior,
        address: match endpoint(host).ip() {
            std::net::IpAddr::V4(ip) => ip,
            std::net::IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        },
        agent: AgentProgram::Builtin("webrtc-ice".to_owned()),
        ice_servers: vec![IceServer { urls: vec![format!("stun:{STUN}")], username: None, credential: None }],
        wrong_credentials: false,
        ice_role: None,
        policy: CandidatePolicy::All,
    };
    let gateway = |name: &str, external: &str| Node {
        name: name.to_owned(),
        role: NodeRole::Gateway,
        interfaces: vec![],
        bridges: vec![],
        routes: vec![],
        gateway: Some(Gateway {
            pairs: vec![],
            forwards: vec![],
            behavior,
            wan: "wan0".to_owned(),
            external: vec![external.parse().unwrap()],
            inside: vec![],
            seed: 7,
            preset: None,
        }),
    };
    let server = |kind, name: &str, at: &str| Server {
        node: name.to_owned(),
        kind,
        implementation: Implementation::Natlab,
        addresses: vec![at.split(':').next().unwrap().parse().unwrap()],
        port: 3478,
        transports: vec![Transport::Udp],
        realm: "natlab".to_owned(),
        user: "u".to_owned(),
        password: "p".to_owned(),
    };
    let measured = |nat: &str, from: &str| Measurement {
        nat: nat.to_owned(),
        from: from.to_owned(),
        declared: behavior,
        through: vec![nat.to_owned()],
    };
    Trial {
        id: "shown/alice-offers".to_owned(),
        scenario: "shown".to_owned(),
        description: "what it shows".to_owned(),
        offerer: ALICE.to_owned(),
        answerer: BOB.to_owned(),
        repeat: 1,
        seed: 1,
        topology: Topology {
            nodes: vec![gateway("home-a", "203.0.113.21"), gateway("home-b", "203.0.113.22")],
            ..Topology::default()
        },
        measurements: vec![measured("home-a", ALICE), measured("home-b", BOB)],
        servers: vec![server(ServerKind::Stun, "stun", STUN), server(ServerKind::Turn, "turn", TURN)],
        peers: BTreeMap::from([
            (ALICE.to_owned(), peer("home-a", ALICE_HOST)),
            (BOB.to_owned(), peer("home-b", BOB_HOST)),
        ]),
        ice: IceSettings { gathering: Gathering::Trickle, timers: TimerProfile::Lab, answer_delay_ms: 0 },
        deadlines: Deadlines { connect_ms: 15_000, hello_ms: 30_000, data_ms: 3_000 },
        prediction: Prediction { outcomes: vec![predicted], racy: false, reasons: vec!["the rule".to_owned()] },
        expectation: None,
        capture: false,
    }
}

/// Gives a peer the TURN server.
pub(crate) fn with_turn(mut trial: Trial, peer: &str, transport: Transport) -> Trial {
    trial.peers.get_mut(peer).unwrap().ice_servers.push(IceServer {
        urls: vec![format!("turn:{TURN}?transport={transport}")],
        username: Some("u".to_owned()),
        credential: Some("p".to_owned()),
    });
    trial
}

/// A list of events as it grows. Time goes on by a millisecond with each, unless it is told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) trial: Trial,
    pub(crate) events: Vec<Event>,
    pub(crate) t_us: u64,
    commands: u64,
    transactions: u64,
}

impl Script {
    pub(crate) fn new(trial: Trial) -> Script {
        let mut script = Script { trial: trial.clone(), events: vec![], t_us: 0, commands: 0, transactions: 0 };
        script.happened(Happened::Plan { trial: Box::new(trial) });
        script
    }

    pub(crate) fn happened(&mut self, what: Happened) -> u64 {
        let seq = self.events.len() as u64;
        self.events.push(Event { seq, t_us: self.t_us, what });
        self.t_us += 1000;
        seq
    }

    /// Leaves events out, and numbers the rest again.
    pub(crate) fn without(&mut self, mut drop: impl FnMut(&Event) -> bool) -> &mut Self {
        self.events.retain(|event| !drop(event));
        for (seq, event) in (0..).zip(&mut self.events) {
            event.seq = seq;
        }
        self
    }

    pub(crate) fn told(&mut self, node: &str, body: CommandBody) -> u64 {
        self.commands += 1;
        let message = serde_json::to_value(Command { id: self.commands, body }).unwrap();
        self.happened(Happened::Told { node: node.to_owned(), message })
    }

    pub(crate) fn said(&mut self, node: &str, event: AgentEvent) -> u64 {
        let message = serde_json::to_value(event).unwrap();
        self.happened(Happened::Said { node: node.to_owned(), message })
    }

    /// The answer to the command told last.
    pub(crate) fn reply(&mut self, node: &str, reply: Reply) -> u64 {
        self.said(node, AgentEvent::Reply(Reply { id: self.commands, ..reply }))
    }

    pub(crate) fn measured(&mut self) -> &mut Self {
        self.happened(Happened::LabBuilt { nodes: 7, took_us: 8_500 });
        for m in self.trial.measurements.clone() {
            let measured = Measured { mapping: Some(m.declared.mapping), ..Measured::default() };
            self.happened(Happened::NatMeasured {
                nat: m.nat,
                from: m.from,
                declared: m.declared,
                measured,
                differences: vec![],
            });
        }
        self
    }

    /// Starts both agents and lets them say hello.
    pub(crate) fn hello(&mut self) -> &mut Self {
        self.measured();
        for node in [ALICE, BOB] {
            self.happened(Happened::Started {
                node: node.to_owned(),
                role: ProcessRole::Agent,
                argv: vec!["natlab".to_owned(), "agent".to_owned()],
            });
            let caps = ["ice_role", "policy", "timers", "turn-udp", "turn-tcp", "pairs"];
            self.said(node, AgentEvent::Hello(hello(&caps)));
        }
        self
    }

    /// Tells an agent what it is to be; it has not answered yet.
    pub(crate) fn configure(&mut self, node: &str) -> u64 {
        let peer = self.trial.peers[node].clone();
        let role = if node == self.trial.offerer { OfferRole::Offerer } else { OfferRole::Answerer };
        self.told(
            node,
            CommandBody::Configure(Configure {
                role,
                ice_servers: peer.ice_servers,
                policy: peer.policy,
                trickle: true,
                ice_role: peer.ice_role,
                timers: Some(Timers { profile: TimerProfile::Lab }),
                network: None,
            }),
        )
    }

    /// As far as `offer` and its description, with gathering begun on both sides.
    pub(crate) fn offer(&mut self) -> &mut Self {
        self.hello();
        for node in [BOB, ALICE] {
            self.configure(node);
            self.reply(
                node,
                Reply {
                    checks_per_pair: Some(CHECKS_PER_PAIR),
                    timers: Some(json!({"check_interval_ms": CHECK_INTERVAL_US / 1000})),
                    ..accepted()
                },
            );
        }
        self.told(ALICE, CommandBody::Offer { restart: false });
        self.said(ALICE, description(SdpType::Offer, false));
        self.told(BOB, CommandBody::Description { sdp_type: SdpType::Offer, sdp: "v=0\r\n".to_owned() });
        self.said(BOB, description(SdpType::Answer, false));
        self.told(ALICE, CommandBody::Description { sdp_type: SdpType::Answer, sdp: "v=0\r\n".to_owned() });
        self
    }

    /// Announces a candidate, and tells the other side.
    pub(crate) fn candidate(&mut self, node: &str, line: &str) -> &mut Self {
        self.announces(node, line);
        let other = self.trial.other(node).to_owned();
        let candidate = line.to_owned();
        self.told(&other, CommandBody::Candidate { candidate, sdp_mid: None, sdp_mline_index: None });
        self
    }

    /// Announces a candidate that does not reach the other side.
    pub(crate) fn announces(&mut self, node: &str, line: &str) -> u64 {
        let candidate = line.to_owned();
        self.said(node, AgentEvent::Candidate { candidate, sdp_mid: None, sdp_mline_index: None })
    }

    /// Host and server-reflexive candidates of both sides, and the end of gathering.
    pub(crate) fn gathered(&mut self) -> &mut Self {
        self.offer();
        self.stun(ALICE, ALICE_HOST, Some(ALICE_SRFLX)).stun(BOB, BOB_HOST, Some(BOB_SRFLX));
        self.candidate(ALICE, &host(ALICE_HOST)).candidate(ALICE, &srflx(ALICE_SRFLX, ALICE_HOST));
        self.candidate(BOB, &host(BOB_HOST)).candidate(BOB, &srflx(BOB_SRFLX, BOB_HOST));
        self.ended(ALICE).ended(BOB)
    }

    /// The end of gathering.
    pub(crate) fn ended(&mut self, node: &str) -> &mut Self {
        self.said(node, AgentEvent::Gathering { state: GatheringState::Complete });
        self
    }

    /// A Binding request to the STUN server, and its answer.
    pub(crate) fn stun(&mut self, node: &str, from: &str, mapped: Option<&str>) -> &mut Self {
        let request = self.request(node, from, STUN, Method::Binding);
        self.packet(request.clone());
        if let Some(mapped) = mapped {
            self.packet(Packet { mapped: Some(endpoint(mapped)), ..answer(&request, Class::Success) });
        }
        self
    }

    /// Allocate: challenge, then this.
    pub(crate) fn allocate(&mut self, node: &str, from: &str, result: Result<&str, u16>) -> &mut Self {
        let first = self.request(node, from, TURN, Method::Allocate);
        self.packet(first.clone());
        self.packet(Packet { error: Some(401), ..answer(&first, Class::Error) });
        let second = self.request(node, from, TURN, Method::Allocate);
        self.packet(second.clone());
        self.packet(match result {
            Ok(relayed) => Packet { relayed: Some(endpoint(relayed)), ..answer(&second, Class::Success) },
            Err(code) => Packet { error: Some(code), ..answer(&second, Class::Error) },
        });
        self
    }

    /// CreatePermission, granted.
    pub(crate) fn permission(&mut self, node: &str, from: &str, peer: &str) -> &mut Self {
        let request =
            Packet { peers: vec![endpoint(peer)], ..self.request(node, from, TURN, Method::CreatePermission) };
        self.packet(request.clone());
        self.packet(answer(&request, Class::Success));
        self
    }

    pub(crate) fn request(&mut self, node: &str, from: &str, to: &str, method: Method) -> Packet {
        self.transactions += 1;
        Packet {
            node: node.to_owned(),
            direction: Direction::Out,
            transport: Transport::Udp,
            from: endpoint(from),
            to: endpoint(to),
            relay_peer: None,
            method,
            class: Class::Request,
            transaction: format!("{:024x}", self.transactions),
            check: false,
            use_candidate: false,
            ice_role: None,
            priority: None,
            username: None,
            mapped: None,
            relayed: None,
            peers: vec![],
            error: None,
        }
    }

    pub(crate) fn packet(&mut self, packet: Packet) -> u64 {
        self.happened(Happened::Packet(packet))
    }

    /// A check of the offerer's or answerer's usual role.
    pub(crate) fn check(&mut self, node: &str, from: &str, to: &str) -> Packet {
        let role = if node == self.trial.offerer { IceRole::Controlling } else { IceRole::Controlled };
        Packet {
            check: true,
            ice_role: Some(role),
            username: Some("there:here".to_owned()),
            ..self.request(node, from, to, Method::Binding)
        }
    }

    /// As many unanswered checks of a pair as an agent sends.
    pub(crate) fn checks_in_vain(&mut self, node: &str, from: &str, to: &str) -> &mut Self {
        let begin = self.t_us;
        for i in 0..u64::from(CHECKS_PER_PAIR) {
            self.t_us = begin + i * CHECK_INTERVAL_US;
            let check = self.check(node, from, to);
            self.packet(check);
        }
        self
    }

    /// A check that is answered 2 ms later, as the tap of its sender sees it; and as the other tap does, under the addresses
    /// there.
    pub(crate) fn answered(
        &mut self,
        node: &str,
        (from, to): (&str, &str),
        (seen_from, seen_to): (&str, &str),
        nominate: bool,
    ) -> &mut Self {
        let request = Packet { use_candidate: nominate, ..self.check(node, from, to) };
        let there = Packet {
            node: self.trial.other(node).to_owned(),
            direction: Direction::In,
            from: endpoint(seen_from),
            to: endpoint(seen_to),
            ..request.clone()
        };
        let begin = self.t_us;
        self.packet(request.clone());
        self.packet(there.clone());
        self.packet(answer(&there, Class::Success));
        self.t_us = begin + 2000;
        self.packet(Packet { mapped: Some(endpoint(seen_from)), ..answer(&request, Class::Success) });
        self
    }

    pub(crate) fn connected(&mut self, node: &str) -> u64 {
        self.said(node, AgentEvent::State { ice: Some(IceState::Connected), connection: None })
    }

    pub(crate) fn pair(&mut self, node: &str, local: (CandidateType, &str), remote: (CandidateType, &str)) -> u64 {
        let pair = pair(local, remote);
        self.said(node, AgentEvent::Pair(pair))
    }

    /// One message each way.
    pub(crate) fn data(&mut self) -> &mut Self {
        for node in [ALICE, BOB] {
            let (data, other) = (format!("natlab {node} 0"), self.trial.other(node).to_owned());
            self.told(node, CommandBody::Send { data: data.clone() });
            self.said(&other, AgentEvent::Data { data });
        }
        self
    }

    pub(crate) fn deadline(&mut self, what: Awaited, node: Option<&str>, limit_ms: u64) -> u64 {
        self.happened(Happened::Deadline { node: node.map(str::to_owned), what, limit_ms })
    }

    /// Closes both agents, and ends.
    pub(crate) fn closed(&mut self) -> &mut Self {
        for node in [ALICE, BOB] {
            self.told(node, CommandBody::Close);
            self.said(node, AgentEvent::State { ice: Some(IceState::Closed), connection: None });
            self.reply(node, accepted());
            self.said(node, AgentEvent::Closed {});
            self.exited(node, Some(0), true);
        }
        self.happened(Happened::Finished);
        self
    }

    pub(crate) fn exited(&mut self, node: &str, code: Option<i32>, expected: bool) -> u64 {
        let role = ProcessRole::Agent;
        let signal = if code.is_none() { Some(11) } else { None };
        self.happened(Happened::Exited { node: node.to_owned(), role, code, signal, expected })
    }
}

pub(crate) fn hello(caps: &[&str]) -> Hello {
    Hello {
        protocol: VERSION,
        agent: "webrtc-ice".to_owned(),
        version: "0.17.2".to_owned(),
        level: "ice".to_owned(),
        trickle: "full".to_owned(),
        caps: caps.iter().map(|cap| (*cap).to_owned()).collect(),
        settle_ms: Some(0),
    }
}

pub(crate) fn accepted() -> Reply {
    Reply {
        id: 0,
        cmd: String::new(),
        ok: true,
        error: None,
        ignored: vec![],
        checks_per_pair: None,
        timers: None,
        stats: None,
    }
}

pub(crate) fn description(sdp_type: SdpType, complete: bool) -> AgentEvent {
    AgentEvent::Description { sdp_type, sdp: "v=0\r\n".to_owned(), complete }
}

pub(crate) fn answer(request: &Packet, class: Class) -> Packet {
    Packet {
        direction: if request.direction == Direction::Out { Direction::In } else { Direction::Out },
        from: request.to,
        to: request.from,
        class,
        use_candidate: false,
        ice_role: None,
        username: None,
        ..request.clone()
    }
}

pub(crate) fn pair((lt, local): (CandidateType, &str), (rt, remote): (CandidateType, &str)) -> Pair {
    let end = |kind, at: &str| {
        let at = endpoint(at);
        PairEnd { kind, address: at.ip().to_string(), port: at.port(), protocol: Transport::Udp }
    };
    Pair { local: end(lt, local), remote: end(rt, remote), ice_role: None, source: Some("event".to_owned()) }
}
