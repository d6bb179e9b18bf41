//! Processes inside a node: started on a thread that stands in its namespace, leader of a process group of their own, without
//! any capability.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::unistd::{AccessFlags, Pid, access};
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
        // This thread ends with the closure; what it sets, its child inherits. The way into the lab blocks the signals of the
        // terminal, and no program expects to be started so.
        SigSet::empty().thread_set_mask()?;
        match streams {
            // Other people's programs get no capability of the lab's.
            Streams::Piped => caps::clear(None, caps::CapSet::Ambient).map_err(io::Error::other)?,
            Streams::Terminal => own_sysfs(),
        }
        command.spawn()
    });
    spawned.map_err(io::Error::other)?
}

/// A `/sys` that shows the interfaces of this thread's network namespace: programs that list them there would see those of
/// the host. Where it is refused they do; what asks the kernel directly is right all the same.
fn own_sysfs() {
    let none: Option<&str> = None;
    let mounted = unshare(CloneFlags::CLONE_NEWNS).and_then(|()| {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("sysfs"), "/sys", Some("sysfs"), flags, none)
    });
    if let Err(e) = mounted {
        tracing::warn!("/sys shows the host's interfaces: {}", e.desc());
    }
}

/// What looking for a program gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It can be run.
    Found(PathBuf),
    /// It is there, but is no program, or not one that may be run.
    NotExecutable(PathBuf),
    /// It is nowhere.
    NotFound,
}

/// Where programs are that an ordinary user's `PATH` may leave out.
const MORE_PLACES: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin"];

/// The `PATH` of this process, and behind it the usual places.
pub fn wide_path() -> OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&own).chain(MORE_PLACES.map(PathBuf::from));
    // Nothing that was split at colons has one.
    std::env::join_paths(places).unwrap_or(own)
}

/// Looks for a program as a shell does, with `path` as its `PATH`.
pub fn look_up(program: &str, path: Option<&OsStr>) -> Lookup {
    let may_run = |p: &Path| p.is_file() && access(p, AccessFlags::X_OK).is_ok();
    let judge = |p: PathBuf| match may_run(&p) {
        true => Some(Lookup::Found(p)),
        false if p.exists() => Some(Lookup::NotExecutable(p)),
        false => None,
    };
    if program.is_empty() {
        return Lookup::NotFound;
    }
    if program.contains('/') {
        return judge(PathBuf::from(program)).unwrap_or(Lookup::NotFound);
    }
    let places = path.map(|p| std::env::split_paths(p).collect::<Vec<_>>()).unwrap_or_default();
    let mut other = Lookup::NotFound;
    for found in places.into_iter().filter_map(|place| judge(place.join(program))) {
        match found {
            Lookup::Found(_) => return found,
            // A shell goes on, too, and complains about the first one only if there is no better.
            _ if other == Lookup::NotFound => other = found,
            _ => {}
        }
    }
    other
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
/// `/proc` shows this pid namespace alone ([`super::inner`]), so nobody else's process is met.
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
