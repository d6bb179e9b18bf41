//! Subjects that are observed in the kernel, and declarations that they are compared with.

use std::path::Path;

use natlab::conformance::{AxisVerdict, Conclusion, Conformance, Declared, Inward, Observations, Subject, judge};
use natlab::nat::rules::refused;
use natlab::nat::{Behavior, Filtering, Hairpinning, Mapping, Pooling, PortAssignment, PortRange, Translation, preset};
use natlab::net::Transport;
use natlab::run::verify::observe;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// At a time.
const JOBS: usize = 6;

fn alone(name: &str, behavior: Behavior) -> Subject {
    Subject::alone(Declared { name: name.to_owned(), behavior, forwards: vec![] })
}

/// Observes all of them, several at a time; in their order.
fn observations(subjects: &[Subject], home: &Path) -> Vec<Observations> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_keep, cancel) = watch::channel(false);
    let mut seen: Vec<Option<Observations>> = vec![None; subjects.len()];
    runtime.block_on(async {
        let mut work = JoinSet::new();
        let mut waiting = subjects.iter().cloned().enumerate();
        loop {
            while work.len() < JOBS
                && let Some((n, subject)) = waiting.next()
            {
                let (home, cancel) = (home.to_owned(), cancel.clone());
                work.spawn(async move { (n, observe(subject, home, n, cancel).await) });
            }
            let Some(done) = work.join_next().await else { break };
            let (n, observed) = done.expect("the task ends");
            seen[n] = Some(observed.unwrap_or_else(|why| panic!("{}: {why}", subjects[n].name)));
        }
    });
    seen.into_iter().map(|o| o.expect("each was observed")).collect()
}

fn trouble(c: &Conformance) -> Vec<String> {
    let bad = |v| matches!(v, AxisVerdict::Different | AxisVerdict::Undecided);
    let axes = c.axes.iter().filter(|a| bad(a.verdict));
    axes.map(|a| format!("{}: declared {}, measured {:?}, {}", a.axis, a.declared, a.measured, a.how)).collect()
}

/// Judges each observation by each declaration.
fn compare(subjects: &[Subject], seen: &[Observations], same: impl Fn(&Behavior, &Behavior) -> bool) {
    let mut wrong = vec![];
    for (real, o) in subjects.iter().zip(seen) {
        assert_eq!(o.failures, Vec::<String>::new(), "{}", real.name);
        for declared in subjects {
            let c = judge(declared, o);
            let expected = match same(&real.declared(), &declared.declared()) {
                true => Conclusion::AsDeclared,
                false => Conclusion::Different,
            };
            if c.conclusion != expected {
                wrong.push(format!("{}, declared {}: {:?} {:?}", real.name, declared.name, c.conclusion, trouble(&c)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub fn each_preset_is_told_from_every_other(home: &Path) {
    let subjects: Vec<Subject> = preset::ALL.iter().map(|p| alone(p.name, p.behavior)).collect();
    let seen = observations(&subjects, home);
    compare(&subjects, &seen, |a, b| a.stated() == b.stated());
}

/// Mapping × filtering × ports × hairpinning.
pub fn each_combination_is_told_from_every_other(home: &Path) {
    let mut subjects = vec![];
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            use PortAssignment::{Overloading, Parity, Preserving, Random, Sequential};
            for ports in [Preserving, Parity, Sequential, Random, Overloading] {
                for hairpinning in [Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource] {
                    let b = Behavior { ports, hairpinning, ..Behavior::napt(mapping, filtering) };
                    if refused(&b).is_empty() {
                        subjects.push(alone(&format!("{b} {ports:?} {hairpinning:?}"), b));
                    }
                }
            }
        }
    }
    assert_eq!(subjects.len(), 109);
    let seen = observations(&subjects, home);
    let mut wrong = vec![];
    for (real, o) in subjects.iter().zip(&seen) {
        let own = judge(real, o);
        if own.conclusion != Conclusion::AsDeclared {
            wrong.push(format!("{}: {:?} {:?}", real.name, own.conclusion, trouble(&own)));
        }
        for declared in subjects.iter().filter(|d| d.name != real.name) {
            let (a, b) = (real.declared(), declared.declared());
            // Behind an endpoint-dependent mapping and a filter, no packet that is hairpinned arrives from anywhere: which
            // source it would have had nobody can tell.
            let blind = a.mapping != Mapping::EndpointIndependent
                && (a.mapping, a.filtering, a.ports) == (b.mapping, b.filtering, b.ports)
                && a.hairpinning != Hairpinning::None
                && b.hairpinning != Hairpinning::None;
            if !blind && judge(declared, o).conclusion != Conclusion::Different {
                wrong.push(format!("{} passes for {}", real.name, declared.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub fn chains_are_as_strict_as_their_strictest(home: &Path) {
    let declared = |name: &str, behavior| Declared { name: name.to_owned(), behavior, forwards: vec![] };
    let eim = |f| Behavior::napt(Mapping::EndpointIndependent, f);
    let apdm = |f| Behavior::napt(Mapping::AddressAndPortDependent, f);
    let (eif, apdf) = (Filtering::EndpointIndependent, Filtering::AddressAndPortDependent);
    let short = Behavior { lifetime_ms: 30_000, ..eim(apdf) };
    let chains = [
        vec![declared("carrier", eim(eif)), declared("home", eim(apdf))],
        vec![declared("carrier", apdm(apdf)), declared("home", eim(eif))],
        vec![declared("firewall", Behavior::public(apdf)), declared("home", eim(eif))],
        vec![declared("carrier", eim(eif)), declared("firewall", Behavior::public(apdf))],
        vec![declared("carrier", eim(eif)), declared("building", eim(eif)), declared("flat", short)],
    ];
    let subjects: Vec<Subject> = chains.into_iter().map(Subject::chain).collect();
    let seen = observations(&subjects, home);
    for (subject, o) in subjects.iter().zip(&seen) {
        let c = judge(subject, o);
        assert_eq!(c.conclusion, Conclusion::AsDeclared, "{}: {:?} {:?}", subject.name, trouble(&c), c.notes);
    }
}

/// Judges each observation by each declaration: its own passes, and no other does.
fn each_is_told_from_every_other(subjects: &[Subject], home: &Path) {
    let seen = observations(subjects, home);
    let mut wrong = vec![];
    for (n, o) in seen.iter().enumerate() {
        assert_eq!(o.failures, Vec::<String>::new(), "{}", subjects[n].name);
        for (m, declared) in subjects.iter().enumerate() {
            let c = judge(declared, o);
            // A block that is declared elsewhere alone was not exhausted: that is undecided.
            if (c.conclusion == Conclusion::AsDeclared) != (n == m) {
                wrong.push(format!(
                    "{}, declared {}: {:?} {:?}",
                    subjects[n].name,
                    declared.name,
                    c.conclusion,
                    trouble(&c)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Chains of two and three whose gateways assign ports, addresses and blocks in different ways, all else being equal.
pub fn chains_are_told_by_ports_and_pools(home: &Path) {
    use PortAssignment::{Overloading, Parity, Preserving, Random, Sequential};
    let base = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    let with = |ports| Behavior { ports, ..base };
    let all = [Preserving, Parity, Sequential, Random, Overloading];
    let mut chains: Vec<Vec<Behavior>> = vec![];
    for outer in all {
        // Behind a NAT that translates to one address, nobody else has a port: nothing is shared, whoever would allow it.
        chains.extend(all.into_iter().filter(|_| outer != Overloading).map(|inner| vec![with(outer), with(inner)]));
    }
    let down = Behavior { port_step: -2, ..with(Sequential) };
    let pool = |pooling, ports| Behavior { addresses: 3, pooling, ..with(ports) };
    let block = |n| Behavior { port_block: Some(n), ..with(Random) };
    let narrow = Behavior { port_range: PortRange { first: 40_000, last: 40_099 }, ..with(Random) };
    let (paired, arbitrary) = (pool(Pooling::Paired, Random), pool(Pooling::Arbitrary, Random));
    chains.extend([
        vec![down, with(Random)],
        vec![with(Random), down],
        vec![paired, arbitrary],
        vec![arbitrary, paired],
        vec![arbitrary, arbitrary],
        vec![with(Random), arbitrary],
        vec![arbitrary, with(Random)],
        vec![block(48), with(Random)],
        vec![with(Random), block(48)],
        vec![block(64), block(48)],
        vec![narrow, with(Random)],
        vec![with(Random), narrow],
        vec![with(Random), with(Preserving), with(Sequential)],
        vec![with(Preserving), with(Sequential), with(Random)],
    ]);
    let name = |b: &Behavior| {
        let Behavior { ports, port_step, port_block, port_range, addresses, pooling, .. } = b;
        format!("{ports:?} {port_step} {port_block:?} {port_range} {addresses} {pooling:?}")
    };
    let declared = |b: Behavior| Declared { name: name(&b), behavior: b, forwards: vec![] };
    let subjects = chains.into_iter().map(|c| Subject::chain(c.into_iter().map(declared).collect()));
    each_is_told_from_every_other(&subjects.collect::<Vec<_>>(), home);
}

/// A port is reached from outside only where every gateway forwards it; and each gateway's own are told apart.
pub fn chains_are_told_by_forwards(home: &Path) {
    let behavior = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    let forward = |protocol, port, host, inside| Inward { protocol, port, host, inside };
    let (udp, tcp) = (Transport::Udp, Transport::Tcp);
    let declared =
        |name: &str, forwards: &[Inward]| Declared { name: name.into(), behavior, forwards: forwards.to_vec() };
    let subject = |name: &str, outer: &[Inward], inner: &[Inward]| {
        let chain = Subject::chain(vec![declared("carrier", outer), declared("home", inner)]);
        Subject { name: name.to_owned(), ..chain }
    };
    let (out, out_tcp) = (forward(udp, 7000, 0, 7001), forward(tcp, 8080, 0, 8081));
    let (within, within_tcp) = (forward(udp, 7001, 1, 7002), forward(tcp, 8081, 0, 80));
    let elsewhere = forward(udp, 7005, 1, 7002);
    let subjects = [
        subject("none", &[], &[]),
        subject("both", &[out, out_tcp], &[within, within_tcp]),
        subject("udp through both", &[out], &[within]),
        subject("tcp through both", &[out_tcp], &[within_tcp]),
        subject("carrier alone", &[out, out_tcp], &[]),
        subject("home alone", &[], &[within, within_tcp]),
        subject("past each other", &[out], &[elsewhere]),
    ];
    let led = |s: &Subject| s.inward().iter().filter(|way| way.to.is_some()).count();
    assert_eq!(subjects.iter().map(led).collect::<Vec<_>>(), [0, 2, 1, 1, 0, 0, 0]);
    each_is_told_from_every_other(&subjects, home);
}

pub fn forwards_are_found_and_missed(home: &Path) {
    let behavior = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    assert_eq!(behavior.translation, Translation::Napt);
    let forward = |protocol, port, host, inside| Inward { protocol, port, host, inside };
    let forwards = vec![forward(Transport::Udp, 7000, 0, 7001), forward(Transport::Tcp, 8080, 1, 80)];
    let with = Subject::alone(Declared { name: "with".into(), behavior, forwards });
    let without = with.without_forwards();
    let seen = observations(&[with.clone(), without], home);
    let own = judge(&with, &seen[0]);
    assert_eq!(own.conclusion, Conclusion::AsDeclared, "{:?}", trouble(&own));
    // One that is declared and not there.
    let mut more = with.clone();
    more.gateways[0].forwards.push(forward(Transport::Udp, 7002, 0, 7003));
    assert_eq!(judge(&more, &seen[0]).conclusion, Conclusion::Different);
}
