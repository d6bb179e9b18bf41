//! Arguments and dispatch.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::exit::Exit;

/// NAT traversal diagnostics and test harness: real ICE agents behind real, measured NATs.
#[derive(Debug, Parser)]
#[command(name = "natlab", version, about, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Hidden: processes on the way into a lab.
    #[cfg(target_os = "linux")]
    #[command(subcommand, hide = true)]
    Lab(super::lab::Lab),
    /// (temporary)
    #[cfg(target_os = "linux")]
    Try { name: Vec<String> },
    /// Becomes a built-in ICE agent that speaks the agent protocol on stdin and stdout.
    #[command(hide = true)]
    Agent {
        /// Which one.
        name: String,
    },
}

/// Parses the arguments, runs the command, gives its exit code.
pub fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => match arguments.command {
            #[cfg(target_os = "linux")]
            Command::Lab(lab) => super::lab::run(&lab),
            #[cfg(target_os = "linux")]
            Command::Try { name } => super::attempt::run(&name),
            Command::Agent { name } => super::agent::main(&name),
        }
        .into(),
        Err(e) => {
            let _ = e.print();
            if e.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() }
        }
    }
}
