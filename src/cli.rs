//! The command line: one file per subcommand, one exit code per ending.

pub mod agent;
pub mod args;
pub mod exit;

pub use args::main;
