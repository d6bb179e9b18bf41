//! Processes inside a node: started on a thread that stands in its namespace, leader of a process group of their own, without
//! any capability.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::namespace::Namespace;

/// The program itself, for its own agents and servers.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// How a process meets the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// Three pipes: agents and servers.
    Piped,
    /// The user's terminal, and the capabilities of the lab: `natlab exec`.
    Terminal,
}

/// Starts `argv` in `node`.
pub fn spawn(
    node: &Namespace,
    argv: &[String],
    environment: &[(&str, &str)],
    directory: Option<&Path>,
    streams: Streams,
) -> io::Result<Child> {
    let (program, arguments) = argv.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied()).kill_on_drop(true);
    if let Some(d) = directory {
        command.current_dir(d);
    }
    match streams {
        Streams::Piped => {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        }
        Streams::Terminal => {}
    }
    let spawned = node.run(|| {
        if streams == Streams::Piped {
            // Other people's programs get no capability of the lab's; this thread ends with the closure.
            caps::clear(None, caps::CapSet::Ambient).map_err(io::Error::other)?;
        }
        command.spawn()
    });
    spawned.map_err(io::Error::other)?
}

/// Ends a whole process group, given its leader.
pub fn end_group(leader: u32) -> io::Result<()> {
    let group = i32::try_from(leader).map_err(io::Error::other)?;
    match killpg(Pid::from_raw(group), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Ends whatever still lives in these nodes: programs that left their process group. How many there were.
///
/// Only where `/proc` shows this pid namespace ([`super::inner`]); elsewhere they end with the run.
pub fn end_strays(nodes: &[Namespace]) -> io::Result<usize> {
    let mut own = BTreeSet::new();
    for node in nodes {
        own.insert(node.file().metadata()?.ino());
    }
    let mut ended = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        // A process that ends in between has no namespace any more.
        let Ok(namespace) = std::fs::metadata(entry.path().join("ns/net")) else { continue };
        if own.contains(&namespace.ino()) && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok() {
            ended += 1;
        }
    }
    Ok(ended)
}
