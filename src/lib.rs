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

// Clock, randomness, processes, sockets and files (`.clippy.toml` lists them) are the I/O shell's alone: each of its modules
// says so below, and nothing else may.
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

// Vocabulary.
pub mod ice;
pub mod nat;
pub mod net;
pub mod nft;
pub mod protocol;

// Text to prediction: pure.
pub mod conformance;
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
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the I/O shell")]
pub mod agent;
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the I/O shell")]
pub mod lab;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the I/O shell")]
pub mod probe;
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the I/O shell")]
pub mod run;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the I/O shell")]
pub mod server;

#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the I/O shell")]
pub mod cli;
