//! From what was refused to the exact command or setting that allows it. Pure.
//!
//! Which rule refuses what, for those who change the code:
//!
//! - Docker's default seccomp profile refuses `unshare` and `mount` unless the container has `CAP_SYS_ADMIN`; its AppArmor
//!   profile refuses `mount` whatever the capabilities; its `/proc/sys` is read-only, and parts of `/proc` are covered, so
//!   that a user namespace may not mount a new one (the kernel's `mount_too_revealing`), while the first user namespace may.
//! - Ubuntu lets an ordinary user's program without a profile make a user namespace, and denies every capability inside.
//! - A limit of 0 below `user.max_*_namespaces` is `ENOSPC`; inside a chroot `CLONE_NEWUSER` is `EPERM`.

use serde::Serialize;

use crate::lab::isolate::Way;
use crate::lab::preflight::facts::{NET_ADMIN, NET_RAW, SYS_ADMIN};
use crate::lab::preflight::{Facts, Finding, State};

/// Where a remedy is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On this machine.
    Here,
    /// Where the container is started.
    Container,
    /// In the description of a CI job.
    Ci,
}

/// Something that helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// Where.
    pub place: Place,
    /// What it does.
    pub what: String,
    /// Commands or settings, as they are typed.
    pub lines: Vec<String>,
    /// Whether natlab's own tests ran with it; where not, what was done instead.
    pub untried: Option<&'static str>,
}

impl Remedy {
    fn here(what: impl Into<String>, lines: Vec<String>) -> Remedy {
        Remedy { place: Place::Here, what: what.into(), lines, untried: None }
    }

    fn at(self, place: Place) -> Remedy {
        Remedy { place, ..self }
    }

    fn untried(self, instead: &'static str) -> Remedy {
        Remedy { untried: Some(instead), ..self }
    }
}

/// What is not tried, and why.
const NO_ENGINE: &str = "no container engine at hand; its restrictions were imitated, and these options lift them";
const NO_ENGINE_AT_ALL: &str = "no container engine at hand";
const NO_UBUNTU: &str = "no Ubuntu with this restriction at hand";
const NO_RUNNER: &str = "no hosted runner at hand";
const NO_SUCH_KERNEL: &str = "no kernel without these modules at hand";

/// Everything that helps against `refused` ways and missing facilities; any one of them where they are for one place.
/// `program` is natlab's own path.
pub fn remedies(facts: &Facts, refused: &[(Way, String)], findings: &[Finding], program: &str) -> Vec<Remedy> {
    let missing: Vec<&Finding> =
        findings.iter().filter(|f| matches!(f.state, State::Missing | State::Limited)).collect();
    let nothing_works = findings.is_empty() && !refused.is_empty();
    if !nothing_works && missing.is_empty() {
        return vec![];
    }
    let words: Vec<&str> = match nothing_works {
        true => refused.iter().map(|(_, why)| why.as_str()).collect(),
        false => missing.iter().map(|f| f.detail.as_str()).collect(),
    };
    // A number of namespaces is a reason of its own, whatever else there is.
    let mut all = limits(facts, &words);
    if !all.is_empty() {
        return all;
    }
    // What a kernel does not know, no option of a container brings.
    let denied = missing.iter().any(|f| f.state == State::Missing && DENIALS.iter().any(|w| f.detail.contains(w)));
    match facts.restricting_container() {
        Some(engine) if nothing_works || denied => all.extend(containers(facts, engine)),
        None if nothing_works => all.extend(namespaces(facts, &words, program)),
        _ => {}
    }
    all.extend(kernel(facts, &missing));
    all
}

/// Options that let a container make namespaces and mounts.
fn containers(facts: &Facts, engine: &str) -> Vec<Remedy> {
    let command = |options: &str| vec![format!("{engine} run {options} IMAGE natlab run SCENARIO")];
    match engine {
        "kubernetes" => vec![
            Remedy::here(
                "give the container of the pod every right",
                vec!["securityContext: { privileged: true }".into()],
            )
            .at(Place::Container)
            .untried(NO_ENGINE_AT_ALL),
        ],
        "podman" => vec![
            Remedy::here(
                "start the container with the rights to make namespaces, mounts and links",
                command("--cap-add SYS_ADMIN,NET_ADMIN,NET_RAW --security-opt unmask=ALL --security-opt label=disable"),
            )
            .at(Place::Container)
            .untried(NO_ENGINE_AT_ALL),
            Remedy::here("or with every right", command("--privileged")).at(Place::Container).untried(NO_ENGINE_AT_ALL),
        ],
        "docker" => {
            let mut lines = command(
                "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined",
            );
            if facts.apparmor_restrict_unprivileged_userns == Some(1) {
                lines.push("# and, since this host's AppArmor restricts user namespaces, on the host:".into());
                lines.push(unrestrict());
            }
            vec![
                Remedy::here(
                    "start the container, as root in it, with the rights to make namespaces, mounts and links",
                    command(
                        "--cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_RAW --security-opt apparmor=unconfined",
                    ),
                )
                .at(Place::Container)
                .untried(NO_ENGINE),
                Remedy::here("or without more capabilities, for any user in it", lines)
                    .at(Place::Container)
                    .untried(NO_ENGINE),
                Remedy::here("or with every right", command("--privileged")).at(Place::Container).untried(NO_ENGINE),
            ]
        }
        "lxc" => vec![
            Remedy::here(
                "let the container nest others (LXD, Incus: `incus` instead of `lxc`)",
                vec!["lxc config set NAME security.nesting=true && lxc restart NAME".into()],
            )
            .at(Place::Container)
            .untried(NO_ENGINE_AT_ALL),
        ],
        other => vec![
            Remedy::here(
                format!(
                    "let the container ({other}) make namespaces and mounts, and write /proc/sys; its manual says how"
                ),
                vec![],
            )
            .at(Place::Container)
            .untried(NO_ENGINE_AT_ALL),
        ],
    }
}

fn unrestrict() -> String {
    "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0".to_owned()
}

/// A setting now, and after the next start too.
fn setting(assignment: &str) -> Vec<String> {
    vec![
        format!("sudo sysctl -w {assignment}"),
        format!("echo {assignment} | sudo tee -a /etc/sysctl.d/60-natlab.conf    # to keep it after a restart"),
    ]
}

/// The kernel's word for a limit of namespaces that is reached (`ENOSPC`).
const LIMIT_REACHED: &str = "No space left";

/// The kernel's words for a refusal that is none of its configuration (`EPERM`, `EACCES`, `EROFS`).
const DENIALS: [&str; 3] = ["not permitted", "Permission denied", "Read-only"];

/// Numbers of namespaces.
fn limits(facts: &Facts, words: &[&str]) -> Vec<Remedy> {
    if !words.iter().any(|w| w.contains(LIMIT_REACHED)) {
        return vec![];
    }
    let forbidden = facts.forbidden_namespaces();
    let allow = |limit: &&str| {
        let what = format!("allow namespaces: {limit} is 0");
        Remedy::here(what, setting(&format!("{limit}=15000")))
    };
    if !forbidden.is_empty() {
        return forbidden.iter().map(allow).collect();
    }
    let kinds = ["user", "mnt", "net", "pid"].map(|kind| format!("sudo sysctl -w user.max_{kind}_namespaces=15000"));
    let what = "allow more namespaces: a limit is used up (`sysctl -a | grep ^user.max_` shows them); a run needs some \
                ten network namespaces for each trial at a time";
    vec![Remedy::here(what, kinds.to_vec())]
}

/// What keeps this machine from making namespaces.
fn namespaces(facts: &Facts, words: &[&str], program: &str) -> Vec<Remedy> {
    let ordinary = facts.uid != 0;
    let mut all = Vec::new();
    if ordinary && facts.unprivileged_userns_clone == Some(0) {
        let what = "allow user namespaces to ordinary users: kernel.unprivileged_userns_clone is 0";
        all.push(Remedy::here(what, setting("kernel.unprivileged_userns_clone=1")).untried("no such kernel at hand"));
    }
    if ordinary && facts.apparmor_restrict_unprivileged_userns == Some(1) {
        all.extend(apparmor(program));
    }
    if facts.seccomp == Some(2) {
        let what = "start natlab without the seccomp filter it runs under; of a systemd unit that is";
        all.push(
            Remedy::here(what, vec!["RestrictNamespaces=no".into(), "SystemCallFilter=".into()])
                .untried("no systemd at hand"),
        );
    }
    if words.iter().any(|w| w.contains("/proc")) {
        let what = "start natlab where /proc is whole and can be written; of a systemd unit that is";
        let lines = ["ProtectKernelTunables=no", "ProtectKernelLogs=no", "ProtectProc=default", "ProcSubset=all"];
        all.push(Remedy::here(what, lines.map(str::to_owned).to_vec()).untried("no systemd at hand"));
    }
    if !facts.user_namespaces {
        let what = "use a kernel with CONFIG_USER_NS, or natlab as root";
        all.push(Remedy::here(what, vec![]).untried(NO_SUCH_KERNEL));
    }
    if ordinary {
        all.push(Remedy::here("or run natlab as root", vec![format!("sudo {program} run SCENARIO")]));
    } else if let missing = missing_capabilities(facts)
        && !missing.is_empty()
    {
        let what = format!("run natlab with all of root's rights: {} missing", missing.join(", "));
        all.push(Remedy::here(what, vec![]));
    }
    if all.is_empty() || all.iter().all(|r| r.what.starts_with("or ")) {
        let what =
            "look for a policy that refuses namespaces: a chroot does, and so do security modules (`dmesg` names them)";
        all.insert(0, Remedy::here(what, vec![]));
    }
    all
}

/// Root without these cannot build a lab plainly.
fn missing_capabilities(facts: &Facts) -> Vec<&'static str> {
    let needed = [(SYS_ADMIN, "CAP_SYS_ADMIN"), (NET_ADMIN, "CAP_NET_ADMIN"), (NET_RAW, "CAP_NET_RAW")];
    needed.into_iter().filter(|(number, _)| !facts.can(*number)).map(|(_, name)| name).collect()
}

/// Ubuntu 23.10 and later.
fn apparmor(program: &str) -> Vec<Remedy> {
    let profile = [
        "sudo tee /etc/apparmor.d/natlab <<'END'".to_owned(),
        "abi <abi/4.0>,".to_owned(),
        "include <tunables/global>".to_owned(),
        format!("profile natlab \"{program}\" flags=(unconfined) {{"),
        "  userns,".to_owned(),
        "}".to_owned(),
        "END".to_owned(),
        "sudo apparmor_parser -r /etc/apparmor.d/natlab".to_owned(),
    ];
    vec![
        Remedy::here("allow user namespaces to this natlab alone, with an AppArmor profile", profile.to_vec())
            .untried(NO_UBUNTU),
        Remedy::here("or allow them to every program", setting("kernel.apparmor_restrict_unprivileged_userns=0"))
            .untried(NO_UBUNTU),
        Remedy::here(
            "in a job of GitHub Actions on ubuntu-24.04, one step before natlab",
            vec![format!("- run: {}", unrestrict())],
        )
        .at(Place::Ci)
        .untried(NO_RUNNER),
    ]
}

/// Modules that may not be loaded, or may not be there.
fn kernel(facts: &Facts, missing: &[&Finding]) -> Vec<Remedy> {
    // A refusal for want of rights is none of the kernel's configuration.
    let refused = |f: &&&Finding| !DENIALS.iter().any(|w| f.detail.contains(w));
    let mut modules: Vec<&str> = missing.iter().filter(refused).flat_map(|f| f.facility.modules()).copied().collect();
    let mut options: Vec<&str> = missing.iter().filter(refused).flat_map(|f| f.facility.options()).copied().collect();
    for list in [&mut modules, &mut options] {
        list.sort_unstable();
        list.dedup();
    }
    if modules.is_empty() {
        return vec![];
    }
    let place = if facts.restricting_container().is_some() { "on the host, " } else { "" };
    if facts.modules_disabled == Some(1) {
        let what = format!(
            "{place}load the kernel's modules at its start: none can be loaded now (kernel.modules_disabled is 1)"
        );
        let file = format!("printf '%s\\n' {} | sudo tee /etc/modules-load.d/natlab.conf", modules.join(" "));
        return vec![Remedy::here(what, vec![file]).untried(NO_SUCH_KERNEL)];
    }
    let load = format!("sudo modprobe -a {}", modules.join(" "));
    vec![
        Remedy::here(
            format!(
                "{place}load the kernel's modules; where they are missing, use a kernel with {}",
                options.join(", ")
            ),
            vec![load],
        )
        .untried(NO_SUCH_KERNEL),
    ]
}

#[cfg(test)]
mod tests;
