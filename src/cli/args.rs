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
    /// Run scenarios and report what happened, what was expected, and why they differ.
    #[cfg(target_os = "linux")]
    Run(super::run::Run),
    /// Judge and report the trials of an earlier run again, from the events it kept.
    Replay(super::replay::Replay),
    /// Build NATs, probe them, and compare with what they are declared to be; with the checklists of the RFCs.
    #[cfg(target_os = "linux")]
    VerifyNat(super::verify_nat::VerifyNat),
    /// Show what this host can run, and what fixes what is missing.
    #[cfg(target_os = "linux")]
    Doctor(super::doctor::Doctor),
    /// Check STUN and TURN servers: do they answer, allocate and relay, and if not, why?
    Check(Box<super::check::Options>),
    /// List the presets and the shipped scenarios; `list nats` tells what each preset does and what it rests on.
    List(super::list::List),
    /// Print the nftables rules of a preset.
    Rules(super::rules::Options),
    /// Print the JSON Schema of scenario files, with which editors complete and check them.
    Schema(super::schema::Options),
    /// Run a STUN or TURN server, here or anywhere else, until Ctrl-C.
    #[command(subcommand)]
    Serve(super::serve::Serve),
    /// Run a program inside a node of a scenario.
    #[cfg(target_os = "linux")]
    Exec(super::exec::Exec),
    /// Print the completion script of a shell.
    Completions(super::generate::Completions),
    /// Print the manual page, or write one per command.
    Man(super::generate::Man),
    /// Become a built-in ICE agent that speaks the agent protocol on stdin and stdout.
    #[command(hide = true)]
    Agent {
        /// Which one.
        name: String,
    },
    /// Processes on the way into a lab.
    #[cfg(target_os = "linux")]
    #[command(subcommand, hide = true)]
    Lab(super::lab::Lab),
}

impl Command {
    fn run(self) -> Exit {
        let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
        match self {
            #[cfg(target_os = "linux")]
            Command::Doctor(options) => super::doctor::run(&options),
            Command::Replay(options) => super::replay::run(&options, &mut out, &mut err),
            Command::Check(options) => super::check::run(&options, &mut out),
            Command::List(list) => super::list::run(&list, &mut out),
            Command::Rules(options) => super::rules::run(&options, &mut out, &mut err),
            Command::Schema(options) => super::schema::run(&options, &mut out),
            Command::Serve(serve) => super::serve::run(&serve),
            #[cfg(target_os = "linux")]
            Command::Run(run) => super::run::run(&run),
            #[cfg(target_os = "linux")]
            Command::VerifyNat(options) => super::verify_nat::run(&options),
            #[cfg(target_os = "linux")]
            Command::Exec(options) => super::exec::run(&options),
            Command::Completions(options) => super::generate::completions(&options, &mut out),
            Command::Man(options) => super::generate::man(&options, &mut out),
            Command::Agent { name } => super::agent::main(&name),
            #[cfg(target_os = "linux")]
            Command::Lab(lab) => super::lab::run(&lab),
        }
    }
}

/// Parses the arguments, runs the command, gives its exit code.
pub fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => arguments.command.run().into(),
        Err(e) => {
            // A closed stdout is no failure, and there is nobody left to tell of another one.
            let _ = e.print();
            if e.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() }
        }
    }
}
