//! What a run leaves traces of, seen from the host: processes, namespaces, mounts, files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A process that cannot be taken for a later one of the same number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    pub pid: u32,
    started: u64,
    pub name: String,
}

/// Every process with its parent. One that ends meanwhile is left out.
fn all() -> BTreeMap<u32, (u32, Process)> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, process(pid)?))).collect()
}

/// proc_pid_stat(5): the name stands in parentheses and may hold anything; a zombie does not live any more.
fn process(pid: u32) -> Option<(u32, Process)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    let (state, parent, started) = (*fields.first()?, fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?);
    (state != "Z").then_some((parent, Process { pid, started, name }))
}

/// What a run has at one moment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub processes: BTreeSet<Process>,
    /// `net:[4026532281]` and the like: those of its processes and those that it has pinned, but none of the test's own.
    pub namespaces: BTreeSet<String>,
}

impl Seen {
    /// Everything that descends from `root`.
    pub fn of(root: u32) -> Seen {
        let all = all();
        let mut seen = Seen::default();
        let mut found: BTreeSet<u32> = BTreeSet::from([root]);
        loop {
            let more: Vec<u32> = all
                .iter()
                .filter(|(pid, (parent, _))| found.contains(parent) && !found.contains(pid))
                .map(|(p, _)| *p)
                .collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        let own = namespaces_of("self");
        for pid in found {
            seen.processes.extend(all.get(&pid).map(|(_, p)| p.clone()));
            seen.namespaces.extend(namespaces_of(&pid.to_string()));
            seen.namespaces.extend(pinned_by(&pid.to_string()));
        }
        seen.namespaces.retain(|n| !own.contains(n));
        seen
    }

    /// What of it is still there.
    pub fn left(&self, marker: &str) -> Vec<String> {
        let mut left = Vec::new();
        for (pid, (_, process)) in all() {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if self.processes.contains(&process) || contains(&environment, marker.as_bytes()) {
                left.push(format!("process {process:?}"));
            }
            let pid = pid.to_string();
            let namespaces = namespaces_of(&pid);
            left.extend(namespaces.intersection(&self.namespaces).map(|n| format!("{n} of {process:?}")));
            left.extend(pinned_by(&pid).intersection(&self.namespaces).map(|n| format!("{n} pinned by {process:?}")));
        }
        left
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|w| w == part)
}

/// Namespaces that a process lives in; none where they may not be read.
fn namespaces_of(pid: &str) -> BTreeSet<String> {
    let link = |kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok()?.to_str().map(str::to_owned);
    ["net", "mnt", "pid", "user"].into_iter().filter_map(link).collect()
}

/// Namespaces that are mounted where a process lives: the root of an nsfs mount is `net:[…]`.
fn pinned_by(pid: &str) -> BTreeSet<String> {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    mounts
        .lines()
        .filter_map(|l| l.split(' ').nth(3))
        .filter(|root| root.starts_with("net:["))
        .map(str::to_owned)
        .collect()
}

/// Everything on the host that a run could have left but must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    mounts: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Host {
    /// `private` is what the run was told to use for temporary files, home and working directory.
    pub fn now(private: &Path) -> Host {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        let places = [private, Path::new("/run"), Path::new("/run/netns"), Path::new("/dev/shm")];
        let files = places.into_iter().flat_map(|place| {
            let entries = fs::read_dir(place).into_iter().flatten().flatten();
            entries.map(|e| e.path().display().to_string())
        });
        Host { mounts: mounts.lines().map(str::to_owned).collect(), files: files.collect() }
    }

    /// What is there now and was not there `before`.
    pub fn more_than(&self, before: &Host) -> Vec<String> {
        let mounts = self.mounts.difference(&before.mounts).map(|m| format!("mount {m}"));
        mounts.chain(self.files.difference(&before.files).map(|f| format!("file {f}"))).collect()
    }
}
