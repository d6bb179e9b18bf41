//! The command line: one file per subcommand, one exit code per ending.

pub mod agent;
pub mod args;
pub mod exit;
#[cfg(target_os = "linux")]
pub mod lab;
#[cfg(target_os = "linux")]
pub mod load;
pub mod output;
#[cfg(target_os = "linux")]
pub mod attempt;

pub use args::main;
