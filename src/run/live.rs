//! What an agent has said so far, as far as the run of a trial depends on it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::protocol::{self, AgentEvent, Hello, IceState, Reply};

/// The running state of one agent.
#[derive(Debug, Default)]
pub struct Live {
    /// Its first line.
    pub hello: Option<Hello>,
    /// Replies by command number.
    pub replies: BTreeMap<u64, Reply>,
    /// Connected or completed at least once, and not lost since.
    pub connected: bool,
    /// Data channel of a full WebRTC agent.
    pub channel_open: bool,
    /// Messages that arrived.
    pub received: Vec<String>,
    /// It cannot go on: its process ended, it flooded, it said so, or it speaks another protocol.
    pub gone: Option<String>,
    /// It said `closed`.
    pub closed: bool,
}

impl Live {
    /// Takes one line; gives it back typed when it is one of the protocol.
    pub fn said(&mut self, message: &Value) -> Option<AgentEvent> {
        let event: AgentEvent = serde_json::from_value(message.clone()).ok()?;
        match &event {
            AgentEvent::Hello(hello) => {
                if hello.protocol != protocol::VERSION {
                    let spoken = hello.protocol;
                    self.gone = Some(format!("speaks protocol {spoken}, natlab speaks {}", protocol::VERSION));
                }
                self.hello = Some(hello.clone());
            }
            AgentEvent::Reply(reply) => {
                self.replies.insert(reply.id, reply.clone());
            }
            AgentEvent::State { ice, connection } => match (ice, connection.as_deref()) {
                (Some(IceState::Connected | IceState::Completed), _) | (None, Some("connected")) => {
                    self.connected = true;
                }
                (Some(IceState::Disconnected | IceState::Failed | IceState::Closed), _) => self.connected = false,
                _ => {}
            },
            AgentEvent::Channel { state } => self.channel_open = state == "open",
            AgentEvent::Data { data } => self.received.push(data.clone()),
            AgentEvent::Error { message, fatal: true, .. } => self.gone = Some(format!("fatal: {message}")),
            AgentEvent::Closed {} => self.closed = true,
            _ => {}
        }
        Some(event)
    }

    /// Whether a message of `node` has arrived whole.
    pub fn has_data_of(&self, node: &str) -> bool {
        self.received
            .iter()
            .any(|d| d.strip_prefix(&format!("natlab {node} ")).is_some_and(|n| n.parse::<u32>().is_ok()))
    }
}
