//! Reports of recorded trials in every format, and `natlab replay`: no privileges, any system.
//!
//! `tests/fixtures/records/*.jsonl` are `events.jsonl` of real trials, with most of the checks that say the same again left
//! out and the rest numbered anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "report/description.rs"]
mod description;
#[path = "report/fixtures.rs"]
mod fixtures;
#[path = "report/human.rs"]
mod human;
#[path = "report/junit.rs"]
mod junit;
#[path = "report/replay.rs"]
mod replay;
