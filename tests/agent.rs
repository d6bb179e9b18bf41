//! The agent protocol from outside: agents as processes, spoken to line by line, no lab and no privileges.
//!
//! The checks in `conformance` are for any agent; the built-in one, the skeleton of `docs/agent-protocol.md` and the aioice
//! adapter take them alike.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "agent/process.rs"]
mod process;

#[path = "agent/conformance.rs"]
mod conformance;

#[path = "agent/pair.rs"]
mod pair;
