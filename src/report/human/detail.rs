//! Everything about one trial: how it was run, what its gateways did, and both agents.

use super::exchanges;
use super::page::Page;
use super::paint::Tone;
use super::words;
use crate::plan::{AgentProgram, Gathering};
use crate::record::trial::NatRecord;
use crate::record::{AgentRecord, TrialRecord};
use crate::verdict::Verdict;

/// Where texts of labelled lines begin.
const BEGIN: usize = 12;

/// The trial.
pub fn show(page: &mut Page, trial: &TrialRecord) {
    page.blank();
    let (verdict, tone) = words::verdict(trial.verdict);
    page.headline(2, Tone::Strong, &trial.id, &format!("seed {}", trial.seed));
    page.labelled_parts(4, "verdict", BEGIN, tone, &[format!("{verdict}, {}", trial.outcome)]);
    let model = &trial.prediction;
    let what = if model.is_unpredicted() { "no rule".to_owned() } else { words::outcomes(&model.outcomes).join(" ") };
    let racy = if model.racy { " (packet order decides)" } else { "" };
    page.labelled_parts(4, "predicted", BEGIN, Tone::Plain, &[format!("{what}{racy}: {}", model.reasons.join("; "))]);
    if let Some(expected) = expectation(trial) {
        page.labelled_parts(4, "expected", BEGIN, Tone::Plain, &[expected]);
    }
    // Of the others the reasons stand above.
    if trial.verdict == Verdict::Met && trial.diagnoses.is_empty() {
        let reasons: Vec<&str> = trial.reasons.iter().map(|reason| reason.text.as_str()).collect();
        page.labelled_parts(4, "why", BEGIN, Tone::Plain, &[reasons.join("; ")]);
    }
    let gathering = match trial.ice.gathering {
        Gathering::Trickle => "trickle",
        Gathering::Full => "full gathering",
        Gathering::Incomplete => "incomplete gathering",
    };
    let mut how = vec![gathering.to_owned(), format!("{} timers", format!("{:?}", trial.ice.timers).to_lowercase())];
    if trial.ice.answer_delay_ms > 0 {
        how.push(format!("answer held back {}", words::duration(trial.ice.answer_delay_ms as f64)));
    }
    how.push(format!("deadline {}", words::duration(trial.deadlines.connect_ms as f64)));
    page.labelled_parts(4, "ICE", BEGIN, Tone::Plain, &how);
    for nat in &trial.nats {
        gateway(page, nat);
    }
    let losses: Vec<String> = trial.losses.iter().map(words::loss).collect();
    if !losses.is_empty() {
        page.labelled_parts(4, "lost", BEGIN, Tone::Plain, &losses);
    }
    let mut lab = vec![words::count(trial.lab.nodes, "node")];
    lab.extend(trial.lab.build_ms.map(|ms| format!("built in {}", words::duration(ms))));
    lab.push(format!("{} events in {}", trial.lab.events, words::duration(trial.lab.total_ms)));
    page.labelled_parts(4, "lab", BEGIN, Tone::Plain, &lab);
    for note in &trial.notes {
        page.labelled_parts(4, "note", BEGIN, Tone::Plain, std::slice::from_ref(&note.text));
    }
    for agent in &trial.agents {
        side(page, agent);
    }
}

fn expectation(trial: &TrialRecord) -> Option<String> {
    let expectation = trial.expectation.as_ref()?;
    let types =
        |list: &[crate::ice::CandidateType]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let mut parts = Vec::new();
    if !expectation.outcome.is_empty() {
        parts.push(words::outcomes(&expectation.outcome).join(" "));
    }
    if !expectation.local.is_empty() {
        parts.push(format!("local candidate {}", types(&expectation.local)));
    }
    if !expectation.remote.is_empty() {
        parts.push(format!("remote candidate {}", types(&expectation.remote)));
    }
    parts.extend(expectation.connect_within_ms.map(|ms| format!("connected within {}", words::duration(ms as f64))));
    let because = expectation.because.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("{}{because}", parts.join(", ")))
}

fn gateway(page: &mut Page, nat: &NatRecord) {
    let list = |items: Vec<String>| items.join(", ");
    let mut parts = vec![words::behaviour(words::name(nat), &nat.declared)];
    if !nat.external.is_empty() {
        parts.push(format!("external {}", list(nat.external.iter().map(ToString::to_string).collect())));
    }
    if !nat.inside.is_empty() {
        parts.push(format!("inside {}", list(nat.inside.iter().map(ToString::to_string).collect())));
    }
    parts.push(format!("ports {}", words::ports(&nat.declared)));
    parts.push(format!("hairpinning {}", words::hairpinning(nat.declared.hairpinning)));
    parts.push(format!("mappings live {}", words::duration(nat.declared.lifetime_ms as f64)));
    page.labelled_parts(4, &nat.name, BEGIN.max(nat.name.len() + 2), Tone::Plain, &parts);
    let Some(m) = &nat.measurement else { return page.wrapped(6, Tone::Dim, "not measured") };
    for line in m.measured.evidence.iter().chain(&m.measured.undecided).chain(&m.differences) {
        page.wrapped(6, Tone::Dim, line);
    }
}

fn side(page: &mut Page, agent: &AgentRecord) {
    page.blank();
    let mut who = vec![format!("{:?}", agent.offer_role).to_lowercase()];
    who.extend(agent.ice_role.map(|role| format!("{role:?}").to_lowercase()));
    let program = match &agent.program {
        AgentProgram::Builtin(name) => name.clone(),
        AgentProgram::Command(argv) => argv.join(" "),
    };
    who.push(match (&agent.agent, &agent.version) {
        (Some(name), Some(version)) if *name == program => format!("{name} {version}"),
        (Some(name), Some(version)) => format!("{name} {version} ({program})").replace("  ", " "),
        _ => program,
    });
    if let Some(address) = agent.address {
        let behind =
            if agent.behind.is_empty() { String::new() } else { format!(" behind {}", agent.behind.join(", ")) };
        who.push(format!("{address}{behind}"));
    }
    page.headline(4, Tone::Strong, &agent.peer, "");
    page.parts(6, Tone::Plain, &who);
    let given = if agent.ice_servers.is_empty() { "no servers".to_owned() } else { agent.ice_servers.join(", ") };
    page.labelled_parts(
        6,
        "given",
        BEGIN,
        Tone::Plain,
        &[given, format!("{:?} candidates", agent.policy).to_lowercase()],
    );
    let time = |label: &str, ms: Option<f64>| ms.map(|ms| format!("{label} {}", words::duration(ms)));
    let times = [
        time("gathered", agent.gather_ms),
        time("first success", agent.first_success_ms),
        time("connected", agent.connect_ms),
        time("data", agent.data_ms),
    ];
    let times: Vec<String> = times.into_iter().flatten().collect();
    page.labelled_parts(6, "times", BEGIN, Tone::Plain, &times);
    let states = agent.states.iter().map(|s| {
        let at = s.ms.map(|ms| format!(" {}", words::duration(ms))).unwrap_or_default();
        format!("{:?}{at}", s.state).to_lowercase()
    });
    page.labelled_parts(6, "states", BEGIN, Tone::Plain, &states.collect::<Vec<_>>());
    if let Some(pair) = words::selected_pair(agent) {
        let mut parts = vec![pair.join(" ")];
        let changes = agent.selected_candidate_pair_changes;
        parts.extend((changes > 1).then(|| format!("changed {} times", changes - 1)));
        parts.extend(agent.selected_pair.as_ref().and_then(|p| p.source.as_ref()).map(|s| format!("from its {s}")));
        page.labelled_parts(6, "selected", BEGIN, Tone::Plain, &parts);
    }
    let messages = format!("{} sent, {} received", agent.messages_sent, agent.messages_received);
    page.labelled_parts(6, "messages", BEGIN, Tone::Plain, &[messages]);
    if !agent.ignored.is_empty() {
        page.labelled_parts(6, "ignored", BEGIN, Tone::Doubt, &[agent.ignored.join(", ")]);
    }
    for fault in &agent.faults {
        page.labelled_parts(6, "fault", BEGIN, Tone::Bad, std::slice::from_ref(&fault.text));
    }
    exchanges::candidates(page, agent);
    exchanges::servers(page, agent);
    exchanges::checks(page, agent);
    for line in &agent.log_tail {
        page.labelled_parts(6, "log", BEGIN, Tone::Dim, std::slice::from_ref(line));
    }
}
