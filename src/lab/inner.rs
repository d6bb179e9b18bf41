//! The inner process: pid 1 of its own namespaces. It makes itself at home (private mounts, a directory on a tmpfs) and then
//! serves requests until the outer process is gone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::close;

use super::isolate::{Greeting, Ready};

/// Places where a private tmpfs hides nothing of the user's, in the order they are tried.
const PLACES: [&str; 4] = ["/proc/fs", "/media", "/srv", "/mnt"];

/// A setting that every lab writes.
const SETTING: &str = "/proc/sys/net/ipv4/ip_forward";

/// What the inner process works with.
#[derive(Debug)]
pub struct Home {
    /// Requests of the outer process; its end means that the outer process is gone.
    pub requests: File,
    /// Answers to it.
    pub answers: File,
    /// Private directory.
    pub directory: PathBuf,
    /// What works differently here.
    pub notes: Vec<String>,
}

/// Takes over the pipes, mounts what is needed and greets the outer process.
pub fn settle(requests: RawFd, answers: RawFd) -> io::Result<Option<Home>> {
    set_pdeathsig(Signal::SIGKILL)?;
    // Opened again by path, since a number alone cannot be owned safely; then the inherited ones are closed.
    let request_file = File::open(format!("/proc/self/fd/{requests}"))?;
    let mut answer_file = fs::OpenOptions::new().write(true).open(format!("/proc/self/fd/{answers}"))?;
    close(requests)?;
    close(answers)?;
    let mut notes = Vec::new();
    let greeting = match mounts(&mut notes) {
        Ok(directory) => Greeting::Ready(Ready { directory: directory.display().to_string(), notes }),
        Err(why) => Greeting::Refused(why),
    };
    let mut text = serde_json::to_string(&greeting).map_err(io::Error::other)?;
    text.push('\n');
    answer_file.write_all(text.as_bytes())?;
    Ok(match greeting {
        Greeting::Ready(ready) => {
            let Ready { directory, notes } = ready;
            Some(Home { requests: request_file, answers: answer_file, directory: directory.into(), notes })
        }
        Greeting::Refused(_) => None,
    })
}

fn mounts(notes: &mut Vec<String>) -> Result<PathBuf, String> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|e| format!("making mounts private: {}", e.desc()))?;
    // The old one shows another pid namespace, where neither this process nor its threads have the numbers they know: no
    // namespace could be pinned through it. A container that covers parts of /proc refuses a new one to user namespaces.
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none)
        .map_err(|e| format!("mounting a /proc of its own: {}", e.desc()))?;
    // A policy may still refuse what every router needs.
    fs::OpenOptions::new().write(true).open(SETTING).map_err(|e| format!("writing {SETTING}: {}", in_words(&e)))?;
    let place = PLACES
        .iter()
        .map(Path::new)
        .filter(|p| p.is_dir())
        .find(|p| {
            mount(Some("natlab"), *p, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=755")).is_ok()
        })
        .ok_or_else(|| format!("mounting a tmpfs over one of {}: refused", PLACES.join(", ")))?;
    let made = |e: io::Error| format!("making a file in {}: {e}", place.display());
    fs::create_dir(place.join("nodes")).map_err(made)?;
    fs::create_dir(place.join("run")).map_err(made)?;
    private_name_service(place, notes).map_err(made)?;
    Ok(place.to_owned())
}

/// What the kernel says, without the number.
fn in_words(e: &io::Error) -> String {
    e.raw_os_error().map_or_else(|| e.to_string(), |number| Errno::from_raw(number).desc().to_owned())
}

/// No resolver answers in a lab, so none is configured: a look-up fails at once instead of after a time-out, and nothing
/// leaks into the host's name service.
fn private_name_service(place: &Path, notes: &mut Vec<String>) -> io::Result<()> {
    let none: Option<&str> = None;
    for (file, text) in [
        ("resolv.conf", "# natlab: there is no resolver in the lab\n"),
        ("hosts", "127.0.0.1 localhost\n"),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ] {
        let own = place.join(file);
        fs::write(&own, text)?;
        let target = Path::new("/etc").join(file);
        if !target.exists() {
            continue;
        }
        if let Err(e) = mount(Some(&own), &target, none, MsFlags::MS_BIND, none) {
            notes.push(format!("{} could not be replaced: {}", target.display(), e.desc()));
        }
    }
    Ok(())
}
