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
    /// Runs a STUN or TURN server, here or anywhere else, until Ctrl-C.
    #[command(subcommand)]
    Serve(super::serve::Serve),
}

/// Parses the arguments, runs the command, gives its exit code.
pub fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => match arguments.command {
            Command::Serve(serve) => super::serve::run(&serve),
        }
        .into(),
        Err(e) => {
            let _ = e.print();
            if e.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() }
        }
    }
}
