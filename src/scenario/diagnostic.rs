//! What is wrong with a scenario, as data, and its rendering for people in the manner of rustc. Pure.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// Problems that are printed; of the others only the number is.
pub const SHOWN: usize = 50;
/// Longest line that is shown with the offending text underlined, in bytes.
const LONGEST_LINE: usize = 16 << 10;
/// Most lines of one problem that are shown.
const MOST_LINES: usize = 8;

/// One mistake in a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong: a lowercase fragment.
    pub message: String,
    /// File it is in, as the user named it.
    pub file: Box<str>,
    /// Bytes of the text it is about; none: the file as a whole.
    pub span: Option<Range<usize>>,
    /// A few words beside the underlined text.
    pub label: Option<String>,
    /// Another place that has to do with it, and what.
    pub related: Option<Box<(Range<usize>, String)>>,
    /// What to do about it, with the nearest valid name where there is one.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn new(file: &str, message: impl Into<String>) -> Self {
        Problem { message: message.into(), file: file.into(), span: None, label: None, related: None, help: None }
    }

    /// The file could not be read: missing, a directory, no permission. `reason` is the system's.
    pub fn unreadable(file: &str, reason: impl std::fmt::Display) -> Self {
        Problem::new(file, format!("cannot read {file}: {reason}"))
    }

    /// The same problem about this part of the text.
    #[must_use]
    pub fn at(mut self, span: Option<Range<usize>>) -> Self {
        self.span = span;
        self
    }

    /// The same problem with a few words beside the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same problem with a word of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same problem pointing at another place as well.
    #[must_use]
    pub fn related(mut self, place: Option<Range<usize>>, what: impl Into<String>) -> Self {
        self.related = place.map(|place| Box::new((place, what.into())));
        self
    }
}

/// The candidate that `word` was probably meant to be: the distance and the threshold that clap has for its own
/// arguments.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (likeness(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// How alike two names are, from 0 to 1; letter case and `_` for `-` make no difference.
pub fn likeness(a: &str, b: &str) -> f64 {
    let plain = |s: &str| s.to_lowercase().replace('_', "-");
    strsim::jaro(&plain(a), &plain(b))
}

/// The problems as text: `file:line:column`, the offending text underlined, help; at most [`SHOWN`] of them. `text` is
/// the file's content as it was given to [`super::parse`]; `width` the columns of the terminal.
pub fn render(problems: &[Problem], text: &[u8], color: bool, width: usize) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.term_width(width.max(40));
    let text = printable(text);
    let mut out = String::new();
    for problem in problems.iter().take(SHOWN) {
        out.push_str(&one(problem, &text, &renderer));
        out.push_str("\n\n");
    }
    if problems.len() > SHOWN {
        out.push_str(&format!("... and {} more\n", problems.len() - SHOWN));
    } else if out.ends_with("\n\n") {
        out.pop();
    }
    out
}

fn one(problem: &Problem, text: &str, renderer: &Renderer) -> String {
    let message = shown(&problem.message);
    let label = problem.label.as_deref().map(shown);
    let help = problem.help.as_deref().map(shown);
    let file = shown(&problem.file);
    let related = problem.related.as_deref().map(|(place, what)| (place.clone(), shown(what)));

    // What could not be read names its file itself.
    let alone = problem.span.is_none() && message.contains(&file);
    let title = Level::ERROR.primary_title(message.as_str());
    let mut group: Group<'_> = match problem.span.as_ref().map(|span| within(text, span)) {
        None if alone => Group::with_title(title),
        None => title.element(Origin::path(file)),
        Some(span) => {
            let lines = lines_around(text, &span);
            let shown = &text[lines.clone()];
            let (line, column) = line_and_column(text, span.start);
            // Of very long lines and long passages only the place is given: the text would say nothing.
            if shown.lines().any(|l| l.len() > LONGEST_LINE) || shown.lines().count() > MOST_LINES {
                let place = title.element(Origin::path(file).line(line).char_column(column));
                match label {
                    Some(label) => place.element(Level::NOTE.message(label)),
                    None => place,
                }
            } else {
                // A window keeps the cost of one problem independent of the size of the file.
                let window = match &related {
                    Some((other, _)) => {
                        let other = lines_around(text, &within(text, other));
                        let both = lines.start.min(other.start)..lines.end.max(other.end);
                        if text[both.clone()].len() > 2 * LONGEST_LINE { lines.clone() } else { both }
                    }
                    None => lines.clone(),
                };
                let moved = |r: Range<usize>| r.start - window.start..r.end - window.start;
                let mut snippet = Snippet::source(text[window.clone()].to_owned())
                    .line_start(line_and_column(text, window.start).0)
                    .path(file)
                    .annotation(AnnotationKind::Primary.span(moved(span)).label(label));
                if let Some((other, what)) = related {
                    let other = within(text, &other);
                    if window.start <= other.start && other.end <= window.end {
                        snippet = snippet.annotation(AnnotationKind::Context.span(moved(other)).label(what));
                    }
                }
                title.element(snippet)
            }
        }
    };
    match help {
        // Without anything to point at, help has nothing to hang on and stands by itself.
        Some(help) if alone => {
            let help = Group::with_title(Level::HELP.secondary_title(help));
            format!("{}\n{}", renderer.render(&[group]), renderer.render(&[help]))
        }
        Some(help) => {
            group = group.element(Level::HELP.message(help));
            renderer.render(&[group])
        }
        None => renderer.render(&[group]),
    }
}

/// The text with every byte that is not UTF-8 as `?`, so that offsets stay.
fn printable(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '?'));
    }
    out
}

/// Names come from the file: what would move a terminal's cursor is spelled out.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// The span moved into the text and onto character boundaries.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// The whole lines that a span touches, without the last newline.
fn lines_around(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at);
    start..end
}

/// Line and column of a byte, both from 1; columns count characters.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let at = within(text, &(at..at)).start;
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.bytes().filter(|b| *b == b'\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests;
