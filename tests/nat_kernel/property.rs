//! Random packets through the kernel and through the model, with equal results.

use std::net::{Ipv4Addr, SocketAddrV4};

use natlab::nat::rules::PORT_RANGE;
use natlab::nat::{Behavior, Filtering, Mapping, PortAssignment, Semantics};

use crate::endpoints::{Arrival, Endpoints, Id};
use crate::lab::{EXTERNAL, HOSTS, Home, SERVERS};
use crate::model::Model;

const PORTS: [PortAssignment; 4] =
    [PortAssignment::Preserving, PortAssignment::Random, PortAssignment::Parity, PortAssignment::Sequential];

/// Packets per behaviour.
const STEPS: usize = 400;

/// Marsaglia's xorshift: the same steps in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Two hosts that use the same two ports, three servers with two ports each.
struct Scene {
    all: Endpoints,
    inside: Vec<Id>,
    remote: Vec<Id>,
}

pub fn random_packets_agree_with_the_model(home: &mut Home) {
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
    let (mut inside, mut remote) = (vec![], vec![]);
    for port in [5000, 5001] {
        for (host, address) in home.hosts.iter().zip(HOSTS) {
            inside.push(all.bind(host, address, port));
        }
    }
    for server in SERVERS {
        for port in [3478, 3479] {
            remote.push(all.bind(&home.internet, server, port));
        }
    }
    let scene = Scene { all, inside, remote };
    let mut seed = 0x5eed;
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            for ports in PORTS {
                for semantics in [Semantics::Strict, Semantics::ReplyAffine] {
                    seed += 1;
                    let b = Behavior { ports, semantics, ..Behavior::napt(mapping, filtering) };
                    home.become_gateway(b);
                    run(&scene, b, &mut Random(seed));
                }
            }
        }
    }
}

fn run(scene: &Scene, b: Behavior, random: &mut Random) {
    let Scene { all, inside, remote } = scene;
    let mut model = Model::new(b);
    all.settle();
    for step in 0..STEPS {
        let complain = |what: String| -> ! { panic!("{b} {:?} {:?}, step {step}: {what}", b.ports, b.semantics) };
        if random.below(2) == 0 {
            let (from, to) = (random.one(inside), random.one(remote));
            let (source, destination) = (all.local(from), all.local(to));
            let packet = all.send(from, destination);
            match all.settle()[..] {
                [a] if a.at == to && a.packet == packet && *a.from.ip() == EXTERNAL => {
                    if let Err(why) = model.outbound(source, destination, a.from) {
                        complain(why);
                    }
                }
                ref came => complain(format!("{source} sent {packet} to {destination}, and {came:?} came")),
            }
        } else {
            let from = random.one(remote);
            let known = model.externals();
            let to = match random.below(10) {
                0 => SocketAddrV4::new(random.one(&HOSTS), 5000),
                1 => SocketAddrV4::new(EXTERNAL, *PORT_RANGE.start() + random.below(1000) as u16),
                2 => SocketAddrV4::new(EXTERNAL, 5000),
                _ if known.is_empty() => continue,
                _ => random.one(&known),
            };
            let source = all.local(from);
            let private: Ipv4Addr = *to.ip();
            let owner = if private == EXTERNAL { model.inbound(source, to) } else { None };
            let packet = all.send(from, to);
            let expected: Vec<Arrival> = inside
                .iter()
                .filter(|i| Some(all.local(**i)) == owner)
                .map(|i| Arrival { at: *i, from: source, packet })
                .collect();
            let came = all.settle();
            if came != expected {
                complain(format!("{source} sent {packet} to {to}, expected {expected:?}, and {came:?} came"));
            }
        }
    }
}
