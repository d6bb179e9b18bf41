//! Observations become a conclusion.

use super::axes::axes;
use super::found::Found;
use super::requirements::requirements;
use super::{AxisVerdict, Conclusion, Conformance, Observations, Subject};

/// Judges what was seen of a subject.
pub fn judge(subject: &Subject, seen: &Observations) -> Conformance {
    let found = Found::of(seen);
    let axes = axes(subject, &found, seen);
    let any = |verdict| axes.iter().any(|a| a.verdict == verdict);
    let conclusion = if any(AxisVerdict::Different) {
        Conclusion::Different
    } else if any(AxisVerdict::Undecided) {
        Conclusion::Undecided
    } else {
        Conclusion::AsDeclared
    };
    let declared = subject.declared();
    Conformance {
        name: subject.name.clone(),
        declared,
        summary: declared.to_string(),
        gateways: subject.gateways.iter().map(|g| g.name.clone()).collect(),
        conclusion,
        requirements: requirements(&found, seen),
        axes,
        notes: seen.failures.iter().chain(&seen.strays).cloned().collect(),
        drops: seen.drops.clone(),
    }
}
