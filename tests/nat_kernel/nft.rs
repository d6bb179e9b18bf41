//! The batch that natlab sends against its own text through the `nft` program: the kernel must hold the same.

use std::io::Write;
use std::process::{Command, Stdio};

use natlab::nat::rules;
use natlab::nat::{
    Behavior, Filtering, Hairpinning, IcmpErrors, Mapping, Pooling, PortAssignment, Refresh, Semantics,
    SimultaneousOpen, Tcp, Translation, UdpPolicy, Unsolicited, UnsolicitedSyn,
};
use natlab::plan::Gateway;

use crate::behaviors::nine;
use crate::fixed::{forwards, pairs};
use crate::lab::{EXTERNAL, Home, Node, gateway};

/// Why the comparison cannot be made here, if so.
pub fn missing() -> Option<&'static str> {
    match Command::new("nft").arg("--version").stdout(Stdio::null()).status() {
        Ok(status) if status.success() => None,
        _ => Some("the nft program is not installed"),
    }
}

fn nft(node: &Node, arguments: &[&str], input: &str) -> String {
    let run = || -> std::io::Result<std::process::Output> {
        let mut child = Command::new("nft")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().expect("a pipe").write_all(input.as_bytes())?;
        child.wait_with_output()
    };
    let output = node.netns.run(run).expect("enter the namespace").expect("run nft");
    assert!(output.status.success(), "{}\n{input}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Expressions, chains and comments, in order. Names of the expressions of sets differ with how they were made, so lines of
/// sets are left out; the packets of the other tests go through them.
fn held(node: &Node) -> Vec<String> {
    let listing = nft(node, &["--debug=netlink", "list", "table", "ip", rules::TABLE], "");
    let comment = |l: &str| l.split_once(" comment ").map(|(_, c)| c.to_owned());
    listing
        .lines()
        .filter_map(|l| {
            let expression = l.starts_with("  [");
            let chain = l.contains("chain ") || l.contains("type nat hook") || l.contains("type filter hook");
            // What passed meanwhile, such as a connection of another test that tries again, is no difference.
            let rule = l.trim().split(" pkts ").next().unwrap_or_default();
            if expression || chain { Some(rule.to_owned()) } else { comment(l) }
        })
        .collect()
}

pub fn netlink_and_text_mean_the_same(home: &mut Home) {
    let mut behaviors = vec![];
    for b in nine() {
        let more = [
            b,
            Behavior { semantics: Semantics::ReplyAffine, ..b },
            Behavior { ports: PortAssignment::Preserving, ..b },
            Behavior { hairpinning: Hairpinning::ExternalSource, ..b },
            Behavior { hairpinning: Hairpinning::InternalSource, ..b },
            Behavior { translation: Translation::None, ..b },
        ];
        behaviors.extend(more);
    }
    let b = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent);
    let masquerade = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    let tcp = Tcp {
        unsolicited: UnsolicitedSyn::Reset,
        simultaneous_open: SimultaneousOpen::Refused,
        ..Tcp::new(Mapping::AddressDependent, Filtering::AddressAndPortDependent)
    };
    behaviors.extend([
        Behavior { udp: UdpPolicy::Blocked, ..b },
        // ICMP errors of UDP that is not tracked are translated by rules for which nft has no syntax.
        Behavior { lifetime_ms: 400, ports: PortAssignment::Random, icmp_errors: IcmpErrors::Dropped, ..b },
        Behavior { refresh: Refresh::Outbound, icmp_errors: IcmpErrors::Dropped, ..b },
        Behavior { refresh: Refresh::Inbound, icmp_errors: IcmpErrors::Dropped, ..b },
        Behavior { ports: PortAssignment::Parity, ..b },
        Behavior { ports: PortAssignment::Sequential, port_block: Some(16), ..b },
        Behavior { ports: PortAssignment::Overloading, unsolicited: Unsolicited::Icmp, ..masquerade },
        Behavior { unsolicited: Unsolicited::Icmp, tcp: Some(tcp), ..b },
        Behavior { unsolicited: Unsolicited::Icmp, tcp: Some(tcp), ..Behavior::public(b.filtering) },
    ]);
    let pool = [2, 3, 4].map(|d| std::net::Ipv4Addr::new(203, 0, 113, d));
    let mut gateways: Vec<_> = behaviors.into_iter().map(|b| gateway(b, &[EXTERNAL])).collect();
    gateways.push(gateway(b, &pool));
    gateways.push(gateway(Behavior { pooling: Pooling::Arbitrary, ..b }, &pool));
    let hairpin = Behavior { hairpinning: Hairpinning::ExternalSource, ..b };
    gateways.push(Gateway { forwards: forwards(), ..gateway(hairpin, &[EXTERNAL]) });
    let whole = Behavior::one_to_one(b.filtering);
    gateways.push(Gateway { pairs: pairs().into(), forwards: forwards(), ..gateway(whole, &[EXTERNAL]) });
    let mut compared = 0;
    for g in gateways {
        home.load(&g);
        let text = rules::table(&g).to_string();
        nft(&home.hosts[0], &["-f", "-"], &text);
        let (native, through_nft) = (held(&home.gateway), held(&home.hosts[0]));
        let difference = native.iter().zip(&through_nft).find(|(a, b)| a != b);
        assert!(native == through_nft, "{}: {difference:?}", g.behavior);
        compared += native.len();
    }
    assert!(compared > 10_000, "only {compared} lines were compared");
    nft(&home.hosts[0], &["delete", "table", "ip", rules::TABLE], "");
}
