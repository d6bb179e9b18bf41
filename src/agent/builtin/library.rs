//! webrtc-ice's words to the protocol's, and its callbacks to events.

use std::sync::Arc;

use tokio::sync::watch;
use webrtc_ice::agent::Agent;
use webrtc_ice::candidate::candidate_base::unmarshal_candidate;
use webrtc_ice::candidate::{self, Candidate};
use webrtc_ice::state::ConnectionState;

use super::input::refusal;
use super::output::Output;
use super::servers::Shims;
use crate::ice::{self, CandidateType, IceRole};
use crate::net::Transport;
use crate::protocol::{AgentEvent, GatheringState, IceState, Pair, PairEnd, Refusal};

/// A candidate as the library shares it.
pub(super) type Shared = Arc<dyn Candidate + Send + Sync>;

/// Lets the library's callbacks become events; the watch turns true when it says that it is closed. A relay candidate that has
/// been written is told to its shim.
pub(super) fn report(agent: &Agent, ice_role: IceRole, shims: Arc<Shims>, output: &Output) -> watch::Receiver<bool> {
    let (closing, closed) = watch::channel(false);
    let out = output.clone();
    agent.on_connection_state_change(Box::new(move |state| {
        if let Some(state) = ice_state(state) {
            out.event(&AgentEvent::State { ice: Some(state), connection: None });
            let _ = closing.send(state == IceState::Closed);
        }
        Box::pin(async {})
    }));
    let out = output.clone();
    agent.on_candidate(Box::new(move |candidate| {
        let Some(candidate) = candidate else {
            out.event(&AgentEvent::Gathering { state: GatheringState::Complete });
            out.event(&candidate_event(String::new()));
            return Box::pin(async {});
        };
        let line = format!("candidate:{}", candidate.marshal());
        match relay_client(&*candidate) {
            Some(client) => {
                let shims = Arc::clone(&shims);
                let line = shims.with_local_port(line, client);
                out.event_then(&candidate_event(line), move || shims.candidate_is_out(client));
            }
            None => out.event(&candidate_event(line)),
        }
        Box::pin(async {})
    }));
    let out = output.clone();
    agent.on_selected_candidate_pair_change(Box::new(move |local, remote| {
        if let Some(pair) = pair(&**local, &**remote, ice_role, "event") {
            out.event(&AgentEvent::Pair(pair));
        }
        Box::pin(async {})
    }));
    closed
}

fn candidate_event(candidate: String) -> AgentEvent {
    AgentEvent::Candidate { candidate, sdp_mid: Some("0".to_owned()), sdp_mline_index: Some(0) }
}

/// The port of the library's socket towards its TURN server, of a relay candidate: the library gives it as the related port.
fn relay_client(candidate: &dyn Candidate) -> Option<u16> {
    let relayed = candidate.candidate_type() == candidate::CandidateType::Relay;
    candidate.related_address().filter(|_| relayed).map(|related| related.port)
}

/// A candidate line for the library.
pub(super) fn remote_candidate(line: &str) -> Result<Shared, Refusal> {
    let bad = |message: String| refusal("bad_candidate", message);
    // The library does not look at `typ` and some other words; say what is wrong before it guesses.
    ice::Candidate::parse(line).map_err(|e| bad(e.to_string()))?;
    let text = line.trim();
    let text = text.strip_prefix("a=").unwrap_or(text);
    let text = text.strip_prefix("candidate:").unwrap_or(text);
    Ok(Arc::new(unmarshal_candidate(text).map_err(|e| bad(format!("{e}: {line}")))?))
}

/// A pair for the protocol; `None` where the library leaves a type open, which it never does for a selected pair.
pub(super) fn pair(local: &dyn Candidate, remote: &dyn Candidate, ice_role: IceRole, source: &str) -> Option<Pair> {
    Some(Pair { local: end(local)?, remote: end(remote)?, ice_role: Some(ice_role), source: Some(source.to_owned()) })
}

fn end(of: &dyn Candidate) -> Option<PairEnd> {
    let kind = match of.candidate_type() {
        candidate::CandidateType::Host => CandidateType::Host,
        candidate::CandidateType::ServerReflexive => CandidateType::ServerReflexive,
        candidate::CandidateType::PeerReflexive => CandidateType::PeerReflexive,
        candidate::CandidateType::Relay => CandidateType::Relayed,
        candidate::CandidateType::Unspecified => return None,
    };
    let protocol = if of.network_type().is_tcp() { Transport::Tcp } else { Transport::Udp };
    Some(PairEnd { kind, address: of.address(), port: of.port(), protocol })
}

fn ice_state(state: ConnectionState) -> Option<IceState> {
    Some(match state {
        ConnectionState::Unspecified => return None,
        ConnectionState::New => IceState::New,
        ConnectionState::Checking => IceState::Checking,
        ConnectionState::Connected => IceState::Connected,
        ConnectionState::Completed => IceState::Completed,
        ConnectionState::Failed => IceState::Failed,
        ConnectionState::Disconnected => IceState::Disconnected,
        ConnectionState::Closed => IceState::Closed,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn candidates_of_other_stacks_are_read_and_nonsense_is_refused() {
        for line in [
            "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host generation 0 ufrag abcd network-cost 999",
            "a=candidate:2 1 UDP 1694498815 203.0.113.21 52600 typ srflx raddr 10.0.0.1 rport 52600",
            "candidate:3 1 udp 16777215 203.0.113.10 50000 typ relay raddr 0.0.0.0 rport 0",
        ] {
            assert!(remote_candidate(line).is_ok(), "{line}");
        }
        for line in
            ["candidate:1 1 udp 1 192.0.2.1 5000 xyz host", "candidate:1 1 udp 1 name.invalid 5000 typ host", "x"]
        {
            let refused = remote_candidate(line).err().unwrap();
            assert_eq!(refused.code, "bad_candidate", "{line}");
        }
    }

    #[test]
    fn a_pair_names_both_ends_as_the_library_does() {
        let host = remote_candidate("candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host").unwrap();
        let relay =
            remote_candidate("candidate:3 1 udp 16777215 203.0.113.10 50000 typ relay raddr 0.0.0.0 rport 0").unwrap();
        let pair = pair(&*host, &*relay, IceRole::Controlled, "stats").unwrap();
        assert_eq!(
            (pair.local.kind, pair.local.address.as_str(), pair.local.port),
            (CandidateType::Host, "192.0.2.1", 5000)
        );
        assert_eq!((pair.remote.kind, pair.remote.protocol), (CandidateType::Relayed, Transport::Udp));
    }
}
