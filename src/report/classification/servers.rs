//! Who was asked, and how each answered over UDP, TCP and TLS.

use crate::classification::{Classification, Reachability, Reached, Secured, Server, ServerRole};
use crate::report::human::page::Page;
use crate::report::human::paint::Tone;
use crate::report::human::table::{Cell, Column, Table};
use crate::report::human::words::duration;

/// A table with a row per server, and below it what is wrong with them.
pub(super) fn show(page: &mut Page, all: &Classification) {
    if all.servers.is_empty() {
        return;
    }
    let mut table = Table::new([
        Column::text(&["server"]),
        Column::text(&["address"]).fold(1, "at"),
        Column::text(&["use"]),
        Column::number(&["round", "trip"]),
        Column::text(&["TCP"]).fold(3, "TCP"),
        Column::text(&["TLS"]).fold(2, "TLS"),
    ]);
    for server in &all.servers {
        let (role, tone) = match server.role {
            ServerRole::Behavior => ("RFC 5780", Tone::Good),
            ServerRole::Ordinary => ("STUN", Tone::Plain),
            ServerRole::Relay => ("relay", Tone::Plain),
            ServerRole::Unusable => ("none", Tone::Bad),
        };
        table.row(vec![
            Cell::of(&server.name),
            Cell::maybe(server.address.map(|a| a.to_string())),
            Cell::of(role).tone(tone),
            Cell::maybe(server.round_trip_ms.map(duration)),
            streams(all, server, Secured::Tcp),
            streams(all, server, Secured::Tls),
        ]);
    }
    page.table(0, &table.without_empty_columns());
    let troubled: Vec<&Server> = all.servers.iter().filter(|s| !s.problems.is_empty()).collect();
    if !troubled.is_empty() {
        page.blank();
    }
    for server in troubled {
        for problem in &server.problems {
            page.headline(0, Tone::Doubt, &format!("{}:", server.name), problem);
        }
    }
}

/// The best of what was tried over this carrier: `443 answers`.
fn streams(all: &Classification, server: &Server, over: Secured) -> Cell {
    let tried = all.families.iter().flat_map(|f| &f.tcp.reachability);
    let same = |r: &&Reachability| r.over == over && server.address.is_some_and(|a| a.ip() == r.at.ip());
    let mut tried: Vec<&Reachability> = tried.filter(same).collect();
    // Over TCP its own port alone; TLS has ports of its own.
    if over == Secured::Tcp {
        tried.retain(|r| Some(r.at) == server.address);
    }
    let rank = |r: &&Reachability| match r.reached {
        Reached::Answers => 0,
        Reached::Connects => 1,
        Reached::Unreachable => 2,
    };
    match tried.into_iter().min_by_key(rank) {
        None => Cell::none(),
        Some(r) => match r.reached {
            Reached::Answers => Cell::of(format!("{} answers", r.at.port())).tone(Tone::Good),
            Reached::Connects => Cell::of(format!("{} connects", r.at.port())),
            Reached::Unreachable => Cell::of("no").tone(Tone::Doubt),
        },
    }
}
