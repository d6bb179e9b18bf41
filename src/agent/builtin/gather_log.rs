//! webrtc-ice and turn tell gathering failures to the `log` crate only: this sink writes their records to stderr and turns
//! the failures into `candidate_error` events.

use std::collections::HashSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};
use webrtc_ice::url::{SchemeType, Url};

use super::output::Output;
use crate::protocol::AgentEvent;

/// Where the library says why a candidate is missing.
const TARGET: &str = "webrtc_ice::agent::agent_gather";
/// W3C `icecandidateerror`: no answer from the server.
const UNREACHABLE: u32 = 701;
/// Distinct warnings kept apart; the library repeats some of them at each tick.
const MOST_WARNINGS: usize = 256;

/// A server as natlab and the library name it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// As `configure` gave it.
    pub(super) given: String,
    /// As the library got it.
    pub(super) url: Url,
    /// Of a shim: set when it has told the failure itself, in better words.
    pub(super) shim: Option<Arc<AtomicBool>>,
    /// That it gave no reflexive address has been told. Two servers may be one URL to the library.
    reported: bool,
}

impl Named {
    /// A server; `shim` when the URL is a shim's.
    pub(super) fn new(given: &str, url: Url, shim: Option<Arc<AtomicBool>>) -> Named {
        Named { given: given.to_owned(), url, shim, reported: false }
    }
}

/// The sink.
pub(super) struct GatherLog {
    output: Output,
    verbose: bool,
    closing: AtomicBool,
    servers: Mutex<Vec<Named>>,
    seen: Mutex<HashSet<String>>,
}

impl GatherLog {
    /// Makes it the process's logger; `verbose` (`NATLAB_AGENT_LOG`) writes debug records too, and repeated ones.
    pub(super) fn install(output: Output, verbose: bool) -> Arc<GatherLog> {
        let log = Arc::new(GatherLog {
            output,
            verbose,
            closing: AtomicBool::new(false),
            servers: Mutex::default(),
            seen: Mutex::default(),
        });
        // A second agent in one process (tests) keeps the first one's logger: stderr only, which is all it would lose.
        if log::set_boxed_logger(Box::new(Arc::clone(&log))).is_ok() {
            log::set_max_level(if verbose { LevelFilter::Debug } else { LevelFilter::Warn });
        }
        log
    }

    /// Tells it what the library was given.
    pub(super) fn name_servers(&self, servers: Vec<Named>) {
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers;
    }

    /// The agent is closing: the library now warns of each remote candidate, which has nothing to be closed.
    pub(super) fn expect_closing(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Whether this text is to be written: always when verbose, otherwise once.
    fn is_news(&self, text: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.verbose || (seen.len() < MOST_WARNINGS && seen.insert(text.to_owned()))
    }
}

impl Log for GatherLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.verbose || (metadata.level() <= Level::Warn && !self.closing.load(Ordering::SeqCst))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        let mut meaning = Meaning::Other;
        if record.target() == TARGET && record.level() <= Level::Warn {
            meaning = read(&text, &mut self.servers.lock().unwrap_or_else(PoisonError::into_inner));
        }
        if (self.verbose || meaning != Meaning::Told) && self.is_news(&text) {
            let line = format!("{} {}: {}\n", record.level(), record.target(), text.trim());
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        }
        if let Meaning::Failure(event) = meaning {
            self.output.event(&event);
        }
    }

    fn flush(&self) {}
}

/// What a record of [`TARGET`] says.
#[derive(Debug, PartialEq)]
enum Meaning {
    /// A server gave no candidate.
    Failure(Box<AgentEvent>),
    /// The shim has said so in better words, or it is the shim's own doing.
    Told,
    /// About no server.
    Other,
}

fn read(text: &str, servers: &mut [Named]) -> Meaning {
    find(text, servers).unwrap_or(Meaning::Other)
}

fn find(text: &str, servers: &mut [Named]) -> Option<Meaning> {
    let text = text.trim();
    // `[controlling]: …`; one of the messages lacks the space.
    let text = text.split_once("]:").filter(|_| text.starts_with('[')).map_or(text, |(_, rest)| rest.trim_start());
    let event = |server: &Named, code, message: &str| {
        Some(Meaning::Failure(Box::new(AgentEvent::CandidateError {
            url: server.given.clone(),
            code,
            message: message.to_owned(),
        })))
    };
    if let Some(rest) = text.strip_prefix("could not get server reflexive address ") {
        let (_network, rest) = rest.split_once(' ')?;
        let (url, reason) = rest.split_once(": ")?;
        // The library asks each once, so the failures of one URL belong to its servers in turn.
        let mut same = servers.iter_mut().filter(|s| s.url.to_string() == url);
        let server = same.find(|s| !s.reported)?;
        server.reported = true;
        if server.shim.is_some() {
            return Some(Meaning::Told); // never asked for one: the address of the shim's own socket is no candidate
        }
        return event(server, UNREACHABLE, &format!("no reflexive address: {}", plain(reason)));
    }
    if let Some(rest) = text.strip_prefix("failed to resolve stun host: ") {
        let (server, reason) = servers.iter().find_map(|s| Some((s, rest.strip_prefix(&host_port(&s.url))?)))?;
        return event(server, UNREACHABLE, &format!("name not resolved{reason}"));
    }
    for start in
        ["Failed to allocate on turn.Client ", "Failed to build new turn.Client ", "Failed to listen on turn.Client "]
    {
        let Some(rest) = text.strip_prefix(start) else { continue };
        let is_turn = |s: &&Named| s.url.scheme == SchemeType::Turn;
        let (server, reason) =
            servers.iter().filter(is_turn).find_map(|s| Some((s, rest.strip_prefix(&host_port(&s.url))?)))?;
        if server.shim.as_ref().is_some_and(|told| told.load(Ordering::SeqCst)) {
            return Some(Meaning::Told);
        }
        return event(server, error_code(reason).unwrap_or(UNREACHABLE), &format!("no relay: {}", plain(reason)));
    }
    None
}

/// As the library writes it in front of its reason, with the space that follows.
fn host_port(url: &Url) -> String {
    format!("{}:{}", url.host, url.port)
}

/// `… (error 401: Unauthorized)`: the number.
fn error_code(reason: &str) -> Option<u32> {
    reason.split_once("(error ")?.1.split_once(':')?.0.trim().parse().ok()
}

/// What the library's words mean, where they mislead.
fn plain(reason: &str) -> String {
    match reason.trim() {
        "deadline has elapsed" => "no answer within 5 s".to_owned(),
        // The client takes a transaction without any answer for an answer without attributes.
        "attribute not found" => "no answer, or one without the expected attributes".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn servers() -> Vec<Named> {
        let named = |given: &str, url: &str, shim: Option<bool>| {
            Named::new(given, Url::parse_url(url).unwrap(), shim.map(|told| Arc::new(AtomicBool::new(told))))
        };
        vec![
            named("stun:192.0.2.1", "stun:192.0.2.1", None),
            named("turn:192.0.2.1", "turn:192.0.2.1", None),
            named("turn:192.0.2.9?transport=tcp", "turn:127.0.0.1:5001", Some(false)),
            named("turn:192.0.2.8?transport=tcp", "turn:127.0.0.1:5002", Some(true)),
        ]
    }

    fn failure(url: &str, code: u32, message: &str) -> Meaning {
        Meaning::Failure(Box::new(AgentEvent::CandidateError {
            url: url.to_owned(),
            code,
            message: message.to_owned(),
        }))
    }

    fn read(text: &str) -> Meaning {
        super::read(text, &mut servers())
    }

    // The texts are those of webrtc-ice 0.17.2, `src/agent/agent_gather.rs`.
    #[test]
    fn a_silent_stun_server_is_unreachable() {
        let text =
            "[controlling]: could not get server reflexive address udp4 stun:192.0.2.1:3478: deadline has elapsed";
        assert_eq!(read(text), failure("stun:192.0.2.1", 701, "no reflexive address: no answer within 5 s"));
    }

    /// A TURN server behind a shim is asked for a reflexive address as a STUN server, which another URL may name as well.
    #[test]
    fn failures_of_one_url_belong_to_its_servers_in_turn() {
        let url = |url| Url::parse_url(url).unwrap();
        let mut servers = [
            Named::new("stun:192.0.2.1", url("stun:192.0.2.1"), None),
            Named::new("turn:192.0.2.1", url("stun:192.0.2.1"), None),
        ];
        let text =
            "[controlling]: could not get server reflexive address udp4 stun:192.0.2.1:3478: deadline has elapsed";
        for given in ["stun:192.0.2.1", "turn:192.0.2.1"] {
            let expected = failure(given, 701, "no reflexive address: no answer within 5 s");
            assert_eq!(super::read(text, &mut servers), expected);
        }
        assert_eq!(super::read(text, &mut servers), Meaning::Other, "nobody else was asked");
    }

    #[test]
    fn a_turn_server_that_refuses_gives_its_code() {
        let text = "[controlled]: Failed to allocate on turn.Client 192.0.2.1:3478 Allocate error response (error 401: Unauthorized)";
        assert_eq!(
            read(text),
            failure("turn:192.0.2.1", 401, "no relay: Allocate error response (error 401: Unauthorized)")
        );
        let silent = "[controlled]: Failed to allocate on turn.Client 192.0.2.1:3478 attribute not found";
        assert_eq!(
            read(silent),
            failure("turn:192.0.2.1", 701, "no relay: no answer, or one without the expected attributes")
        );
    }

    #[test]
    fn servers_behind_the_shim_go_by_their_own_names_and_are_told_once() {
        let refused = |port| {
            format!(
                "[controlling]: Failed to allocate on turn.Client 127.0.0.1:{port} Allocate error response (error 400: Bad)"
            )
        };
        assert_eq!(
            read(&refused(5001)),
            failure("turn:192.0.2.9?transport=tcp", 400, "no relay: Allocate error response (error 400: Bad)")
        );
        assert_eq!(read(&refused(5002)), Meaning::Told, "the shim has said why already");
        let srflx = "[controlling]: could not get server reflexive address udp4 turn:127.0.0.1:5001?transport=udp: attribute not found";
        assert_eq!(read(srflx), Meaning::Told);
    }

    #[test]
    fn records_about_no_server_are_no_candidate_errors() {
        for text in [
            "[controlling]: could not listen udp 192.0.2.7: Cannot assign requested address (os error 99)",
            "[controlling]: could not get server reflexive address udp4 stun:198.51.100.1:3478: deadline has elapsed",
            "nonsense",
            "",
        ] {
            assert_eq!(read(text), Meaning::Other, "{text}");
        }
    }
}
