//! The command line: one file per subcommand, one exit code per ending.

pub mod agent;
pub mod args;
pub mod check;
pub mod exit;
pub mod generate;
pub mod list;
pub mod output;
pub mod replay;
pub mod rules;
pub mod schema;
pub mod serve;

#[cfg(target_os = "linux")]
pub mod doctor;
#[cfg(target_os = "linux")]
pub mod exec;
#[cfg(target_os = "linux")]
pub mod interrupt;
#[cfg(target_os = "linux")]
pub mod lab;
#[cfg(target_os = "linux")]
pub mod load;
#[cfg(target_os = "linux")]
pub mod progress;
#[cfg(target_os = "linux")]
pub mod run;
#[cfg(target_os = "linux")]
pub mod store;
#[cfg(target_os = "linux")]
pub mod verify_nat;

pub use args::main;
