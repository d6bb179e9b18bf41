//! The closed form: what must happen between two sides, from RFC 4787 behaviour alone.

use crate::ice::{CandidatePolicy, IceRole};
use crate::nat::Behavior;
use crate::net::Transport;
use crate::oracle::Prediction;
use crate::plan::Gathering;

/// One side as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Composite of everything in front of it.
    pub behavior: Behavior,
    /// Whether the answers of a STUN server (or of a TURN server asked as one) tell it its public address.
    pub stun: bool,
    /// Transport it was given a TURN server over, best first; empty: none.
    pub turn: Vec<Transport>,
    /// The credentials it was given are refused.
    pub wrong_credentials: bool,
    /// Candidates it may use.
    pub policy: CandidatePolicy,
    /// Forced ICE role.
    pub ice_role: Option<IceRole>,
}

/// A trial as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The offerer.
    pub offerer: Side,
    /// The answerer.
    pub answerer: Side,
    /// Both have a gateway in common: the innermost such one, and whether they reach each other inside it without it.
    pub shared: Option<Shared>,
    /// When descriptions are sent.
    pub gathering: Gathering,
}

/// The innermost gateway that both sides stand behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// What it does.
    pub behavior: Behavior,
    /// Both are directly in its network and reach each other there.
    pub same_network: bool,
    /// Composite of the gateways between the offerer and the shared one; `None`: directly inside.
    pub offerer_inner: Option<Behavior>,
    /// Likewise for the answerer.
    pub answerer_inner: Option<Behavior>,
}

/// What must happen.
pub fn predict(situation: &Situation) -> Prediction {
    let _ = situation;
    Prediction { outcomes: vec![], racy: false, reasons: vec!["no rule".to_owned()] }
}
