//! What this host can run, found by doing it: a tiny lab is built with the very functions that labs are built with, one
//! facility after the other. Nothing is assumed from versions or configurations.
//!
//! Runs inside the inner process ([`examine`]); [`facts`] are read by the outer one and only explain refusals.

pub mod facility;
pub mod facts;
mod lab;
pub mod tables;

use std::error::Error;
use std::fs;
use std::path::Path;

pub use facility::{Facility, Finding, State, refused, sufficient};
pub use facts::Facts;

use crate::nft::loss::Course;
use lab::TinyLab;

/// Tries everything; `home` is the private directory of the inner process, `notes` what it found while it settled.
pub async fn examine(home: &Path, notes: &[String]) -> Vec<Finding> {
    let mut examination = Examination::default();
    let directory = home.join("nodes").join("preflight");
    match TinyLab::create(&directory).await {
        Ok(lab) => {
            examination.note(Facility::NetworkNamespaces, Ok(format!("{} made and entered", TinyLab::NODES)));
            try_lab(&lab, &mut examination).await;
            if let Err(e) = lab.remove() {
                examination.note(Facility::NetworkNamespaces, Err(e));
            }
        }
        Err(why) => examination.note(Facility::NetworkNamespaces, Err(why)),
    }
    examination.note(Facility::PrivateProc, private_proc());
    examination.note(Facility::NameService, private_name_service(home, notes));
    examination.finish()
}

async fn try_lab(lab: &TinyLab, examination: &mut Examination) {
    examination.note(Facility::Settings, lab.settings());
    examination.note(Facility::Links, lab.links().await);
    examination.note(Facility::Bridges, lab.bridge().await);
    for (facility, table) in tables::pieces() {
        examination.note(facility, lab.piece(&table).await);
    }
    // Up is towards the Internet, where the loss is.
    for (facility, course) in [(Facility::LossUp, Course::In), (Facility::LossDown, Course::Out)] {
        examination.note(facility, lab.loss(course).await);
    }
    examination.note(Facility::Nat, lab.nat().await);
    if examination.works(Facility::Nat) {
        examination.note(Facility::TrackingTimeouts, lab.tracking_timeouts());
    }
    examination.note(Facility::Tap, lab.tap());
    if [Facility::Links, Facility::Nat, Facility::Settings].into_iter().all(|f| examination.works(f)) {
        examination.note(Facility::Packets, lab.packets().await);
    }
    if examination.works(Facility::Packets) {
        examination.note(Facility::Counters, lab.counters().await);
    }
    examination.note(Facility::Flush, lab.flush().await);
}

/// Findings in the making.
#[derive(Debug, Default)]
struct Examination(Vec<Finding>);

impl Examination {
    fn note(&mut self, facility: Facility, tried: Result<String, String>) {
        let (state, detail) = match tried {
            Ok(detail) => (State::Ok, detail),
            Err(why) if facility.required() => (State::Missing, why),
            Err(why) => (State::Limited, why),
        };
        self.0.retain(|f| f.facility != facility);
        self.0.push(Finding { facility, state, detail });
    }

    fn works(&self, facility: Facility) -> bool {
        self.0.iter().any(|f| f.facility == facility && f.state == State::Ok)
    }

    /// In the order of [`Facility::ALL`]; what could not be tried is there too.
    fn finish(self) -> Vec<Finding> {
        let of = |facility| {
            let found = self.0.iter().find(|f| f.facility == facility).cloned();
            found.unwrap_or_else(|| Finding {
                facility,
                state: State::Untried,
                detail: "what it builds on is missing".to_owned(),
            })
        };
        Facility::ALL.into_iter().map(of).collect()
    }
}

/// This process is the first of its pid namespace, and a `/proc` of that namespace says so.
fn private_proc() -> Result<String, String> {
    let own = fs::read_link("/proc/self").map_err(|e| format!("reading /proc/self: {e}"))?;
    if own == Path::new("1") { Ok("mounted anew".to_owned()) } else { Err("it shows the host's processes".to_owned()) }
}

/// What stands in `/etc` is what was put there.
fn private_name_service(home: &Path, notes: &[String]) -> Result<String, String> {
    let wanted = fs::read(home.join("resolv.conf")).map_err(|e| format!("reading resolv.conf of the lab: {e}"))?;
    if let Some(note) = said(notes, "could not be replaced") {
        return Err(note);
    }
    match fs::read("/etc/resolv.conf") {
        Ok(seen) if seen == wanted => Ok("/etc/resolv.conf, hosts, nsswitch.conf".to_owned()),
        Ok(_) => Err("/etc/resolv.conf is still the host's".to_owned()),
        Err(e) => Ok(format!("the host has no /etc/resolv.conf ({e})")),
    }
}

fn said(notes: &[String], words: &str) -> Option<String> {
    notes.iter().find(|n| n.contains(words)).cloned()
}

/// An error with everything below it: the kernel's own words are at the bottom.
fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(e) = below {
        let more = e.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        below = e.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_told_and_the_last_word_counts() {
        let mut e = Examination::default();
        e.note(Facility::NetworkNamespaces, Ok("made".to_owned()));
        e.note(Facility::NetworkNamespaces, Err("not removed".to_owned()));
        e.note(Facility::Bridges, Err("Operation not supported".to_owned()));
        let findings = e.finish();
        assert_eq!(findings.len(), Facility::ALL.len());
        let state = |facility| findings.iter().find(|f| f.facility == facility).map(|f| f.state);
        assert_eq!(state(Facility::NetworkNamespaces), Some(State::Missing));
        assert_eq!(state(Facility::Bridges), Some(State::Limited));
        assert_eq!(state(Facility::Packets), Some(State::Untried));
    }

    #[test]
    fn the_kernels_words_come_last_and_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("load table")]
        struct Above(#[source] std::io::Error);
        let below = std::io::Error::other("No such file or directory");
        assert_eq!(words(&Above(below)), "load table: No such file or directory");
    }
}
