//! Renderers of a record, one file per format, and the capture format. Pure: a record and how it is to look go in, text comes
//! out; the command line writes it.

pub mod conformance;
pub mod human;
pub mod json;
pub mod junit;
pub mod pcapng;

use std::fmt;

use crate::record::Record;

/// How a record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables for people.
    #[default]
    Human,
    /// The whole record, as `docs/record.md` describes it.
    Json,
    /// JUnit XML, as CI servers read it.
    Junit,
}

/// How a report for people is to look. Formats for programs are always complete and never coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// SGR escape sequences may be used.
    pub colour: bool,
    /// Columns to fill.
    pub width: usize,
    /// Only what is not met; nothing at all when everything is.
    pub quiet: bool,
    /// Every candidate, every server's answer and every connectivity check.
    pub verbose: bool,
}

impl Look {
    /// A look; of `quiet` and `verbose` at most one is set, as the command line sees to.
    pub const fn of(colour: bool, width: usize, quiet: bool, verbose: bool) -> Look {
        Look { colour, width, quiet, verbose }
    }
}

impl Format {
    /// The record in this format, ending with a newline unless there is nothing to say.
    pub fn render(self, record: &Record, look: &Look) -> String {
        match self {
            Format::Human => human::render(record, look),
            Format::Json => json::render(record),
            Format::Junit => junit::render(record),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Human => "human",
            Format::Json => "json",
            Format::Junit => "junit",
        })
    }
}
