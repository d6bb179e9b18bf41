//! The checklists of RFC 4787, RFC 5382 and RFC 5508, each requirement with how it was tested.
//!
//! A requirement is judged by what was measured, whatever was declared: a preset may rightly break one.

mod icmp;
mod tcp;
mod udp;

use super::found::{Found, Is, Why};
use super::observations::Observations;
use super::{Level, Requirement, Status};

/// Every requirement.
pub fn requirements(found: &Found, o: &Observations) -> Vec<Requirement> {
    let asked = Asked { found, o };
    [udp::checklist(&asked), tcp::checklist(&asked), icmp::checklist(&asked)].into_iter().flatten().collect()
}

/// What requirements are judged by.
struct Asked<'a> {
    found: &'a Found,
    o: &'a Observations,
}

impl Asked<'_> {
    /// Whether nothing is translated, as far as could be seen.
    fn untranslated(&self) -> bool {
        self.o.external.is_empty()
    }
}

/// What came of a requirement, and how it was tested.
type Judged = (Status, String);

fn pass(how: impl Into<String>) -> Judged {
    (Status::Pass, how.into())
}

fn fail(how: impl Into<String>) -> Judged {
    (Status::Fail, how.into())
}

fn undecided(why: impl Into<String>) -> Judged {
    (Status::Undecided, why.into())
}

fn not_applicable(why: impl Into<String>) -> Judged {
    (Status::NotApplicable, why.into())
}

/// Pass or fail by what was found; why there is nothing found otherwise.
fn by<T>(found: &Is<T>, good: impl Fn(&T) -> bool, how: impl Fn(&T) -> String) -> Judged {
    match found {
        Ok(value) if good(value) => pass(how(value)),
        Ok(value) => fail(how(value)),
        Err(Why::Irregular(what)) => fail(what.clone()),
        Err(Why::Undecided(why)) => undecided(why.clone()),
        Err(Why::NoMeaning(why)) => not_applicable(why.clone()),
    }
}

/// Pass or fail by a fact that may not have been looked at.
fn fact(what: Option<bool>, yes: &str, no: &str) -> Judged {
    match what {
        Some(true) => pass(yes),
        Some(false) => fail(no),
        None => undecided("it was not looked at"),
    }
}

/// A row of a checklist.
fn requirement(rfc: u16, number: &'static str, level: Level, asks: &'static str, (status, how): Judged) -> Requirement {
    Requirement { rfc, number, level, asks, status, how }
}
