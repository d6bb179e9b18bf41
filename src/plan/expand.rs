//! A scenario becomes its trials.

use super::address::assign;
use super::topology::{measurements, topology};
use super::tree::Tree;
use super::{Deadlines, Expectation, ExpectedOutcome, IceSettings, PlanProblem, Server, Trial, seed, situation};
use crate::oracle::predict;
use crate::scenario::Scenario;

/// From `offer` to both sides connected where a direct path is predicted: the slowest ordinary success measured with
/// any agent took 6.4 s.
const CONNECT_DIRECT_MS: u64 = 15_000;
/// Likewise for anything else; many agents wait for a direct path before they accept a relayed one.
const CONNECT_OTHERWISE_MS: u64 = 20_000;
/// From start to `hello`; browsers take seconds.
const HELLO_MS: u64 = 30_000;
/// From connected to data both ways.
const DATA_MS: u64 = 3_000;
/// TURN realm of every server.
const REALM: &str = "natlab";

/// Every trial of a scenario, in the order they run: each repeat in each of its offer directions. Nothing is returned
/// when anything is wrong, and everything that is wrong is returned.
pub fn trials(scenario: &Scenario) -> Result<Vec<Trial>, Vec<PlanProblem>> {
    let tree = Tree::of(scenario)?;
    let addressing = assign(scenario, &tree)?;
    let peers = situation::peers(scenario, &tree, &addressing)?;
    let measurements = measurements(&tree);
    let servers = servers(scenario, &addressing);
    let mut trials = Vec::new();
    let mut problems = Vec::new();
    for repeat in 1..=scenario.repeats {
        // Both offer directions of a repeat share their seed: they differ in who offers and in nothing else.
        let trial_seed = seed::derive(scenario.seed, &format!("repeat {repeat}"));
        for offerer in &scenario.offerers {
            let Some(answerer) = scenario.peers.iter().map(|p| &p.name).find(|name| *name != offerer) else { continue };
            let prediction = predict(&situation::situation(scenario, &tree, offerer, answerer));
            let expectation = expectation(scenario, offerer);
            let stated = expectation.as_ref().is_some_and(|e| !e.outcome.is_empty());
            if prediction.is_unpredicted() && !stated {
                if repeat == 1 {
                    let reason = prediction.reasons.join("; ");
                    problems.push(PlanProblem::Unpredicted { offerer: offerer.clone(), reason });
                }
                continue;
            }
            let direct = prediction.outcomes == [ExpectedOutcome::Direct];
            let connect = if direct { CONNECT_DIRECT_MS } else { CONNECT_OTHERWISE_MS } + scenario.ice.answer_delay_ms;
            let suffix = if repeat == 1 { String::new() } else { format!("#{repeat}") };
            trials.push(Trial {
                id: format!("{}/{offerer}-offers{suffix}", scenario.name),
                scenario: scenario.name.clone(),
                description: scenario.description.clone(),
                offerer: offerer.clone(),
                answerer: answerer.clone(),
                repeat,
                seed: trial_seed,
                topology: topology(scenario, &tree, &addressing, trial_seed),
                measurements: measurements.clone(),
                servers: servers.clone(),
                peers: peers.clone(),
                ice: IceSettings {
                    gathering: scenario.ice.gathering,
                    timers: scenario.ice.timers,
                    answer_delay_ms: scenario.ice.answer_delay_ms,
                },
                deadlines: Deadlines {
                    connect_ms: scenario.connect_deadline_ms.unwrap_or(connect),
                    hello_ms: scenario.hello_deadline_ms.unwrap_or(HELLO_MS),
                    data_ms: DATA_MS,
                },
                prediction,
                expectation,
                capture: false,
            });
        }
    }
    if problems.is_empty() { Ok(trials) } else { Err(problems) }
}

fn servers(scenario: &Scenario, addressing: &super::address::Addressing) -> Vec<Server> {
    let each = scenario.servers.iter().map(|server| Server {
        node: server.name.clone(),
        kind: server.kind,
        implementation: server.implementation,
        addresses: addressing.of(&server.name).to_vec(),
        port: server.port,
        transports: server.transports.clone(),
        realm: REALM.to_owned(),
        user: server.user.clone(),
        password: server.password.clone(),
    });
    each.collect()
}

/// What the scenario states for an offer direction: what is stated for both, and over it what is stated for this one.
fn expectation(scenario: &Scenario, offerer: &str) -> Option<Expectation> {
    let for_both = scenario.expectations.iter().filter(|e| e.offerer.is_none());
    let for_this = scenario.expectations.iter().filter(|e| e.offerer.as_deref() == Some(offerer));
    for_both.chain(for_this).fold(None, |merged: Option<Expectation>, stated| {
        let mut merged = merged.unwrap_or_default();
        if !stated.outcome.is_empty() {
            merged.outcome.clone_from(&stated.outcome);
        }
        if !stated.local.is_empty() {
            merged.local.clone_from(&stated.local);
        }
        if !stated.remote.is_empty() {
            merged.remote.clone_from(&stated.remote);
        }
        merged.connect_within_ms = stated.connect_within_ms.or(merged.connect_within_ms);
        merged.because = stated.because.clone().or(merged.because);
        Some(merged)
    })
}

#[cfg(test)]
mod tests;
