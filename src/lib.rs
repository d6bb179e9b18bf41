//! natlab: real ICE agents behind real, measured NATs.
//!
//! Data goes one way, left to right; a module imports only what stands to its left (`tests/architecture.rs` holds the edges):
//!
//! ```text
//! text ─► scenario ─► plan ─► oracle ─────────────────┐          (pure: no clock, no sockets, no files)
//!                      │                              ▼
//!                      └─► lab + server + agent ─► run ─► event ─► trace ─► verdict ─► record ─► report
//!                          (the I/O shell, Linux)         (pure from here on: recomputable without privileges)
//! ```

// Vocabulary.
pub mod ice;
pub mod nat;
pub mod net;
pub mod nft;
pub mod protocol;

// Text to prediction: pure.
pub mod oracle;
pub mod plan;
pub mod scenario;

// What happened, and what we think of it: pure.
pub mod event;
pub mod record;
pub mod report;
pub mod trace;
pub mod verdict;

// The I/O shell.
pub mod agent;
#[cfg(target_os = "linux")]
pub mod lab;
pub mod probe;
#[cfg(target_os = "linux")]
pub mod run;
pub mod server;

pub mod cli;
