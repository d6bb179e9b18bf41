//! `natlab rules PRESET`: the nftables rules of a behaviour, as text that `nft -f` accepts.

use std::io::{self, Write};
use std::net::Ipv4Addr;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use super::exit::Exit;
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping, PortAssignment, Semantics, Translation, preset, rules};
use crate::net::Network;
use crate::plan::Gateway;

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
    #[arg(long, value_parser = axis::<PortAssignment>(["preserving", "random"]))]
    pub ports: Option<PortAssignment>,
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
    let mut b: Behavior = p.behavior;
    if b.translation == Translation::None {
        let given = [
            ("--mapping", options.mapping.is_some()),
            ("--ports", options.ports.is_some()),
            ("--hairpinning", options.hairpinning.is_some()),
            ("--semantics", options.semantics.is_some()),
        ];
        if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
            return Err(format!("`{}` translates nothing, so {option} has no meaning for it", p.name));
        }
    }
    b.mapping = options.mapping.unwrap_or(b.mapping);
    b.filtering = options.filtering.unwrap_or(b.filtering);
    b.ports = options.ports.unwrap_or(b.ports);
    b.hairpinning = options.hairpinning.unwrap_or(b.hairpinning);
    b.semantics = options.semantics.unwrap_or(b.semantics);
    b.lifetime_ms = options.lifetime_ms.unwrap_or(b.lifetime_ms);
    Ok(Gateway {
        behavior: b,
        wan: options.wan.clone(),
        external: if b.translation.translates() { options.external.clone() } else { vec![] },
        inside: vec![Network::new(Ipv4Addr::new(192, 168, 1, 0), 24)],
        pairs: vec![],
        forwards: vec![],
        seed: options.seed,
        preset: Some(p.name.to_owned()),
    })
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
