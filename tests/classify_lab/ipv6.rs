//! IPv4 and IPv6 side by side: a home whose gateway translates IPv4 and routes IPv6, as most do, with and without a stateful
//! firewall for the latter. The rules of natlab's NATs are for IPv4, so `nft` loads the firewall.

use std::error::Error;
use std::io::Write;
use std::net::Ipv6Addr;
use std::process::{Command, Output, Stdio};

use natlab::classification::{Family, FamilyFindings, MappingFound, Status};
use natlab::nat::{Behavior, Filtering, Mapping, Translation, UdpPolicy};
use nlink::netlink::addr::Ipv6Address;
use nlink::netlink::route::Ipv6Route;

use crate::client::{self, Said};
use crate::lab::{HOSTS, Home, Node, SERVERS};
use crate::place::{self, Server};

/// What is not reached from outside unless it was sent to.
const FIREWALL: &str = "table ip6 firewall {\n\
    chain forward {\n\
        type filter hook forward priority filter\n\
        ct state established,related accept\n\
        iifname \"wan0\" drop\n\
    }\n\
}\n";

/// Addresses of the Internet's servers.
const SERVERS6: [Ipv6Addr; 3] = [in_(2, 1), in_(2, 2), in_(2, 3)];
/// The host's.
const HOST6: Ipv6Addr = in_(1, 11);

/// A host of one of the prefixes (RFC 3849).
const fn in_(prefix: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, prefix, 0, 0, 0, 0, host)
}

/// Why these tests cannot run.
pub fn missing() -> Option<String> {
    let there = std::path::Path::new("/proc/sys/net/ipv6").exists();
    if there { place::missing("nft") } else { Some("this kernel has no IPv6".to_owned()) }
}

/// A home behind this NAT, with IPv6 besides.
fn home(b: Behavior) -> Home {
    let home = Home::build().expect("build the lab");
    home.become_gateway(b);
    home.rt.block_on(dual(&home)).expect("give it IPv6");
    home
}

async fn dual(home: &Home) -> Result<(), Box<dyn Error + Send + Sync>> {
    let Home { internet, gateway, hosts: [host, _], .. } = home;
    for node in [internet, gateway, host] {
        let set = |name: &str, value| std::fs::write(format!("/proc/sys/net/ipv6/conf/all/{name}"), value);
        // New namespaces have it as the host has it.
        node.netns.run(|| set("disable_ipv6", "0").and_then(|()| set("forwarding", "1")))??;
    }
    for server in SERVERS6 {
        address(internet, "lo", server, 128).await?;
    }
    address(internet, "home", in_(0, 1), 64).await?;
    address(gateway, "wan0", in_(0, 2), 64).await?;
    address(gateway, "br0", in_(1, 1), 64).await?;
    address(host, "eth0", HOST6, 64).await?;
    let everywhere = |via| Ipv6Route::new(Ipv6Addr::UNSPECIFIED, 0).gateway(via);
    host.route.add_route(everywhere(in_(1, 1))).await?;
    gateway.route.add_route(everywhere(in_(0, 1))).await?;
    Ok(internet.route.add_route(Ipv6Route::new(in_(1, 0), 64).gateway(in_(0, 2))).await?)
}

/// Nobody else has it, so there is nothing to detect, and it is there at once.
async fn address(node: &Node, interface: &str, address: Ipv6Addr, prefix: u8) -> Result<(), nlink::Error> {
    let link = node.route.get_link_by_name(interface).await?.expect("an interface of the lab");
    node.route.add_address(Ipv6Address::with_index(link.ifindex(), address, prefix).nodad()).await
}

/// The gateway begins to filter IPv6.
fn firewall(home: &Home) {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped());
    let mut nft = home.gateway.netns.run(move || command.spawn()).expect("enter the namespace").expect("start nft");
    nft.stdin.take().expect("a pipe").write_all(FIREWALL.as_bytes()).expect("write to nft");
    assert!(nft.wait().expect("the end of nft").success());
}

/// `natlab serve` in the Internet.
fn serve(home: &Home, arguments: &[&str]) -> Server {
    home.internet.netns.run(|| place::serve(arguments)).expect("enter the namespace")
}

/// STUN servers with RFC 5780 in both families.
fn servers(home: &Home) -> [Server; 2] {
    let [one, two, _] = SERVERS.map(|a| a.to_string());
    let [one6, two6, _] = SERVERS6.map(|a| a.to_string());
    [["stun", "--listen", &one, "--listen", &two], ["stun", "--listen", &one6, "--listen", &two6]]
        .map(|arguments| serve(home, &arguments))
}

/// What it says of each family, which must be there.
fn both(said: &Said) -> [&FamilyFindings; 2] {
    let report = said.report.as_ref().unwrap_or_else(|| panic!("no report: {}", said.text));
    let [v4, v6] = &report.families[..] else { panic!("not two families: {}", said.text) };
    assert_eq!((v4.family, v6.family), (Family::Ipv4, Family::Ipv6), "{}", said.text);
    assert_eq!((v4.local, v6.local), (Some(HOSTS[0].into()), Some(HOST6.into())), "{}", said.text);
    [v4, v6]
}

/// Nothing is translated, and what comes in is filtered so.
fn untranslated(v6: &FamilyFindings, filtering: Filtering, text: &str) {
    assert_eq!(v6.udp.value, Some(UdpPolicy::Allowed), "{text}");
    assert_eq!(v6.translation.value, Some(Translation::None), "{text}");
    assert_eq!(v6.mapping.value, Some(MappingFound::EndpointIndependent), "{text}");
    assert_eq!(v6.filtering.value, Some(filtering), "{text}");
    assert_eq!(v6.external, [HOST6], "{text}");
    assert_eq!((v6.fragments.inbound.value, v6.fragments.outbound.value), (Some(true), Some(true)), "{text}");
    assert_eq!(v6.tcp.mapping.value, Some(MappingFound::EndpointIndependent), "{text}");
}

/// IPv4 is symmetric and IPv6 is open; then IPv4 is open and IPv6 is firewalled. Neither colours the other.
pub fn each_family_by_itself() {
    use Filtering::{AddressAndPortDependent as Apdf, EndpointIndependent as Eif};
    for (mapping, v4_filtering, v6_filtering, code) in
        [(Mapping::AddressAndPortDependent, Apdf, Eif, 10), (Mapping::EndpointIndependent, Eif, Apdf, 0)]
    {
        let home = home(Behavior::napt(mapping, v4_filtering));
        if v6_filtering == Apdf {
            firewall(&home);
        }
        let _servers = servers(&home);
        let (one, one6) = (SERVERS[0].to_string(), SERVERS6[0].to_string());
        let said = client::classify(&home.hosts[0], &["--server", &one, "--server", &one6]);
        let [v4, v6] = both(&said);
        assert_eq!(v4.translation.value, Some(Translation::Napt), "{}", said.text);
        assert_eq!(v4.mapping.value, Some(MappingFound::from(mapping)), "{}", said.text);
        assert_eq!(v4.filtering.value, Some(v4_filtering), "{}", said.text);
        untranslated(v6, v6_filtering, &said.text);
        assert_eq!(said.code, Some(code), "{}", said.text);
        let roles = said.report.as_ref().unwrap().servers.iter().map(|s| (s.name.as_str(), s.role));
        let behavior = natlab::classification::ServerRole::Behavior;
        assert_eq!(roles.collect::<Vec<_>>(), [(one.as_str(), behavior), (one6.as_str(), behavior)], "{}", said.text);
    }
}

/// People read the same, a line for each family; who asks about one reads of one.
pub fn for_people() {
    let home = home(Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent));
    firewall(&home);
    let _servers = servers(&home);
    let (one, one6) = (SERVERS[0].to_string(), format!("[{}]:3478", SERVERS6[0]));
    let people = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_natlab"));
        command.args(["classify", "--no-port-mapping", "--server", &one, "--server", &one6]).args(more);
        let run = || command.env("COLUMNS", "80").stdin(Stdio::null()).output();
        let Output { status, stdout, .. } = home.hosts[0].netns.run(run).expect("enter").expect("natlab");
        (status.code(), String::from_utf8(stdout).expect("text"))
    };
    let (both, v6) = std::thread::scope(|scope| {
        let both = scope.spawn(|| people(&[]));
        let v6 = people(&["-6"]);
        (both.join().expect("a classification"), v6)
    });
    let (code, text) = both;
    let firewalled = "IPv6: no NAT, a firewall with APDF filtering";
    assert!(text.starts_with("IPv4: EIM/ADF (restricted cone): direct to "), "{text}");
    assert!(text.lines().any(|l| l.starts_with(firewalled)), "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = v6;
    assert!(text.starts_with(firewalled) && !text.contains("IPv4:"), "{text}");
    assert_eq!(code, Some(0), "{text}");
}

/// A relay on IPv6 tells filtering there, and why it tells none on IPv4 is said.
pub fn a_relay() {
    let home = home(Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent));
    firewall(&home);
    let [one6, two6, three6] = SERVERS6.map(|a| a.to_string());
    let [one, two, _] = SERVERS.map(|a| a.to_string());
    let login = ["--user", "u", "--password", "p"];
    let turn = [&["turn", "--listen", &three6], &login[..]].concat();
    let _turn = serve(&home, &turn);
    let _plain: Vec<Server> = [&one, &two, &one6, &two6].map(|a| serve(&home, &["stun", "--listen", a])).into();
    let at = format!("turn:[{three6}]");
    let asked = [&one, &two, &one6, &two6].into_iter().flat_map(|a| ["--server", a.as_str()]);
    let arguments: Vec<&str> = asked.chain(["--turn", &at]).chain(login).collect();
    let said = client::classify(&home.hosts[0], &arguments);
    let [v4, v6] = both(&said);
    untranslated_by_relay(v6, &said.text);
    assert_eq!((v4.filtering.value, v4.filtering.status), (None, Status::Unsupported), "{}", said.text);
    let because = v4.filtering.because.as_deref().unwrap_or_default();
    assert!(because.contains(&format!("the relay of {at} is [{three6}]:")), "{because}");
}

fn untranslated_by_relay(v6: &FamilyFindings, text: &str) {
    untranslated(v6, Filtering::AddressAndPortDependent, text);
    assert!(v6.filtering.method.as_ref().is_some_and(|m| m.starts_with("TURN-assisted")), "{text}");
}

/// `natlab check` finds all well over IPv6, relay and alternates included; relays of a server that has none but IPv4 ones, too.
pub fn check() {
    let home = home(Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent));
    firewall(&home);
    let _stun = servers(&home);
    let [one, _, three] = SERVERS6.map(|a| a.to_string());
    let login = ["--user", "u", "--password", "p"];
    let _turn = serve(&home, &[&["turn", "--listen", &three], &login[..]].concat());
    let v4 = SERVERS[2].to_string();
    let elsewhere = ["turn", "--listen", &three, "--port", "3500", "--relay-address", &v4];
    let _elsewhere = serve(&home, &[&elsewhere, &login[..]].concat());
    let check = |arguments: &[&str]| home.hosts[0].netns.run(|| place::check(arguments)).expect("enter the namespace");
    let said = check(&[&format!("stun:[{one}]")]);
    assert_eq!(said.code, 0, "{}", said.text);
    for line in ["stun", "mapped", "alternates"] {
        said.assert("udp", line, "ok");
    }
    let said = check(&[&[format!("turn:[{three}]").as_str()], &login[..]].concat());
    assert_eq!(said.code, 0, "{}", said.text);
    for transport in ["udp", "tcp"] {
        for line in ["mapped", "allocate", "relay-address", "relay", "permissions", "channels", "refresh"] {
            said.assert(transport, line, "ok");
        }
    }
    let said = check(&[&[format!("turn:[{three}]:3500?transport=udp").as_str()], &login[..]].concat());
    assert_eq!(said.code, 0, "{}", said.text);
    said.assert("udp", "relay", "ok");
    assert!(said.text.contains(&format!("\"{v4}:")), "{}", said.text);
}
