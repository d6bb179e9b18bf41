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
    /// List the presets.
    List,
    /// Print the nftables rules of a preset.
    Rules(super::rules::Options),
}

/// Parses the arguments, runs the command, gives its exit code.
pub fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => {
            let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
            let exit = match arguments.command {
                Command::List => super::list::run(&mut out),
                Command::Rules(options) => super::rules::run(&options, &mut out, &mut err),
            };
            exit.into()
        }
        Err(e) => {
            let _ = e.print();
            if e.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() }
        }
    }
}
