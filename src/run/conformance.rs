//! Rules are loaded, and what they do is measured from inside before anything counts.
//!
//! Gateways are taken level by level, the outermost first: while a gateway is measured, those further inside have no rules
//! yet, so that the probe sees one more gateway at each level. What the probe left behind in tables is cleared afterwards:
//! a trial begins with gateways as new.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use tokio::task::JoinSet;

use super::recorder::Recorder;
use crate::event::Happened;
use crate::lab::namespace::Sysctl;
use crate::lab::topology::{self, Lab, LabError};
use crate::nat::rules;
use crate::nat::{Filtering, Hairpinning, Measured, UdpPolicy};
use crate::nft::encode::{self, Load};
use crate::plan::{Gateway, Measurement, NodeRole, Topology, Trial};
use crate::probe::{self, Places, SOCKETS, Setup, Timing};
use crate::server::stun::{self, Endpoints, Sockets};

/// Ports of the measuring server.
const SERVER_PORTS: [u16; 2] = [3478, 3479];
/// How long an answer may take: it costs time only where nothing answers at all, and a busy machine must not make a probe
/// give up.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same where nothing is to answer: the counters of the rules bear witness as well.
const PATIENCE_WHEN_BLOCKED: Duration = Duration::from_millis(150);

/// Packets from the own address are accepted.
const ACCEPT_OWN: &str = "net.ipv4.conf.all.accept_local";

/// Loads every gateway's rules and measures what they do; whether all are as declared. Everything is recorded.
pub async fn verify(trial: &Trial, lab: &Lab, recorder: &Recorder) -> bool {
    match measure_all(trial, lab, recorder).await {
        Ok(conforming) => conforming,
        Err(e) => {
            recorder.record(Happened::LabFailed { error: e.to_string() });
            false
        }
    }
}

async fn measure_all(trial: &Trial, lab: &Lab, recorder: &Recorder) -> Result<bool, LabError> {
    let topology = &trial.topology;
    let mut server = JoinSet::new();
    if !trial.measurements.is_empty() {
        let internet = lab.node(Topology::INTERNET)?;
        let [first, second] = topology.measuring;
        let endpoints = Endpoints::new(IpAddr::V4(first), Some(IpAddr::V4(second)), SERVER_PORTS[0], SERVER_PORTS[1]);
        let sockets = internet.run(|| Sockets::bind(endpoints))?.map_err(|e| LabError::Probe(e.to_string()))?;
        // It lives as long as this set.
        server.spawn(stun::serve(sockets, stun::Options::default()));
    }
    let depths: BTreeSet<usize> = trial.measurements.iter().map(|m| m.through.len()).collect();
    let mut conforming = true;
    for depth in depths {
        let level = || trial.measurements.iter().enumerate().filter(|(_, m)| m.through.len() == depth);
        for (_, m) in level() {
            load(lab, topology, &m.nat, Load::Fresh).await?;
        }
        let mut probes = JoinSet::new();
        for (place, m) in level() {
            accept_own(lab, m, true)?;
            let setup = setup(lab, trial, m, probe::ports(place))?;
            probes.spawn(async move { (place, probe::measure(setup).await) });
        }
        while let Some(done) = probes.join_next().await {
            let (place, measured) = done.map_err(|e| LabError::Probe(e.to_string()))?;
            if let Some(m) = trial.measurements.get(place) {
                accept_own(lab, m, false)?;
                conforming &= conclude(lab, m, measured, recorder).await?;
            }
        }
    }
    for m in &trial.measurements {
        load(lab, topology, &m.nat, Load::Replace).await?;
    }
    Ok(conforming)
}

async fn load(lab: &Lab, topology: &Topology, nat: &str, how: Load) -> Result<(), LabError> {
    let gateway = gateway(topology, nat)?;
    let node = lab.node(nat)?;
    topology::load(node, gateway, how).await
}

fn gateway<'a>(topology: &'a Topology, nat: &str) -> Result<&'a Gateway, LabError> {
    let found = topology.node(nat).and_then(|n| n.gateway.as_ref());
    found.ok_or_else(|| LabError::NoSuchNode(nat.to_owned()))
}

/// A host takes a packet from its own address for forged unless told otherwise; a NAT that hairpins with the inside source
/// sends such ones. Only as long as it is measured, and nothing else is sent there.
fn accept_own(lab: &Lab, m: &Measurement, accept: bool) -> Result<(), LabError> {
    if m.declared.hairpinning != Hairpinning::InternalSource {
        return Ok(());
    }
    let value = if accept { "1" } else { "0" };
    let accept = Sysctl { key: ACCEPT_OWN.into(), value: value.into(), optional: false };
    lab.node(&m.from)?.run(|| accept.write())?.map_err(|e| LabError::Probe(e.to_string()))
}

/// Sockets inside, server outside.
fn setup(lab: &Lab, trial: &Trial, m: &Measurement, ports: [u16; SOCKETS]) -> Result<Setup, LabError> {
    let [first, second] = trial.topology.measuring;
    let address = address_of(trial, &m.from)?;
    let bind = || ports.iter().map(|port| UdpSocket::bind(SocketAddrV4::new(address, *port))).collect();
    let sockets: std::io::Result<_> = lab.node(&m.from)?.run(bind)?;
    let sockets = sockets.map_err(|e| LabError::Probe(format!("binding {address} in {}: {e}", m.from)))?;
    let target = Places { primary: (first, SERVER_PORTS[0]).into(), alternate: (second, SERVER_PORTS[1]).into() };
    let patience = match m.declared.udp {
        UdpPolicy::Blocked => PATIENCE_WHEN_BLOCKED,
        UdpPolicy::Allowed => PATIENCE,
    };
    Ok(Setup { sockets, target, timing: Timing::lab().with_patience(patience) })
}

/// The address that a peer, or a gateway inside another one, sends from.
fn address_of(trial: &Trial, node: &str) -> Result<Ipv4Addr, LabError> {
    let missing = || LabError::NoSuchNode(node.to_owned());
    if let Some(peer) = trial.peers.get(node) {
        return Ok(peer.address);
    }
    let node = trial.topology.node(node).filter(|n| n.role == NodeRole::Gateway).ok_or_else(missing)?;
    let wan = node.gateway.as_ref().map(|g| &g.wan);
    let wan = node.interfaces.iter().find(|i| Some(&i.name) == wan).and_then(|i| i.addresses.first());
    wan.map(|a| a.address).ok_or_else(missing)
}

/// Compares, and looks at the counters of the rules: a packet that "did not pass" must have been dropped somewhere.
async fn conclude(lab: &Lab, m: &Measurement, mut measured: Measured, recorder: &Recorder) -> Result<bool, LabError> {
    let mut dropped = 0;
    for nat in &m.through {
        let node = lab.node(nat)?;
        let table = rules::TABLE;
        let counted = encode::drops(&node.nft, table).await.map_err(LabError::rules(nat))?;
        for (rule, packets) in counted.into_iter().filter(|(_, packets)| *packets > 0) {
            dropped += packets;
            measured.evidence.push(format!("{nat}: {packets} packets dropped by \"{rule}\""));
        }
    }
    let mut differences = measured.differences(&m.declared);
    let says_dropped = measured.udp == Some(UdpPolicy::Blocked)
        || measured.filtering.is_some_and(|f| f != Filtering::EndpointIndependent);
    if says_dropped && dropped == 0 {
        differences.push("packets were missing, but no rule dropped any".into());
    }
    let conforming = differences.is_empty();
    recorder.record(Happened::NatMeasured {
        nat: m.nat.clone(),
        from: m.from.clone(),
        declared: m.declared,
        measured,
        differences,
    });
    Ok(conforming)
}
