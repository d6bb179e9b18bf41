//! Namespaces of our own, so that nothing of the host is touched.

use std::fs;

use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::unistd::{Pid, getgid, getuid};

/// Moves this process into new user and network namespaces, as root there, and onto one processor. The reason, if the host
/// does not let it.
pub fn enter() -> Result<(), String> {
    one_processor()?;
    let (uid, gid) = (getuid(), getgid());
    let flags = CloneFlags::CLONE_NEWNET;
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

fn one_processor() -> Result<(), String> {
    let say = |e: nix::Error| format!("cannot choose a processor: {e}");
    let me = Pid::from_raw(0);
    let allowed = sched_getaffinity(me).map_err(say)?;
    let mut one = CpuSet::new();
    let last = (0..CpuSet::count()).rfind(|i| allowed.is_set(*i).unwrap_or(false)).unwrap_or(0);
    one.set(last).map_err(say)?;
    sched_setaffinity(me, &one).map_err(say)
}
