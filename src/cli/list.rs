//! `natlab list`: what can be named on the command line and in scenarios.

use std::io::{self, Write};

use super::exit::Exit;
use crate::nat::preset;

/// Prints the presets.
pub fn run(out: &mut impl Write) -> Exit {
    super::output::written(presets(out).and_then(|()| out.flush()))
}

fn presets(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "presets (`preset = \"…\"` in a scenario; `natlab rules PRESET` shows the rules)")?;
    let width = preset::ALL.iter().map(|p| p.name.len()).max().unwrap_or(0);
    for p in &preset::ALL {
        writeln!(out, "  {:width$}  {}", p.name, p.summary)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_preset_has_a_line() {
        let mut out = vec![];
        assert_eq!(run(&mut out), Exit::Success);
        let out = String::from_utf8(out).unwrap();
        for p in &preset::ALL {
            assert!(out.lines().any(|l| l.contains(p.name) && l.contains(p.summary)), "{out}");
        }
    }
}
