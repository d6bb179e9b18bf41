//! `[[expect]]`: what it is about, and whether it can come true at all. Pure.

use super::context::Context;
use super::names;
use crate::ice::{CandidatePolicy, CandidateType};
use crate::scenario::ExpectedOutcome;
use crate::scenario::file::{ExpectTable, OneOrMany};
use crate::scenario::{Expect, Peer};

/// Checks every expectation; gives them in the order of the file.
pub fn check(context: &mut Context<'_>, peers: &[Peer], offerers: &[String]) -> Vec<Expect> {
    let tables = &context.file.expect;
    let mut out: Vec<Expect> = Vec::new();
    for (n, table) in tables.iter().enumerate() {
        let n = n.to_string();
        let expect = Expect {
            offerer: table.offerer.clone(),
            outcome: values(context, &n, "outcome", table.outcome.as_ref()),
            local: values(context, &n, "local", table.local.as_ref()),
            remote: values(context, &n, "remote", table.remote.as_ref()),
            connect_within_ms: table.connect_within.map(|d| d.0),
            because: table.because.clone(),
        };
        subject(context, &n, table, offerers, &out);
        // What is stated for both directions holds for each as far as it states nothing else.
        let general = tables.iter().position(|t| t.offerer.is_none()).and_then(|n| out.get(n));
        let outcome = match general {
            Some(general) if expect.outcome.is_empty() => general.outcome.clone(),
            _ => expect.outcome.clone(),
        };
        possible(context, &n, &Expect { outcome, ..expect.clone() }, peers);
        in_time(context, &n, &expect);
        out.push(expect);
    }
    out
}

fn values<T: Copy + PartialEq>(context: &mut Context<'_>, n: &str, key: &str, stated: Option<&OneOrMany<T>>) -> Vec<T> {
    let mut out: Vec<T> = Vec::new();
    for (item, value) in stated.map(OneOrMany::as_slice).unwrap_or_default().iter().enumerate() {
        if out.contains(value) {
            let problem = context.problem(&["expect", n, key, &item.to_string()], "this is named twice");
            context.push(problem);
        } else {
            out.push(*value);
        }
    }
    out
}

/// Which trials it is about, and whether an earlier one is about the same.
fn subject(context: &mut Context<'_>, n: &str, table: &ExpectTable, offerers: &[String], earlier: &[Expect]) {
    let stated =
        table.outcome.is_some() || table.local.is_some() || table.remote.is_some() || table.connect_within.is_some();
    if !stated && context.certain(&["outcome", "local", "remote", "connect-within", "expect"]) {
        let problem = context
            .problem(&["expect", n], "this expectation states nothing that could be compared")
            .help("state `outcome`, `local`, `remote` or `connect-within`");
        context.push(problem);
    }
    if let Some(offerer) = &table.offerer {
        let peers: Vec<&str> = context.peers.iter().map(|(name, _)| *name).collect();
        if !peers.contains(&offerer.as_str()) {
            let problem = names::unknown(context, &["expect", n, "offerer"], "peer", offerer, &peers);
            context.push(problem);
        } else if !offerers.contains(offerer) && context.certain(&["offers"]) && !offerers.is_empty() {
            let problem = context
                .problem(&["expect", n, "offerer"], format!("`{offerer}` never offers"))
                .related(context.places.value(&["offers"]), "those who offer");
            context.push(problem);
        }
    }
    if let Some(first) = earlier.iter().position(|e| e.offerer == table.offerer) {
        let about = table.offerer.as_ref().map_or("any offerer".to_owned(), |o| format!("`{o}` as the offerer"));
        let path = ["expect", n, "offerer"];
        let problem = context
            .problem(&path, format!("a second expectation for {about}"))
            .related(context.places.value(&["expect", &first.to_string(), "offerer"]), "the first one")
            .help("one expectation can hold a list of outcomes and candidate types");
        context.push(problem);
    }
}

/// Whether it can come true.
fn possible(context: &mut Context<'_>, n: &str, expect: &Expect, peers: &[Peer]) {
    use ExpectedOutcome::{Direct, NoPath, Relayed};
    let at_outcome = ["expect", n, "outcome"];
    let only = |outcome| expect.outcome == [outcome];
    let all_relayed = |types: &[CandidateType]| types == [CandidateType::Relayed];
    let none_relayed = |types: &[CandidateType]| {
        !types.is_empty() && types.iter().all(|t| matches!(t, CandidateType::Host | CandidateType::ServerReflexive))
    };
    if only(NoPath) {
        for (key, stated) in [
            ("local", !expect.local.is_empty()),
            ("remote", !expect.remote.is_empty()),
            ("connect-within", expect.connect_within_ms.is_some()),
        ] {
            if stated {
                let problem = context
                    .key_problem(&["expect", n, key], format!("nothing reads `{key}` here"))
                    .label("with `no-path` no pair is selected and nothing connects");
                context.push(problem);
            }
        }
    }
    if only(Direct) && (all_relayed(&expect.local) || all_relayed(&expect.remote)) {
        let key = if all_relayed(&expect.local) { "local" } else { "remote" };
        let problem = context
            .problem(&["expect", n, key], "a pair with a relayed candidate is not direct")
            .related(context.places.value(&at_outcome), "the outcome");
        context.push(problem);
    }
    if only(Relayed) && none_relayed(&expect.local) && none_relayed(&expect.remote) {
        let problem = context
            .problem(&at_outcome, "a relayed path has a relayed or peer-reflexive candidate on one side at least")
            .related(context.places.value(&["expect", n, "local"]), "neither here");
        context.push(problem);
    }
    if only(Relayed) && peers.iter().all(|p| p.turn.is_empty()) && context.certain(&["turn", "server", "type", "peer"])
    {
        let problem = context
            .problem(&at_outcome, "nothing can be relayed: no peer is given a TURN server")
            .help("add `[server.NAME]` with `type = \"turn\"`");
        context.push(problem);
    }
    let policy = |peer: &Peer| peer.policy.unwrap_or(context.file.ice.policy);
    let bound = |wanted| peers.iter().find(|p| policy(p) == wanted);
    if let (true, Some(peer)) = (only(Direct), bound(CandidatePolicy::Relay)) {
        let problem =
            context.problem(&at_outcome, format!("no path is direct: `{}` may use relayed candidates only", peer.name));
        context.push(problem);
    }
    let no_relay = |p: &Peer| matches!(policy(p), CandidatePolicy::Host | CandidatePolicy::Srflx);
    if only(Relayed) && !peers.is_empty() && peers.iter().all(no_relay) {
        let problem =
            context.problem(&at_outcome, "nothing can be relayed: the candidate policy forbids it to both peers");
        context.push(problem);
    }
}

fn in_time(context: &mut Context<'_>, n: &str, expect: &Expect) {
    let Some(within) = expect.connect_within_ms else { return };
    let path = ["expect", n, "connect-within"];
    let problem = if within == 0 {
        context.problem(&path, "nothing connects in no time")
    } else if let Some(deadline) = context.file.deadline.filter(|d| within > d.0) {
        context
            .problem(&path, format!("the trial ends at its deadline of {deadline}"))
            .related(context.places.value(&["deadline"]), "deadline")
    } else if within <= context.file.ice.answer_delay.0 {
        context
            .problem(&path, format!("the answer is held back for {}", context.file.ice.answer_delay))
            .related(context.places.value(&["ice", "answer-delay"]), "answer-delay")
    } else {
        return;
    };
    context.push(problem);
}
