//! `natlab rules PRESET`: the nftables rules of a behaviour, as text that `nft -f` accepts.

use std::io::{self, Write};
use std::net::Ipv4Addr;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use super::exit::Exit;
use crate::nat::{
    Behavior, Filtering, Hairpinning, IcmpErrors, Mapping, Pair, Pooling, PortAssignment, PortRange, Refresh,
    Semantics, SimultaneousOpen, Tcp, Translation, Unsolicited, UnsolicitedSyn, preset, rules,
};
use crate::net::Network;
use crate::plan::Gateway;

/// The first of the hosts inside that a 1:1 NAT is for.
const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);

/// A behaviour and where it stands. Without options: the preset's own, with documentation addresses.
#[derive(Debug, Args)]
pub struct Options {
    /// Name of a preset; `natlab list` shows them.
    pub preset: String,
    /// Another mapping (RFC 4787 §4.1).
    #[arg(long, value_parser = axis::<Mapping>(["eim", "adm", "apdm"]))]
    pub mapping: Option<Mapping>,
    /// Another filtering (RFC 4787 §5).
    #[arg(long, value_parser = axis::<Filtering>(["eif", "adf", "apdf"]))]
    pub filtering: Option<Filtering>,
    /// Another port assignment (RFC 4787 §4.2).
    #[arg(long, value_parser = axis::<PortAssignment>([
        "preserving", "parity", "sequential", "random", "overloading",
    ]))]
    pub ports: Option<PortAssignment>,
    /// Distance of sequential ports: 1, 2, -1 or -2.
    #[arg(long, allow_negative_numbers = true)]
    pub port_step: Option<i8>,
    /// Another range of ports, both ends included.
    #[arg(long, value_name = "FIRST-LAST", value_parser = range)]
    pub port_range: Option<PortRange>,
    /// So many ports for each inside host alone.
    #[arg(long, value_name = "PORTS", value_parser = clap::value_parser!(u16).range(1..))]
    pub port_block: Option<u16>,
    /// Which of several external addresses a mapping gets (RFC 4787 §4.1).
    #[arg(long, value_parser = axis::<Pooling>(["paired", "arbitrary"]))]
    pub pooling: Option<Pooling>,
    /// What keeps a UDP mapping alive (RFC 4787 §4.3).
    #[arg(long, value_parser = axis::<Refresh>(["outbound", "inbound", "both"]))]
    pub refresh: Option<Refresh>,
    /// What an unsolicited UDP packet gets.
    #[arg(long, value_parser = axis::<Unsolicited>(["dropped", "icmp"]))]
    pub unsolicited: Option<Unsolicited>,
    /// ICMP errors about packets of live mappings (RFC 5508 §4).
    #[arg(long, value_parser = axis::<IcmpErrors>(["translated", "dropped"]))]
    pub icmp_errors: Option<IcmpErrors>,
    /// Another mapping for TCP alone (RFC 5382 §4.1).
    #[arg(long, value_parser = axis::<Mapping>(["eim", "adm", "apdm"]))]
    pub tcp_mapping: Option<Mapping>,
    /// Another filtering for TCP alone (RFC 5382 §4.3).
    #[arg(long, value_parser = axis::<Filtering>(["eif", "adf", "apdf"]))]
    pub tcp_filtering: Option<Filtering>,
    /// What an unsolicited SYN gets (RFC 5382 §4.3).
    #[arg(long, value_parser = axis::<UnsolicitedSyn>(["dropped", "reset", "icmp"]))]
    pub tcp_unsolicited: Option<UnsolicitedSyn>,
    /// Whether two SYNs that cross make a connection (RFC 5382 §4.2).
    #[arg(long, value_parser = axis::<SimultaneousOpen>(["supported", "refused"]))]
    pub simultaneous_open: Option<SimultaneousOpen>,
    /// Another lifetime of idle connections.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub tcp_lifetime: Option<u64>,
    /// Another hairpinning (RFC 4787 §6).
    #[arg(long, value_parser = axis::<Hairpinning>(["none", "external-source", "internal-source"]))]
    pub hairpinning: Option<Hairpinning>,
    /// Whether answers to sessions from outside follow the mapping or the session.
    #[arg(long, value_parser = axis::<Semantics>(["strict", "reply-affine"]))]
    pub semantics: Option<Semantics>,
    /// Another lifetime of idle UDP mappings.
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub lifetime_ms: Option<u64>,
    /// External addresses; several make a pool.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = "203.0.113.2")]
    pub external: Vec<Ipv4Addr>,
    /// Interface towards the Internet.
    #[arg(long, value_name = "INTERFACE", default_value = "wan0", value_parser = interface)]
    pub wan: String,
    /// Of the list of ports.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// One of these words, read as scenarios read it.
fn axis<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: for<'de> Deserialize<'de> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| {
        let word: StrDeserializer<'_, Error> = word.as_str().into_deserializer();
        T::deserialize(word)
    })
}

/// Two ports with a dash between them.
fn range(text: &str) -> Result<PortRange, String> {
    let port = |p: &str| p.parse().map_err(|_| format!("`{p}` is not a port"));
    let (first, last) = text.split_once('-').ok_or("a range is two ports, such as 40000-40999")?;
    Ok(PortRange { first: port(first)?, last: port(last)? })
}

/// A name that Linux accepts for an interface and nft for a string.
fn interface(name: &str) -> Result<String, &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_@".contains(c);
    if name.is_empty() || name.len() > 15 || !name.chars().all(plain) {
        return Err("an interface name has 1 to 15 letters, digits and any of . - _ @");
    }
    Ok(name.to_owned())
}

/// Prints the rules to `out`, or what is wrong with the options to `err`.
pub fn run(options: &Options, out: &mut impl Write, err: &mut impl Write) -> Exit {
    let gateway = match gateway(options) {
        Ok(gateway) => gateway,
        Err(why) => {
            // Nobody reads stderr: there is nothing left to say it to.
            let _ = writeln!(err, "error: {why}");
            return Exit::Usage;
        }
    };
    super::output::written(print(&gateway, out))
}

fn print(gateway: &Gateway, out: &mut impl Write) -> io::Result<()> {
    let b = &gateway.behavior;
    if let Some(p) = gateway.preset.as_deref().and_then(preset::find).filter(|p| p.behavior == *b) {
        writeln!(out, "# {}: {}", p.name, p.summary)?;
        for evidence in p.evidence {
            writeln!(out, "# {}: {}", evidence.kind, evidence.says)?;
        }
    } else {
        writeln!(out, "# {b}")?;
    }
    let settings = rules::sysctls(gateway);
    for s in &settings {
        let unless = if s.optional { " # where it exists" } else { "" };
        writeln!(out, "# sysctl {}={}{unless}", s.name, s.value)?;
    }
    write!(out, "{}", rules::table(gateway))?;
    out.flush()
}

/// The gateway that the options describe.
fn gateway(options: &Options) -> Result<Gateway, String> {
    let Some(p) = preset::find(&options.preset) else {
        let hint = match preset::nearest(&options.preset) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "`natlab list` shows the presets".to_owned(),
        };
        return Err(format!("there is no preset `{}`\nhint: {hint}", options.preset));
    };
    let b = behavior(options, p.name, p.behavior)?;
    if let Some(refusal) = rules::refused(&b).first() {
        return Err(format!("{} cannot be had so: {}", refusal.axis, refusal.why));
    }
    let paired = b.translation == Translation::OneToOne;
    // One host inside for each address outside.
    let inside = (u32::from(HOST)..).map(Ipv4Addr::from);
    let pairs = options.external.iter().zip(inside).map(|(&external, inside)| Pair { external, inside });
    let pairs = pairs.filter(|_| paired).collect();
    Ok(Gateway {
        behavior: b,
        wan: options.wan.clone(),
        external: if b.translation.translates() { options.external.clone() } else { vec![] },
        inside: vec![Network::new(Ipv4Addr::new(192, 168, 1, 0), 24)],
        pairs,
        forwards: vec![],
        seed: options.seed,
        preset: Some(p.name.to_owned()),
    })
}

/// A preset's behaviour with what the options change.
fn behavior(options: &Options, name: &str, preset: Behavior) -> Result<Behavior, String> {
    let o = options;
    let ports = [
        ("--ports", o.ports.is_some()),
        ("--port-step", o.port_step.is_some()),
        ("--port-range", o.port_range.is_some()),
        ("--port-block", o.port_block.is_some()),
        ("--pooling", o.pooling.is_some()),
        ("--mapping", o.mapping.is_some()),
        ("--tcp-mapping", o.tcp_mapping.is_some()),
        ("--semantics", o.semantics.is_some()),
    ];
    let (fixed, why) = match preset.translation {
        Translation::None => (true, "translates nothing"),
        Translation::OneToOne => (true, "translates whole addresses"),
        Translation::Napt => (false, ""),
    };
    let hairpinning = [("--hairpinning", o.hairpinning.is_some() && preset.translation == Translation::None)];
    if let Some((option, _)) = ports.iter().filter(|_| fixed).chain(&hairpinning).find(|(_, given)| *given) {
        return Err(format!("`{name}` {why}, so {option} has no meaning for it"));
    }
    let tcp = preset.tcp();
    let of_tcp = Tcp {
        mapping: o.tcp_mapping.or(o.mapping).unwrap_or(tcp.mapping),
        filtering: o.tcp_filtering.or(o.filtering).unwrap_or(tcp.filtering),
        unsolicited: o.tcp_unsolicited.unwrap_or(tcp.unsolicited),
        simultaneous_open: o.simultaneous_open.unwrap_or(tcp.simultaneous_open),
        lifetime_ms: o.tcp_lifetime.map_or(tcp.lifetime_ms, |seconds| seconds * 1000),
    };
    let b = Behavior {
        mapping: o.mapping.unwrap_or(preset.mapping),
        filtering: o.filtering.unwrap_or(preset.filtering),
        ports: o.ports.unwrap_or(preset.ports),
        port_step: o.port_step.unwrap_or(preset.port_step),
        port_range: o.port_range.unwrap_or(preset.port_range),
        port_block: o.port_block.or(preset.port_block),
        pooling: o.pooling.unwrap_or(preset.pooling),
        hairpinning: o.hairpinning.unwrap_or(preset.hairpinning),
        semantics: o.semantics.unwrap_or(preset.semantics),
        lifetime_ms: o.lifetime_ms.unwrap_or(preset.lifetime_ms),
        refresh: o.refresh.unwrap_or(preset.refresh),
        unsolicited: o.unsolicited.unwrap_or(preset.unsolicited),
        icmp_errors: o.icmp_errors.unwrap_or(preset.icmp_errors),
        ..preset
    };
    // TCP as UDP is needs no table of its own.
    let usual = Behavior { tcp: None, ..b }.tcp() == of_tcp;
    Ok(Behavior { tcp: if usual { preset.tcp.map(|_| of_tcp) } else { Some(of_tcp) }, ..b })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn natlab_rules(line: &[&str]) -> (Exit, String, String) {
        let options = Line::try_parse_from(["rules"].iter().chain(line)).unwrap().options;
        let (mut out, mut err) = (vec![], vec![]);
        let exit = run(&options, &mut out, &mut err);
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn every_preset_is_printed() {
        for p in &preset::ALL {
            let (exit, out, err) = natlab_rules(&[p.name]);
            assert_eq!((exit, err.as_str()), (Exit::Success, ""));
            assert!(out.starts_with(&format!("# {}: {}\n", p.name, p.summary)), "{out}");
            assert!(out.contains("table ip natlab {"), "{out}");
        }
    }

    #[test]
    fn options_change_the_behaviour_and_are_said() {
        let line = ["symmetric", "--mapping", "adm", "--filtering", "eif", "--wan", "ppp0", "--external", "192.0.2.7"];
        let (exit, out, _) = natlab_rules(&line);
        assert_eq!(exit, Exit::Success);
        assert!(out.starts_with("# ADM/EIF\n"), "{out}");
        assert!(out.contains("chain zone") && out.contains("oifname \"ppp0\"") && out.contains("192.0.2.7"), "{out}");
        let (_, affine, _) = natlab_rules(&[line.as_slice(), &["--semantics", "reply-affine"]].concat());
        assert!(!affine.contains("chain zone"));
    }

    #[test]
    fn an_unknown_preset_is_an_error_with_the_nearest_name() {
        let (exit, out, err) = natlab_rules(&["symetric"]);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
        assert_eq!(err, "error: there is no preset `symetric`\nhint: did you mean `symmetric`?\n");
        let (_, _, err) = natlab_rules(&["xyzzy"]);
        assert_eq!(err, "error: there is no preset `xyzzy`\nhint: `natlab list` shows the presets\n");
    }

    #[test]
    fn options_without_meaning_are_refused() {
        let (exit, _, err) = natlab_rules(&["firewall", "--hairpinning", "none"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("so --hairpinning has no meaning"), "{err}");
        for line in [["rules", "symmetric", "--wan=a\"b"], ["rules", "symmetric", "--lifetime-ms=0"]] {
            assert!(Line::try_parse_from(line).is_err());
        }
    }

    #[test]
    fn every_axis_has_an_option() {
        let line = [
            "symmetric",
            "--ports=sequential",
            "--port-step=-2",
            "--port-range=40000-40015",
            "--external=203.0.113.2,203.0.113.3",
            "--pooling=arbitrary",
            "--refresh=outbound",
            "--unsolicited=icmp",
            "--icmp-errors=dropped",
            "--tcp-mapping=adm",
            "--tcp-filtering=adf",
            "--tcp-unsolicited=reset",
            "--simultaneous-open=refused",
            "--tcp-lifetime=60",
        ];
        let (exit, out, err) = natlab_rules(&line);
        assert_eq!((exit, err.as_str()), (Exit::Success, ""));
        for part in [
            "0 : 40015, 1 : 40013",
            "arbitrary, each new mapping the next",
            "counter reject with tcp reset",
            "icmp type port-unreachable",
            "icmp errors (RFC 5508 4): dropped",
            "simultaneous open (RFC 5382 4.2), tcp: refused",
            "nf_conntrack_tcp_timeout_established=60",
            "nf_conntrack_udp_timeout=0",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
        let (_, out, _) = natlab_rules(&["full-cone", "--ports=random", "--port-block=64"]);
        assert!(out.contains("no free block for another host"), "{out}");
    }

    #[test]
    fn what_the_kernel_cannot_do_is_refused() {
        let (exit, _, err) = natlab_rules(&["full-cone", "--ports=overloading"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.starts_with("error: filtering cannot be had so: an external port that several"), "{err}");
        assert!(Line::try_parse_from(["rules", "symmetric", "--port-range=1"]).is_err());
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let options = Line::try_parse_from(["rules", "symmetric"]).unwrap().options;
        assert_eq!(run(&options, &mut Closed, &mut vec![]), Exit::Success);
    }
}
