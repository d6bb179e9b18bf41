//! `natlab schema`: the JSON Schema of scenario files, for editors.

use std::io::{self, Write};

use clap::Args;

use super::exit::Exit;
use crate::scenario::schema;

/// What to print.
#[derive(Debug, Args)]
pub struct Options {
    /// The reference in Markdown instead, as docs/scenario.md has it.
    #[arg(long, hide = true)]
    pub docs: bool,
}

/// Prints the schema, or the reference made from it.
pub fn run(options: &Options, out: &mut impl Write) -> Exit {
    super::output::written(print(options, out).and_then(|()| out.flush()))
}

fn print(options: &Options, out: &mut impl Write) -> io::Result<()> {
    if options.docs {
        out.write_all(schema::reference::markdown().as_bytes())
    } else {
        writeln!(out, "{:#}", schema::json_schema())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_schema_is_json_and_the_reference_is_markdown() {
        let mut out = Vec::new();
        assert_eq!(run(&Options { docs: false }, &mut out), Exit::Success);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["title"], "natlab scenario");
        out.clear();
        assert_eq!(run(&Options { docs: true }, &mut out), Exit::Success);
        assert!(out.starts_with(b"# Scenario files\n"));
    }
}
