//! The servers as the library sees them: shims in the place of TURN servers where something must stand between.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use webrtc_ice::url::{ProtoType, SchemeType, Url};

use super::configure::{Server, Settings, Timers};
use super::gather_log::Named;
use super::output::Output;
use crate::agent::turn_shim::{self, Shim};
use crate::ice::CandidatePolicy;
use crate::net::Transport;
use crate::protocol::AgentEvent;

/// No shim could be made.
#[derive(Debug, thiserror::Error)]
#[error("no loopback socket for {server}: {source}")]
pub(super) struct NoShim {
    server: String,
    source: io::Error,
}

/// Every shim of an agent.
#[derive(Debug, Default)]
pub(super) struct Shims(Vec<Shim>);

impl Shims {
    /// The candidate of the library's TURN client on this port has been written.
    pub(super) fn candidate_is_out(&self, client_port: u16) {
        self.0.iter().for_each(|shim| shim.candidate_is_out(client_port));
    }

    /// The candidate line, with the port that the TURN server is asked from instead of the library's own behind the shim.
    pub(super) fn with_local_port(&self, line: String, client_port: u16) -> String {
        let local = self.0.iter().find_map(|shim| shim.local_port(client_port));
        match (local, line.strip_suffix(&format!(" rport {client_port}"))) {
            (Some(local), Some(start)) => format!("{start} rport {local}"),
            _ => line,
        }
    }

    /// Ends them all, when the library has said its last word to its servers.
    pub(super) async fn end(&self) {
        for shim in &self.0 {
            shim.end().await;
        }
    }
}

/// The servers for the library, by their names, and the shims that stand for some of them.
pub(super) fn place(settings: &Settings, output: &Output) -> Result<(Vec<Named>, Shims), NoShim> {
    let relays = matches!(settings.policy, CandidatePolicy::All | CandidatePolicy::Relay);
    let reflexive = matches!(settings.policy, CandidatePolicy::All | CandidatePolicy::Srflx);
    let (mut named, mut shims) = (Vec::new(), Shims::default());
    for server in &settings.servers {
        let Some(transport) = shimmed(server, &settings.timers).filter(|t| relays || *t == Transport::Tcp) else {
            named.push(Named::new(&server.given, server.url.clone(), None));
            continue;
        };
        // The library asks each TURN URL for a server-reflexive candidate too, which it cannot get through a shim: it asks the
        // server itself, as a STUN server. Over TCP there is none to be had.
        if reflexive && transport == Transport::Udp {
            named.push(Named::new(&server.given, as_stun(&server.url), None));
        }
        if relays {
            let (shim, told) = start(server, transport, settings, output)?;
            named.push(Named::new(&server.given, at(&server.url, &shim), Some(told)));
            shims.0.push(shim);
        }
    }
    Ok((named, shims))
}

/// The transport that a server is reached over through a shim; `None` where the library speaks to it itself.
fn shimmed(server: &Server, timers: &Timers) -> Option<Transport> {
    match (server.url.scheme, server.url.proto) {
        // The library refuses TURN over TCP (`agent_gather.rs`: "Unable to handle URL").
        (SchemeType::Turn, ProtoType::Tcp) => Some(Transport::Tcp),
        (SchemeType::Turn, _) if timers.relay_hold_ms > 0 => Some(Transport::Udp),
        _ => None,
    }
}

/// A shim, and whether it has told a failure.
fn start(
    server: &Server,
    transport: Transport,
    settings: &Settings,
    output: &Output,
) -> Result<(Shim, Arc<AtomicBool>), NoShim> {
    let (told, output, given) = (Arc::new(AtomicBool::new(false)), output.clone(), server.given.clone());
    let telling = Arc::clone(&told);
    let on_failure = move |reason: String| {
        telling.store(true, Ordering::SeqCst);
        output.event(&AgentEvent::CandidateError { url: given.clone(), code: 701, message: reason });
    };
    let shim = Shim::start(turn_shim::Settings {
        server: format!("{}:{}", server.url.host, server.url.port),
        transport,
        hold: Duration::from_millis(settings.timers.relay_hold_ms),
        on_failure: Box::new(on_failure),
    });
    Ok((shim.map_err(|source| NoShim { server: server.given.clone(), source })?, told))
}

/// The same server as a STUN server.
fn as_stun(url: &Url) -> Url {
    Url { scheme: SchemeType::Stun, username: String::new(), password: String::new(), ..url.clone() }
}

/// The same TURN server at a shim's endpoint, which speaks UDP.
fn at(url: &Url, shim: &Shim) -> Url {
    let endpoint = shim.endpoint();
    Url { host: endpoint.ip().to_string(), port: endpoint.port(), proto: ProtoType::Udp, ..url.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::agent::builtin::{configure, output};

    /// What the library is given, shims as such: `SCHEME SERVER`.
    fn placed(profile: &str, policy: &str) -> Vec<String> {
        let raw = json!({
            "cmd": "configure", "id": 1, "role": "answerer", "policy": policy, "trickle": true,
            "timers": {"profile": profile},
            "ice_servers": [
                {"urls": ["stun:192.0.2.1"]},
                {"urls": ["turn:192.0.2.2", "turn:192.0.2.3?transport=tcp"], "username": "u", "credential": "p"},
            ],
        });
        let settings =
            configure::settings(&serde_json::from_value(raw.clone()).unwrap(), raw.as_object().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (output, _) = output::start(io::sink());
        let (named, shims) = runtime.block_on(async { place(&settings, &output).unwrap() });
        let endpoints: Vec<_> = shims.0.iter().map(|shim| shim.endpoint().port()).collect();
        let name = |named: &Named| {
            let is_shim = named.url.host == "127.0.0.1" && endpoints.contains(&named.url.port);
            assert_eq!(is_shim, named.shim.is_some(), "{named:?}");
            format!("{} {}", named.url.scheme, if is_shim { "shim" } else { &named.url.host })
        };
        named.iter().map(name).collect()
    }

    #[test]
    fn lab_timers_put_a_shim_before_every_turn_server_and_ask_it_for_srflx_all_the_same() {
        let all = ["stun 192.0.2.1", "stun 192.0.2.2", "turn shim", "turn shim"];
        assert_eq!(placed("lab", "all"), all);
        assert_eq!(placed("lab", "relay"), ["stun 192.0.2.1", "turn shim", "turn shim"]);
        assert_eq!(placed("lab", "srflx"), ["stun 192.0.2.1", "turn 192.0.2.2"]);
        assert_eq!(placed("lab", "host"), ["stun 192.0.2.1", "turn 192.0.2.2"]);
    }

    #[test]
    fn stock_timers_leave_turn_over_udp_to_the_library() {
        assert_eq!(placed("stock", "all"), ["stun 192.0.2.1", "turn 192.0.2.2", "turn shim"]);
        assert_eq!(placed("stock", "srflx"), ["stun 192.0.2.1", "turn 192.0.2.2"]);
    }

    #[test]
    fn a_line_that_no_shim_knows_stays_as_it_is() {
        let line = "candidate:1 1 udp 1 192.0.2.9 5000 typ relay raddr 0.0.0.0 rport 4000";
        assert_eq!(Shims::default().with_local_port(line.to_owned(), 4000), line);
    }
}
