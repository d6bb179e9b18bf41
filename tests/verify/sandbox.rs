//! Namespaces of our own, so that nothing of the host is touched, and a directory that namespaces can be pinned in.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};

/// Directories that a private tmpfs may cover.
const PLACES: [&str; 4] = ["/media", "/srv", "/mnt", "/opt"];

/// Moves this process into new user, mount and network namespaces, as root there. The directory, or the reason why the host
/// does not let it.
pub fn enter() -> Result<PathBuf, String> {
    let (uid, gid) = (getuid(), getgid());
    let flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    match unshare(flags | CloneFlags::CLONE_NEWUSER) {
        Ok(()) => {
            let write =
                |file: &str, text: String| fs::write(file, text).map_err(|e| format!("cannot write {file}: {e}"));
            write("/proc/self/setgroups", "deny".to_owned())?;
            write("/proc/self/uid_map", format!("0 {uid} 1"))?;
            write("/proc/self/gid_map", format!("0 {gid} 1"))?;
        }
        Err(_) if uid.is_root() => unshare(flags).map_err(|e| format!("root may not make network namespaces: {e}"))?,
        Err(e) => return Err(format!("this user may not make user namespaces: {e}")),
    }
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").map_err(|e| format!("sysctls cannot be written: {e}"))?;
    let none: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).map_err(|e| format!("mounts cannot be made private: {e}"))?;
    let mut places = PLACES.iter().map(Path::new).filter(|p| p.is_dir());
    let place = places.find(|p| mount(Some("natlab"), *p, Some("tmpfs"), MsFlags::empty(), none).is_ok());
    place.map(Path::to_owned).ok_or_else(|| "no tmpfs can be mounted".to_owned())
}
