//! The way into private namespaces: the outer process starts a *porter*, which unshares and starts the *inner* process as
//! pid 1 of its own pid namespace.
//!
//! ```text
//! outer ──exec──► porter: unshare(user, mount, net, pid) ──exec──► inner: pid 1, builds labs
//!   │                │ "unshared"      ▲ "mapped"                    │
//!   └── uid and gid maps of the porter ┘                             └── dies with the porter, which dies with the outer
//! ```
//!
//! Two pipes besides stdin and stdout carry requests and answers, so that the inner process keeps the user's terminal for
//! programs that are run in a node. The request pipe's only writer is the outer process: its end is the end of the inner one.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::{Child, Command, Stdio};

use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{close, dup, getegid, geteuid, pipe2};
use serde::{Deserialize, Serialize};

/// How the lab got its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A user namespace, as an ordinary user or as root.
    UserNamespace,
    /// Plain root, because user namespaces are refused.
    PlainRoot,
}

impl Way {
    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Way::UserNamespace => "user namespace",
            Way::PlainRoot => "plain root",
        }
    }
}

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum IsolateError {
    /// A step of natlab's own start failed.
    #[error("failed to {operation}: {source}")]
    Start {
        /// Which.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel or a policy refuses; every way that was tried, with its reason.
    #[error("failed to enter private namespaces: {}", .0.iter().map(|(w, why)| format!("{}: {why}", w.describe())).collect::<Vec<_>>().join("; "))]
    Refused(Vec<(Way, String)>),
}

/// The inner process, seen from outside.
#[derive(Debug)]
pub struct Inner {
    /// The porter; its end is the end of the inner process.
    pub porter: Child,
    /// Requests go here; dropping it ends the inner process.
    pub requests: File,
    /// Answers come from here; `ready` has been read.
    pub answers: BufReader<File>,
    /// How it got its rights.
    pub way: Way,
    /// Ways that were refused before, with reasons.
    pub refused: Vec<(Way, String)>,
    /// What the inner process said when it was ready.
    pub ready: Ready,
}

/// First answer of the inner process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Greeting {
    /// It stands in its namespaces.
    Ready(Ready),
    /// It could not make itself at home: mounts are refused although namespaces are not.
    Refused(String),
}

/// What the inner process found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Private directory on a tmpfs.
    pub directory: String,
    /// Things that work differently here, for the record.
    pub notes: Vec<String>,
}

/// What the terminal of the inner process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// Nothing: labs run by themselves.
    Detached,
    /// The user's: a program will run in a node.
    Inherited,
}

fn start_error(operation: &'static str) -> impl FnOnce(io::Error) -> IsolateError {
    move |source| IsolateError::Start { operation, source }
}

/// Starts the inner process: in a user namespace, or plainly where these are refused and natlab is root. The calling thread
/// must live as long as the lab is wanted (`PR_SET_PDEATHSIG` follows the thread).
pub fn start(terminal: Terminal) -> Result<Inner, IsolateError> {
    let mut refused = Vec::new();
    let ways: &[Way] = if geteuid().is_root() { &[Way::UserNamespace, Way::PlainRoot] } else { &[Way::UserNamespace] };
    for way in ways {
        match attempt(*way, terminal)? {
            Ok(mut inner) => {
                inner.refused = refused;
                return Ok(inner);
            }
            Err(why) => refused.push((*way, why)),
        }
    }
    Err(IsolateError::Refused(refused))
}

fn attempt(way: Way, terminal: Terminal) -> Result<Result<Inner, String>, IsolateError> {
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from).map_err(start_error("make a pipe"));
    let (requests_end, requests) = pipe()?;
    let (answers, answers_end) = pipe()?;
    // Duplicates without close-on-exec are what the porter and the inner process inherit.
    let inherited = |end: OwnedFd| dup(&end).map_err(io::Error::from).map_err(start_error("duplicate a pipe"));
    let (requests_end, answers_end) = (inherited(requests_end)?, inherited(answers_end)?);
    let stdio = || match terminal {
        Terminal::Detached => Stdio::null(),
        Terminal::Inherited => Stdio::inherit(),
    };
    let mut porter = Command::new("/proc/self/exe")
        .args(["lab", "porter", &requests_end.as_raw_fd().to_string(), &answers_end.as_raw_fd().to_string()])
        .arg(match way {
            Way::UserNamespace => "user",
            Way::PlainRoot => "plain",
        })
        .stdin(stdio())
        .stdout(stdio())
        .spawn()
        .map_err(start_error("start the inner process"))?;
    drop((requests_end, answers_end));
    let (mut requests, mut answers) = (File::from(requests), BufReader::new(File::from(answers)));
    let refuse = |mut porter: Child, why: String| {
        let _ = porter.kill();
        let _ = porter.wait();
        Ok(Err(why))
    };

    let first = line(&mut answers).map_err(start_error("read from the inner process"))?;
    if first != "unshared" {
        return refuse(porter, first);
    }
    if way == Way::UserNamespace
        && let Err(why) = write_maps(porter.id())
    {
        return refuse(porter, why);
    }
    requests.write_all(b"mapped\n").map_err(start_error("write to the inner process"))?;
    let greeting = line(&mut answers).map_err(start_error("read from the inner process"))?;
    match serde_json::from_str(&greeting) {
        Ok(Greeting::Ready(ready)) => Ok(Ok(Inner { porter, requests, answers, way, refused: vec![], ready })),
        Ok(Greeting::Refused(why)) => refuse(porter, why),
        Err(_) => {
            let status = porter.wait().map_err(start_error("wait for the inner process"))?;
            Ok(Err(format!("the inner process ended before it was ready ({status}) {greeting}")))
        }
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    from.read_line(&mut text)?;
    Ok(text.trim_end().to_owned())
}

/// Root keeps every id (mapping only itself would lose access to other users' files), anybody else only their own.
fn write_maps(pid: u32) -> Result<(), String> {
    let write = |file: &str, text: &str| {
        fs::write(format!("/proc/{pid}/{file}"), text).map_err(|e| format!("writing {file}: {e}"))
    };
    if geteuid().is_root() {
        for file in ["uid_map", "gid_map"] {
            let own = fs::read_to_string(format!("/proc/self/{file}")).map_err(|e| format!("reading {file}: {e}"))?;
            write(file, &identity_map(&own))?;
        }
    } else {
        write("setgroups", "deny")?;
        write("uid_map", &format!("{0} {0} 1\n", geteuid()))?;
        write("gid_map", &format!("{0} {0} 1\n", getegid()))?;
    }
    Ok(())
}

/// Every id that exists here, mapped to itself.
fn identity_map(own: &str) -> String {
    own.lines()
        .filter_map(|l| {
            let mut words = l.split_ascii_whitespace();
            let (inside, _, count) = (words.next()?, words.next()?, words.next()?);
            Some(format!("{inside} {inside} {count}\n"))
        })
        .collect()
}

/// Body of the porter (hidden subcommand `lab porter REQUESTS ANSWERS WAY`). Gives the exit code.
pub fn porter(requests: RawFd, answers: RawFd, plain: bool) -> io::Result<u8> {
    set_pdeathsig(Signal::SIGKILL)?;
    // Ctrl-C is for the outer process to handle, which then ends this one.
    let mut signals = SigSet::empty();
    for s in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        signals.add(s);
    }
    signals.thread_block()?;
    let mut answer = fs::OpenOptions::new().write(true).open(format!("/proc/self/fd/{answers}"))?;
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID;
    if !plain {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    if let Err(e) = unshare(flags) {
        let what = if plain { "unshare(mount, net, pid)" } else { "unshare(user, mount, net, pid)" };
        writeln!(answer, "{what}: {}", e.desc())?;
        return Ok(1);
    }
    writeln!(answer, "unshared")?;
    let mut request = File::open(format!("/proc/self/fd/{requests}"))?;
    let mut word = [0; 7];
    if request.read_exact(&mut word).is_err() || &word != b"mapped\n" {
        return Ok(1);
    }
    drop((request, answer));
    if !geteuid().is_root() {
        keep_capabilities_over_exec()?;
    }
    let status = Command::new("/proc/self/exe")
        .args(["lab", "inner", &requests.to_string(), &answers.to_string()])
        .spawn()
        .and_then(|mut inner| {
            close(requests)?;
            close(answers)?;
            inner.wait()
        })?;
    Ok(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1))
}

/// An ordinary user's capabilities in a fresh user namespace are lost at `exec` unless they are ambient.
pub fn keep_capabilities_over_exec() -> io::Result<()> {
    let all = caps::read(None, caps::CapSet::Permitted).map_err(io::Error::other)?;
    caps::set(None, caps::CapSet::Inheritable, &all).map_err(io::Error::other)?;
    caps::set(None, caps::CapSet::Ambient, &all).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_mapped_to_itself() {
        assert_eq!(identity_map("         0          0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(identity_map("0 100000 65536\n65536 1000 1\n"), "0 0 65536\n65536 65536 1\n");
    }
}
