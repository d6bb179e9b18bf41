//! What the host says about itself: settings and limits that explain why namespaces are refused. Nothing is concluded from
//! them alone; they choose between remedies once something was refused.

use std::fs;

use nix::unistd::geteuid;
use serde::Serialize;

/// `CAP_SYS_ADMIN` of `linux/capability.h`.
pub const SYS_ADMIN: u32 = 21;
/// `CAP_NET_ADMIN`.
pub const NET_ADMIN: u32 = 12;
/// `CAP_NET_RAW`.
pub const NET_RAW: u32 = 13;

/// The host, as far as its files tell. A field is `None` where there is no such file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Kernel release.
    pub kernel: String,
    /// `PRETTY_NAME` of os-release(5).
    pub distribution: Option<String>,
    /// Effective user id.
    pub uid: u32,
    /// What kind of container this is, if it is one.
    pub container: Option<String>,
    /// A hosted CI runner, by its environment.
    pub ci: Option<String>,
    /// Whether the kernel has user namespaces at all.
    pub user_namespaces: bool,
    /// Whether this is the first user namespace: every id is mapped to itself.
    pub first_user_namespace: bool,
    /// Debian's switch: 0 refuses ordinary users.
    pub unprivileged_userns_clone: Option<u64>,
    /// Ubuntu's switch: 1 refuses ordinary users whose program has no AppArmor profile that allows it.
    pub apparmor_restrict_unprivileged_userns: Option<u64>,
    /// Limit of user namespaces.
    pub max_user_namespaces: Option<u64>,
    /// Limit of mount namespaces.
    pub max_mnt_namespaces: Option<u64>,
    /// Limit of network namespaces.
    pub max_net_namespaces: Option<u64>,
    /// Limit of pid namespaces.
    pub max_pid_namespaces: Option<u64>,
    /// 1 once no kernel module can be loaded any more.
    pub modules_disabled: Option<u64>,
    /// Seccomp mode: 0 none, 2 a filter.
    pub seccomp: Option<u64>,
    /// Effective capabilities as bits.
    pub capabilities: Option<u64>,
    /// AppArmor profile that natlab was started under.
    pub apparmor_profile: Option<String>,
    /// `/proc/sys` is mounted read-only.
    pub settings_read_only: bool,
    /// Parts of `/proc` are covered, so that no new one can be mounted in a user namespace.
    pub proc_masked: bool,
}

impl Facts {
    /// Of this host and process.
    pub fn of_host() -> Facts {
        let read = |path: &str| fs::read_to_string(path).ok();
        let ci = std::env::var_os("GITHUB_ACTIONS").map(|_| "GitHub Actions".to_owned());
        let ci = ci.or_else(|| std::env::var_os("GITLAB_CI").map(|_| "GitLab CI".to_owned()));
        let ci = ci.or_else(|| std::env::var_os("CI").map(|_| "CI".to_owned()));
        Facts { ci, ..Facts::of_files(read, geteuid().as_raw()) }
    }

    /// From the contents of files: `read` gives `None` for one that is not there or cannot be read.
    pub fn of_files(read: impl Fn(&str) -> Option<String>, uid: u32) -> Facts {
        let number = |path: &str| read(path)?.trim().parse().ok();
        let setting = |name: &str| number(&format!("/proc/sys/{}", name.replace('.', "/")));
        let status = read("/proc/self/status").unwrap_or_default();
        let mounts = read("/proc/self/mountinfo").unwrap_or_default();
        Facts {
            kernel: read("/proc/sys/kernel/osrelease").map(|r| r.trim().to_owned()).unwrap_or_default(),
            distribution: read("/etc/os-release").or_else(|| read("/usr/lib/os-release")).and_then(|t| pretty_name(&t)),
            uid,
            container: container(&read),
            ci: None,
            user_namespaces: read("/proc/self/uid_map").is_some(),
            first_user_namespace: read("/proc/self/uid_map").is_some_and(|m| maps_everything(&m)),
            unprivileged_userns_clone: setting("kernel.unprivileged_userns_clone"),
            apparmor_restrict_unprivileged_userns: setting("kernel.apparmor_restrict_unprivileged_userns"),
            max_user_namespaces: setting("user.max_user_namespaces"),
            max_mnt_namespaces: setting("user.max_mnt_namespaces"),
            max_net_namespaces: setting("user.max_net_namespaces"),
            max_pid_namespaces: setting("user.max_pid_namespaces"),
            modules_disabled: setting("kernel.modules_disabled"),
            seccomp: field(&status, "Seccomp").and_then(|v| v.parse().ok()),
            capabilities: field(&status, "CapEff").and_then(|v| u64::from_str_radix(v, 16).ok()),
            apparmor_profile: read("/proc/self/attr/current").and_then(|t| profile(&t)),
            settings_read_only: mount_points(&mounts).any(|(point, options)| {
                (point == "/proc/sys" || point == "/proc") && options.split(',').any(|o| o == "ro")
            }),
            proc_masked: mount_points(&mounts).any(|(point, _)| {
                // A binary format mount is the one that ordinary hosts have.
                point.starts_with("/proc/") && point != "/proc/sys" && !point.starts_with("/proc/sys/fs/")
            }),
        }
    }

    /// Whether a capability is effective; false where that is not known.
    pub fn can(&self, capability: u32) -> bool {
        self.capabilities.is_some_and(|c| c >> capability & 1 == 1)
    }

    /// The container that restricts natlab. A container's marks alone restrict nothing: virtual machines made of container
    /// images have them, too, and so have containers that were started with every right.
    pub fn restricting_container(&self) -> Option<&str> {
        let restricted =
            self.seccomp == Some(2) || self.settings_read_only || self.proc_masked || self.apparmor_profile.is_some();
        self.container.as_deref().filter(|_| restricted)
    }

    /// Namespace limits that are 0, as sysctl names them.
    pub fn forbidden_namespaces(&self) -> Vec<&'static str> {
        let limits = [
            ("user.max_user_namespaces", self.max_user_namespaces),
            ("user.max_mnt_namespaces", self.max_mnt_namespaces),
            ("user.max_net_namespaces", self.max_net_namespaces),
            ("user.max_pid_namespaces", self.max_pid_namespaces),
        ];
        limits.into_iter().filter(|(_, limit)| *limit == Some(0)).map(|(name, _)| name).collect()
    }
}

/// `Name:\tvalue` of a status file.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|v| !v.is_empty())
}

/// The name in `docker-default (enforce)`; `None` when unconfined. Without AppArmor the file belongs to another module.
fn profile(attribute: &str) -> Option<String> {
    let name = attribute.trim_end_matches(['\0', '\n']).strip_suffix(" (enforce)")?;
    Some(name.to_owned()).filter(|n| n != "unconfined")
}

fn maps_everything(uid_map: &str) -> bool {
    let mut words = uid_map.split_ascii_whitespace();
    (words.next(), words.next(), words.next()) == (Some("0"), Some("0"), Some("4294967295"))
}

/// Mount point and options of each line of mountinfo (proc_pid_mountinfo(5)).
fn mount_points(mountinfo: &str) -> impl Iterator<Item = (&str, &str)> {
    mountinfo.lines().filter_map(|l| {
        let mut words = l.split(' ').skip(4);
        Some((words.next()?, words.next()?))
    })
}

/// By the marks that container engines leave.
fn container(read: &impl Fn(&str) -> Option<String>) -> Option<String> {
    if let Some(said) = read("/run/systemd/container").map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()) {
        return Some(said);
    }
    if read("/.dockerenv").is_some() {
        return Some("docker".to_owned());
    }
    if let Some(text) = read("/run/.containerenv") {
        let engine = text.lines().find_map(|l| l.strip_prefix("engine=")).map(|e| e.trim_matches('"'));
        return Some(engine.and_then(|e| e.split('-').next()).unwrap_or("podman").to_owned());
    }
    let groups = read("/proc/1/cgroup")?;
    let marks = [("/docker", "docker"), ("/kubepods", "kubernetes"), ("/lxc", "lxc"), ("/libpod", "podman")];
    marks.into_iter().find(|(mark, _)| groups.contains(mark)).map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn facts(files: &[(&str, &str)], uid: u32) -> Facts {
        let files: BTreeMap<_, _> = files.iter().copied().collect();
        Facts::of_files(|path| files.get(path).map(|t| (*t).to_owned()), uid)
    }

    #[test]
    fn a_desktop_of_ubuntu() {
        let f = facts(
            &[
                ("/proc/sys/kernel/osrelease", "6.8.0-45-generic\n"),
                ("/etc/os-release", "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\n"),
                ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n"),
                ("/proc/sys/kernel/unprivileged_userns_clone", "1\n"),
                ("/proc/sys/user/max_user_namespaces", "127000\n"),
                ("/proc/self/uid_map", "         0          0 4294967295\n"),
                ("/proc/self/status", "Name:\tnatlab\nCapEff:\t0000000000000000\nSeccomp:\t0\nSeccomp_filters:\t0\n"),
                ("/proc/1/cgroup", "0::/init.scope\n"),
                (
                    "/proc/self/mountinfo",
                    "22 27 0:21 / /proc rw,nosuid - proc proc rw\n30 22 0:9 / /proc/sys/fs/binfmt_misc rw - autofs x rw\n",
                ),
            ],
            1000,
        );
        assert_eq!(f.kernel, "6.8.0-45-generic");
        assert_eq!(f.distribution.as_deref(), Some("Ubuntu 24.04.1 LTS"));
        assert_eq!((f.container.clone(), f.seccomp, f.uid), (None, Some(0), 1000));
        assert_eq!(f.apparmor_restrict_unprivileged_userns, Some(1));
        assert!(f.first_user_namespace && f.user_namespaces && !f.proc_masked && !f.settings_read_only);
        assert!(!f.can(SYS_ADMIN) && f.forbidden_namespaces().is_empty());
    }

    #[test]
    fn a_container_of_docker() {
        let f = facts(
            &[
                ("/.dockerenv", ""),
                ("/proc/self/uid_map", "0 0 4294967295\n"),
                ("/proc/self/status", "CapEff:\t00000000a80425fb\nSeccomp:\t2\nSeccomp_filters:\t1\n"),
                ("/proc/1/cgroup", "0::/\n"),
                ("/proc/self/attr/current", "docker-default (enforce)\n"),
                (
                    "/proc/self/mountinfo",
                    "700 1 0:50 / /proc rw,nosuid,nodev,noexec - proc proc rw\n\
                     701 700 0:50 /sys /proc/sys ro,nosuid - proc proc rw\n\
                     702 700 0:60 / /proc/acpi ro,relatime - tmpfs tmpfs ro\n",
                ),
            ],
            0,
        );
        assert_eq!(f.container.as_deref(), Some("docker"));
        assert_eq!((f.seccomp, f.apparmor_profile.as_deref()), (Some(2), Some("docker-default")));
        assert_eq!(f.restricting_container(), Some("docker"));
        assert!(f.settings_read_only && f.proc_masked);
        // The default set of Docker: raw sockets, but neither of the two administrators.
        assert!(f.can(NET_RAW) && !f.can(SYS_ADMIN) && !f.can(NET_ADMIN));
    }

    #[test]
    fn a_machine_made_of_a_container_image_is_not_restricted_by_one() {
        let f = facts(&[("/.dockerenv", ""), ("/proc/self/attr/current", "unconfined\n")], 0);
        assert_eq!((f.container.as_deref(), f.restricting_container()), (Some("docker"), None));
    }

    #[test]
    fn other_engines_are_known_by_their_marks() {
        let podman = facts(&[("/run/.containerenv", "engine=\"podman-4.9.3\"\nname=\"x\"\n")], 0);
        assert_eq!(podman.container.as_deref(), Some("podman"));
        let empty = facts(&[("/run/.containerenv", "")], 0);
        assert_eq!(empty.container.as_deref(), Some("podman"));
        let pod = facts(&[("/proc/1/cgroup", "12:pids:/kubepods/besteffort/pod1\n")], 0);
        assert_eq!(pod.container.as_deref(), Some("kubernetes"));
        assert_eq!(facts(&[("/run/systemd/container", "lxc\n")], 0).container.as_deref(), Some("lxc"));
    }

    #[test]
    fn a_limit_of_nothing_is_named() {
        let f =
            facts(&[("/proc/sys/user/max_user_namespaces", "0\n"), ("/proc/sys/user/max_net_namespaces", "5\n")], 1000);
        assert_eq!(f.forbidden_namespaces(), ["user.max_user_namespaces"]);
    }

    #[test]
    fn a_host_that_tells_nothing_is_no_reason_to_fail() {
        let f = facts(&[], 1000);
        assert_eq!(f, Facts { uid: 1000, ..Facts::default() });
    }
}
