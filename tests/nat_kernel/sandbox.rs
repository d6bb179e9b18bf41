//! Namespaces of our own, so that nothing of the host is touched.

use std::fs;
use std::sync::OnceLock;

use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::unistd::{Pid, getgid, getuid};

/// Moves this process into new user and network namespaces, as root there, and onto one processor. The reason, if the host
/// does not let it.
pub fn enter() -> Result<(), String> {
    stay_on(*processors().first().ok_or("no processor to run on")?)?;
    isolate(CloneFlags::CLONE_NEWNET)
}

/// Moves this process into new namespaces of these kinds and of users, as root there. The reason, if the host does not let it.
pub fn isolate(flags: CloneFlags) -> Result<(), String> {
    let (uid, gid) = (getuid(), getgid());
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
    // Containers often mount this read-only, and a lab cannot forward packets then.
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").map_err(|e| format!("sysctls cannot be written: {e}"))
}

/// The processors that this process may use; found before it chose one of them.
pub fn processors() -> &'static [usize] {
    PROCESSORS.get_or_init(|| {
        let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
        (0..CpuSet::count()).filter(|i| allowed.is_set(*i).unwrap_or(false)).collect()
    })
}

static PROCESSORS: OnceLock<Vec<usize>> = OnceLock::new();

/// Moves the calling thread, and threads that it starts later, to a processor.
pub fn stay_on(processor: usize) -> Result<(), String> {
    let say = |e: nix::Error| format!("cannot choose a processor: {e}");
    let mut one = CpuSet::new();
    one.set(processor).map_err(say)?;
    sched_setaffinity(Pid::from_raw(0), &one).map_err(say)
}
