//! What an agent gathered, what servers answered it, and its connectivity checks: tables of one agent.

use super::page::Page;
use super::paint::Tone;
use super::table::{Cell, Column, Table};
use super::words;
use crate::net::Transport;
use crate::record::agent::{StunRecord, TurnRecord, TurnState};
use crate::record::{AgentRecord, CandidateRecord, PairRecord};
use crate::trace::CheckState;

/// Every candidate it announced.
pub fn candidates(page: &mut Page, agent: &AgentRecord) {
    page.blank();
    if agent.local_candidates.is_empty() {
        page.wrapped(6, Tone::Doubt, "no candidates");
    } else {
        let mut table = Table::new([
            Column::text(&["candidate"]),
            Column::text(&["address"]),
            Column::text(&["related", "address"]).fold(2, "related address"),
            Column::number(&["priority"]).fold(4, "priority"),
            Column::text(&["foundation"]).fold(1, "foundation"),
            Column::number(&["when"]).fold(5, "after"),
            Column::text(&["how"]).fold(3, ""),
        ]);
        for candidate in &agent.local_candidates {
            table.row(candidate_row(candidate));
        }
        page.table(6, &table.without_empty_columns());
    }
    let told = words::count(agent.remote_candidates.len(), "candidate");
    page.wrapped(6, Tone::Dim, &format!("was told {told} of the other side"));
}

fn candidate_row(seen: &CandidateRecord) -> Vec<Cell> {
    let c = &seen.candidate;
    let related = match (&c.related_address, c.related_port) {
        (Some(address), Some(port)) => Some(words::endpoint(address, port)),
        (Some(address), None) => Some(address.clone()),
        _ => None,
    };
    let protocol = if c.protocol == Transport::Udp { String::new() } else { format!("/{}", c.protocol) };
    vec![
        Cell::of(c.kind.to_string()),
        Cell::of(format!("{}{protocol}", words::endpoint(&c.address, c.port))),
        Cell::maybe(related),
        Cell::of(c.priority.to_string()),
        Cell::of(&c.foundation),
        Cell::maybe(seen.ms.map(words::duration)),
        if seen.in_description { Cell::of("in the description") } else { Cell::none() },
    ]
}

/// Where texts of labelled lines begin.
const BEGIN: usize = 12;

/// What STUN and TURN servers answered.
pub fn servers(page: &mut Page, agent: &AgentRecord) {
    page.blank();
    for exchange in &agent.stun {
        page.labelled_parts(6, "STUN", BEGIN, Tone::Plain, &[stun(exchange)]);
    }
    for allocation in &agent.turn {
        page.labelled_parts(6, "TURN", BEGIN, Tone::Plain, &turn(allocation));
    }
    for e in &agent.candidate_errors {
        let at = e.ms.map(|ms| format!(", after {}", words::duration(ms))).unwrap_or_default();
        let text = format!("reported by the agent: {} {} {}{at}", e.url, e.error_code, e.error_text);
        page.labelled_parts(6, "error", BEGIN, Tone::Doubt, &[text]);
    }
}

fn stun(exchange: &StunRecord) -> String {
    let StunRecord { server, transport, local, requests, .. } = exchange;
    let answer = match (exchange.mapped, exchange.took_ms) {
        (Some(mapped), Some(ms)) => format!("mapped address {mapped}, after {}", words::duration(ms)),
        (Some(mapped), None) => format!("mapped address {mapped}"),
        (None, _) if !exchange.errors.is_empty() => format!("refused with {}", codes(&exchange.errors)),
        (None, _) => format!("no answer to {}", words::count(*requests as usize, "request")),
    };
    format!("{server}/{transport} from {local}: {answer}")
}

fn turn(allocation: &TurnRecord) -> Vec<String> {
    let TurnRecord { server, transport, client, requests, .. } = allocation;
    let answer = match (allocation.state, allocation.relayed) {
        (TurnState::Allocated, relayed) => {
            let relayed = relayed.map(|r| format!(" {r}")).unwrap_or_default();
            let at = allocation.allocated_ms.map(|ms| format!(", {} after the offer", words::duration(ms)));
            format!("relayed transport address{relayed}{}", at.unwrap_or_default())
        }
        (TurnState::Refused, _) => format!("allocation refused with {}", codes(&allocation.errors)),
        (TurnState::Unanswered, _) => format!("no answer to {}", words::count(*requests as usize, "request")),
    };
    let mut parts = vec![format!("{server}/{transport} from {client}: {answer}")];
    let further = |what: &str, peers: &[std::net::SocketAddr]| {
        (!peers.is_empty()).then(|| format!("{what} {}", words::endpoints(peers)))
    };
    parts.extend(further("permissions for", &allocation.permitted));
    parts.extend(further("channels to", &allocation.channels));
    let refused = allocation.refused.iter();
    parts.extend(refused.map(|(peer, code)| format!("permission for {peer} refused with {code}")));
    parts
}

fn codes(codes: &[u16]) -> String {
    let mut counted: Vec<(u16, usize)> = Vec::new();
    for code in codes {
        match counted.iter_mut().find(|(same, _)| same == code) {
            Some((_, count)) => *count += 1,
            None => counted.push((*code, 1)),
        }
    }
    let said =
        counted.into_iter().map(|(code, n)| if n > 1 { format!("{code} ({n} times)") } else { code.to_string() });
    said.collect::<Vec<_>>().join(", ")
}

/// Every pair that the wire showed a check on.
pub fn checks(page: &mut Page, agent: &AgentRecord) {
    page.blank();
    if agent.candidate_pairs.is_empty() {
        return page.wrapped(6, Tone::Doubt, "no connectivity checks");
    }
    let mut table = Table::new([
        Column::text(&["pair (from its base)"]),
        Column::text(&["state"]).fold(10, ""),
        Column::number(&["requests", "sent"]).fold(7, "requests sent"),
        Column::number(&["sent", "again"]).fold(3, "sent again"),
        Column::number(&["responses", "received"]).fold(6, "responses received"),
        Column::number(&["requests", "received"]).fold(5, "requests received"),
        Column::number(&["responses", "sent"]).fold(4, "responses sent"),
        Column::number(&["round", "trip"]).fold(9, "round trip"),
        Column::text(&["nominated"]).fold(8, "nominated"),
        Column::text(&["errors"]).fold(2, "errors"),
        Column::text(&["way"]).fold(1, ""),
    ]);
    // The way to one relay stands above.
    let relays = agent.turn.iter().filter(|turn| turn.relayed.is_some()).count();
    let mut pairs: Vec<&PairRecord> = agent.candidate_pairs.iter().collect();
    // What worked first; otherwise in the order of the wire.
    pairs.sort_by_key(|pair| match pair.state {
        _ if pair.selected => 0,
        _ if pair.nominated => 1,
        CheckState::Succeeded => 2,
        CheckState::Waiting | CheckState::InProgress => 3,
        CheckState::Failed => 4,
    });
    for pair in pairs {
        table.row(pair_row(pair, relays));
    }
    page.table(6, &table.without_empty_columns());
}

fn pair_row(pair: &PairRecord, relays: usize) -> Vec<Cell> {
    let local = match pair.local_candidate_type {
        Some(kind) => format!("{kind} {}", pair.local),
        None => pair.local.to_string(),
    };
    let tone = match pair.state {
        CheckState::Succeeded => Tone::Good,
        CheckState::Failed => Tone::Dim,
        CheckState::Waiting | CheckState::InProgress => Tone::Plain,
    };
    let nominated = match (pair.nominated, pair.nominated_ms) {
        (true, Some(ms)) => format!("after {}", words::duration(ms)),
        (true, None) => "yes".to_owned(),
        (false, _) => String::new(),
    };
    let selected = if pair.selected { "selected" } else { "" };
    let mut errors = Vec::new();
    if !pair.errors_received.is_empty() {
        errors.push(format!("{} received", codes(&pair.errors_received)));
    }
    if !pair.errors_sent.is_empty() {
        errors.push(format!("{} sent", codes(&pair.errors_sent)));
    }
    if pair.non_symmetric_responses > 0 {
        errors.push(format!("{} from elsewhere", words::count(pair.non_symmetric_responses as usize, "answer")));
    }
    let or_none = |cell: Cell| if cell == Cell::default() { Cell::none() } else { cell };
    vec![
        Cell::parts([local, format!("→ {} {}", pair.remote_candidate_type, pair.remote)]),
        Cell::of(pair.state.to_string()).tone(tone),
        Cell::count(pair.requests_sent),
        if pair.retransmissions_sent == 0 { Cell::none() } else { Cell::count(pair.retransmissions_sent) },
        Cell::count(pair.responses_received),
        Cell::count(pair.requests_received),
        Cell::count(pair.responses_sent),
        Cell::maybe(pair.current_round_trip_time.map(|seconds| words::duration(seconds * 1000.0))),
        or_none(Cell::parts([nominated.as_str(), selected])),
        or_none(Cell::parts(&errors)),
        Cell::maybe(way(pair, relays)),
    ]
}

/// What stands between both ends: the own relay, or the address that the other side sees.
fn way(pair: &PairRecord, relays: usize) -> Option<String> {
    if let Some(relay) = &pair.relay {
        let way = || format!("through {}/{} from {}", relay.server, relay.transport, relay.client);
        return (relays > 1).then(way);
    }
    pair.mapped.filter(|mapped| *mapped != pair.local).map(|mapped| format!("seen as {mapped}"))
}
