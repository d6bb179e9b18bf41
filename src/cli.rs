//! The command line: one file per subcommand, one exit code per ending.

pub mod args;
pub mod exit;
pub mod serve;

pub use args::main;
