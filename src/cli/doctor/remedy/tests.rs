#![allow(clippy::unwrap_used)]
use super::*;
use crate::lab::preflight::Facility;

const PROGRAM: &str = "/opt/natlab";

fn refused(way: Way, why: &str) -> Vec<(Way, String)> {
    vec![(way, why.to_owned())]
}

fn ordinary() -> Facts {
    Facts { uid: 1000, user_namespaces: true, first_user_namespace: true, seccomp: Some(0), ..Facts::default() }
}

fn lines(all: &[Remedy]) -> String {
    all.iter().flat_map(|r| &r.lines).map(|l| format!("{l}\n")).collect()
}

fn missing(facility: Facility, detail: &str) -> Finding {
    Finding { facility, state: State::Missing, detail: detail.to_owned() }
}

#[test]
fn nothing_refused_needs_no_remedy() {
    let fine = Finding { facility: Facility::Nat, state: State::Ok, detail: String::new() };
    assert_eq!(remedies(&ordinary(), &[], std::slice::from_ref(&fine), PROGRAM), []);
    let plain = refused(Way::UserNamespace, "unshare(user, mount, net, pid): Operation not permitted");
    assert_eq!(remedies(&Facts { uid: 0, ..ordinary() }, &plain, &[fine], PROGRAM), [], "plain root works");
}

#[test]
fn a_limit_of_nothing_is_raised() {
    let facts = Facts { max_user_namespaces: Some(0), ..ordinary() };
    let all = remedies(&facts, &refused(Way::UserNamespace, "No space left on device"), &[], PROGRAM);
    assert_eq!(all.len(), 1, "root has the same limit: {all:?}");
    assert_eq!(all[0].lines[0], "sudo sysctl -w user.max_user_namespaces=15000");
}

#[test]
fn a_limit_that_is_used_up_is_raised_too() {
    let facts = Facts { max_user_namespaces: Some(10), ..ordinary() };
    let all = remedies(&facts, &refused(Way::UserNamespace, "unshare: No space left on device"), &[], PROGRAM);
    assert!(all[0].what.contains("used up"), "{all:?}");
    let found = missing(Facility::NetworkNamespaces, "Failed to unshare, ENOSPC: No space left on device");
    let inside = remedies(&facts, &[], &[found], PROGRAM);
    assert_eq!(inside, all, "no module is missing");
}

#[test]
fn debian_and_ubuntu_have_switches_of_their_own() {
    let debian = Facts { unprivileged_userns_clone: Some(0), ..ordinary() };
    let all = remedies(&debian, &refused(Way::UserNamespace, "Operation not permitted"), &[], PROGRAM);
    assert!(lines(&all).starts_with("sudo sysctl -w kernel.unprivileged_userns_clone=1\n"), "{all:?}");

    let ubuntu = Facts { apparmor_restrict_unprivileged_userns: Some(1), ..ordinary() };
    let all = remedies(&ubuntu, &refused(Way::UserNamespace, "making mounts private: Permission denied"), &[], PROGRAM);
    let text = lines(&all);
    assert!(text.contains("profile natlab \"/opt/natlab\" flags=(unconfined) {\n  userns,\n}\n"), "{text}");
    assert!(text.contains("- run: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0\n"), "{text}");
    assert!(all.iter().filter(|r| r.what.contains("AppArmor") || r.place == Place::Ci).all(|r| r.untried.is_some()));

    let root = Facts { uid: 0, capabilities: Some(u64::MAX), ..ubuntu };
    let all = remedies(&root, &refused(Way::PlainRoot, "Operation not permitted"), &[], PROGRAM);
    assert!(!lines(&all).contains("apparmor"), "it does not restrict root: {all:?}");
}

#[test]
fn docker_gets_options_and_is_said_to_be_untried() {
    let docker = Facts { container: Some("docker".into()), seccomp: Some(2), uid: 0, ..ordinary() };
    let all = remedies(&docker, &refused(Way::UserNamespace, "Operation not permitted"), &[], PROGRAM);
    let text = lines(&all);
    for option in
        ["--cap-add SYS_ADMIN", "--cap-add NET_ADMIN", "apparmor=unconfined", "systempaths=unconfined", "--privileged"]
    {
        assert!(text.contains(option), "{option} in {text}");
    }
    assert!(!text.contains("sysctl"), "the host is not known to restrict anything: {text}");
    assert!(all.iter().all(|r| r.untried.is_some() && r.place == Place::Container));
    let on_ubuntu = Facts { apparmor_restrict_unprivileged_userns: Some(1), ..docker };
    let all = remedies(&on_ubuntu, &refused(Way::UserNamespace, "Operation not permitted"), &[], PROGRAM);
    assert!(lines(&all).contains("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"));
}

#[test]
fn a_container_whose_settings_cannot_be_written_gets_options_too() {
    let docker = Facts { container: Some("docker".into()), settings_read_only: true, ..ordinary() };
    let found = missing(Facility::Settings, "/proc/sys/net/ipv4/ip_forward: Read-only file system (os error 30)");
    let all = remedies(&docker, &[], &[found], PROGRAM);
    assert!(lines(&all).contains("systempaths=unconfined"));
    assert!(!lines(&all).contains("modprobe"));
}

#[test]
fn a_covered_proc_outside_of_a_container_is_a_policy_of_the_unit() {
    let facts = Facts { proc_masked: true, ..ordinary() };
    let why = "mounting a /proc of its own: Operation not permitted";
    assert!(
        lines(&remedies(&facts, &refused(Way::UserNamespace, why), &[], PROGRAM)).contains("ProtectKernelTunables=no")
    );
}

#[test]
fn a_kernel_without_modules_is_told_which() {
    let found = [
        missing(Facility::Hashing, "load nftables table hashing: No such file or directory"),
        missing(Facility::Nat, "load nftables table natlab: No such file or directory"),
    ];
    let all = remedies(&ordinary(), &[], &found, PROGRAM);
    assert_eq!(all.len(), 1);
    assert!(all[0].lines[0].starts_with("sudo modprobe -a nf_tables nft_chain_nat"), "{all:?}");
    assert_eq!(all[0].lines[0].matches("nft_hash").count(), 1);
    assert!(all[0].what.contains("CONFIG_NFT_HASH"));
    let sealed = Facts { modules_disabled: Some(1), ..ordinary() };
    assert!(lines(&remedies(&sealed, &[], &found, PROGRAM)).contains("/etc/modules-load.d/natlab.conf"));
}

#[test]
fn a_kernel_without_egress_hooks_runs_what_loses_nothing_on_the_way_in() {
    let limited = Finding {
        state: State::Limited,
        ..missing(Facility::LossDown, "load nftables table: Operation not supported")
    };
    let all = remedies(&ordinary(), &[], std::slice::from_ref(&limited), PROGRAM);
    assert_eq!(all.iter().map(|r| r.lines.join("; ")).collect::<Vec<_>>(), ["sudo modprobe -a nf_tables nft_numgen"]);
    assert!(all[0].what.contains("CONFIG_NETFILTER_EGRESS") && !all[0].what.contains("INGRESS"), "{all:?}");
    assert!(limited.facility.needed_for().contains("`loss`"));
}

#[test]
fn root_without_its_rights_and_a_refusal_without_a_reason() {
    let weak = Facts { uid: 0, capabilities: Some(1 << NET_ADMIN), ..ordinary() };
    let all = remedies(&weak, &refused(Way::PlainRoot, "Operation not permitted"), &[], PROGRAM);
    assert!(all[0].what.contains("CAP_SYS_ADMIN, CAP_NET_RAW missing"), "{all:?}");
    let unknown = remedies(&ordinary(), &refused(Way::UserNamespace, "Operation not permitted"), &[], PROGRAM);
    assert!(unknown[0].what.contains("chroot"), "{unknown:?}");
    assert!(lines(&unknown).contains("sudo /opt/natlab"));
}
