//! Conformance of NATs for people, as a checklist, and for programs.

#[cfg(test)]
mod tests;

use super::Look;
use super::human::paint::{Paint, Tone};
use super::human::text::wrap;
use crate::conformance::{Axis, AxisVerdict, Conclusion, Conformance, Requirement, Status};

/// Where the text of a requirement begins.
const ASKS: usize = 25;
/// Columns of the names and of the declared values of axes.
const AXIS: usize = 24;
const VALUE: usize = 18;
/// What a title of a document is followed by.
const DOCUMENTS: [(u16, &str); 3] = [(4787, "RFC 4787, UDP"), (5382, "RFC 5382, TCP"), (5508, "RFC 5508, ICMP")];

/// All of them as an array, indented, ending with a newline.
pub fn json(all: &[Conformance]) -> String {
    // Keys are strings and every number is finite, so writing cannot fail; were it to, the text would be JSON that says so.
    let mut text = serde_json::to_string_pretty(all).unwrap_or_else(|e| {
        serde_json::json!({ "error": format!("the report could not be written: {e}") }).to_string()
    });
    text.push('\n');
    text
}

/// A checklist for each, and a summary of several.
pub fn human(all: &[Conformance], look: &Look) -> String {
    let mut page = Page { paint: Paint { colour: look.colour }, width: look.width, text: String::new() };
    for c in all {
        if !look.quiet {
            page.subject(c);
        } else if c.conclusion != Conclusion::AsDeclared {
            page.title(c);
            page.axes(c, true);
            page.notes(c);
            page.line(0, "");
        }
    }
    if all.len() > 1 && !(look.quiet && all.iter().all(|c| c.conclusion == Conclusion::AsDeclared)) {
        page.summary(all);
    }
    page.text
}

struct Page {
    paint: Paint,
    width: usize,
    text: String,
}

fn verdict_words(v: AxisVerdict) -> &'static str {
    match v {
        AxisVerdict::AsDeclared => "✓ as declared",
        AxisVerdict::Different => "✗ different",
        AxisVerdict::Undecided => "? undecided",
        AxisVerdict::NotApplicable => "- not applicable",
    }
}

fn verdict_tone(v: AxisVerdict) -> Tone {
    match v {
        AxisVerdict::AsDeclared => Tone::Good,
        AxisVerdict::Different => Tone::Bad,
        AxisVerdict::Undecided => Tone::Doubt,
        AxisVerdict::NotApplicable => Tone::Dim,
    }
}

fn status_words(s: Status) -> &'static str {
    match s {
        Status::Pass => "✓ pass",
        Status::Fail => "✗ fail",
        Status::NotApplicable => "- n/a",
        Status::Undecided => "? undec.",
    }
}

fn status_tone(s: Status) -> Tone {
    match s {
        Status::Pass => Tone::Good,
        Status::Fail => Tone::Bad,
        Status::Undecided => Tone::Doubt,
        Status::NotApplicable => Tone::Dim,
    }
}

fn conclusion(c: Conclusion) -> (Tone, &'static str) {
    match c {
        Conclusion::AsDeclared => (Tone::Good, "✓ as declared"),
        Conclusion::Undecided => (Tone::Doubt, "? undecided"),
        Conclusion::Different => (Tone::Bad, "✗ not as declared"),
    }
}

/// How many requirements have this status: `met`, `missed` and so on.
fn count(c: &Conformance, status: Status) -> usize {
    c.requirements.iter().filter(|r| r.status == status).count()
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        let line = format!("{:indent$}{text}", "");
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn wrapped(&mut self, indent: usize, tone: Tone, text: &str) {
        for line in wrap(text, self.width.saturating_sub(indent)) {
            let line = self.paint.tone(tone, &line);
            self.line(indent, &line);
        }
    }

    fn subject(&mut self, c: &Conformance) {
        self.title(c);
        self.axes(c, false);
        for (rfc, title) in DOCUMENTS {
            self.line(0, "");
            let title = self.paint.tone(Tone::Strong, title);
            self.line(2, &title);
            for r in c.requirements.iter().filter(|r| r.rfc == rfc) {
                self.requirement(r);
            }
        }
        self.notes(c);
        self.line(0, "");
    }

    fn title(&mut self, c: &Conformance) {
        let (tone, words) = conclusion(c.conclusion);
        let name = self.paint.tone(Tone::Strong, &c.name);
        let words = self.paint.tone(tone, words);
        self.line(0, &format!("{name}  {}  {words}", c.summary));
    }

    /// Every axis, or those that are not as declared.
    fn axes(&mut self, c: &Conformance, only_trouble: bool) {
        self.line(2, &format!("{:AXIS$}{:VALUE$}{:VALUE$}", "axis", "declared", "measured"));
        for a in &c.axes {
            let trouble = matches!(a.verdict, AxisVerdict::Different | AxisVerdict::Undecided);
            if trouble || !only_trouble {
                self.axis(a);
            }
        }
    }

    fn axis(&mut self, a: &Axis) {
        let tone = verdict_tone(a.verdict);
        let words = self.paint.tone(tone, verdict_words(a.verdict));
        let measured = a.measured.as_deref().unwrap_or("-");
        let fits = |text: &str, columns: usize| text.chars().count() < columns;
        let name = a.gateway.as_ref().map_or_else(|| a.axis.to_owned(), |gateway| format!("{} of {gateway}", a.axis));
        if fits(&name, AXIS) && fits(&a.declared, VALUE) && fits(measured, VALUE) {
            self.line(2, &format!("{name:AXIS$}{:VALUE$}{measured:VALUE$}{words}", a.declared));
        } else {
            // Long ones stand below each other.
            self.line(2, &format!("{name:<width$} {words}", width = AXIS - 1));
            self.wrapped(6, Tone::Plain, &format!("declared: {}", a.declared));
            self.wrapped(6, Tone::Plain, &format!("measured: {measured}"));
        }
        self.wrapped(6, Tone::Dim, &a.how);
    }

    fn requirement(&mut self, r: &Requirement) {
        let status = self.paint.tone(status_tone(r.status), &format!("{:9}", status_words(r.status)));
        let level = match r.level {
            crate::conformance::Level::Must => "MUST",
            crate::conformance::Level::Should => "SHOULD",
            crate::conformance::Level::May => "MAY",
        };
        let lines = wrap(r.asks, self.width.saturating_sub(ASKS + 2));
        for (n, asks) in lines.iter().enumerate() {
            if n == 0 {
                self.line(2, &format!("{:8}{level:8}{status}{asks}", r.number));
            } else {
                self.line(2 + ASKS, asks);
            }
        }
        self.wrapped(2 + ASKS, Tone::Dim, &r.how);
    }

    fn notes(&mut self, c: &Conformance) {
        for note in &c.notes {
            self.wrapped(2, Tone::Doubt, &format!("note: {note}"));
        }
    }

    fn summary(&mut self, all: &[Conformance]) {
        let names = all.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).min(36);
        for c in all {
            let (tone, words) = conclusion(c.conclusion);
            let words = self.paint.tone(tone, words);
            let (met, missed) = (count(c, Status::Pass), count(c, Status::Fail));
            let other = match count(c, Status::Undecided) {
                0 => String::new(),
                n => format!(", {n} undecided"),
            };
            let counted = format!("{met} requirements met, {missed} missed{other}");
            self.line(0, &format!("{:names$}  {words}  {counted}", c.name));
        }
        let of = |k: Conclusion| all.iter().filter(|c| c.conclusion == k).count();
        let parts = [
            (of(Conclusion::AsDeclared), "as declared"),
            (of(Conclusion::Different), "not as declared"),
            (of(Conclusion::Undecided), "undecided"),
        ];
        let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        self.line(0, &format!("\n{} NATs: {}", all.len(), parts.join(", ")));
    }
}
