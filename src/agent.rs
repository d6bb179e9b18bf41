//! ICE agents: who they are, and the one that is built in. Each agent is a process of its own that speaks
//! [`crate::protocol`] on stdin and stdout; the built-in one ([`builtin`]) has no privilege over foreign ones.
//!
//! Never starts a process and never judges an outcome: `run` does the first, `verdict` the second.

pub mod builtin;
pub mod registry;
pub mod sdp;
pub mod turn_shim;
