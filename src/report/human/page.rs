//! Lines as they come: indented, wrapped, labelled.

use super::paint::{Paint, Tone};
use super::table::Table;
use super::text::{plain, width, wrap, wrap_parts};

/// Where the text of labelled lines begins, after their indentation.
const LABEL: usize = 9;
/// How far the further lines of a headline stand to the right of its first one.
const HANGING: usize = 2;

/// A report that is being written.
#[derive(Debug)]
pub struct Page {
    paint: Paint,
    columns: usize,
    lines: Vec<String>,
}

impl Page {
    /// An empty page of so many columns.
    pub fn new(colour: bool, columns: usize) -> Page {
        Page { paint: Paint { colour }, columns, lines: Vec::new() }
    }

    /// Everything written, ending with a newline.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    /// An empty line, unless the last one is empty already or there is none.
    pub fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    /// A text that breaks between words.
    pub fn wrapped(&mut self, indent: usize, tone: Tone, text: &str) {
        for line in wrap(&plain(text), self.columns.saturating_sub(indent)) {
            self.line(indent, &self.paint.tone(tone, &line));
        }
    }

    /// Short texts with ` · ` between them, which break there.
    pub fn parts(&mut self, indent: usize, tone: Tone, parts: &[String]) {
        let parts: Vec<String> = parts.iter().map(|part| plain(part)).filter(|part| !part.is_empty()).collect();
        for line in wrap_parts(&parts, self.columns.saturating_sub(indent)) {
            self.line(indent, &self.paint.tone(tone, &line));
        }
    }

    /// A text that begins in a tone; further lines stand a little to the right.
    pub fn headline(&mut self, indent: usize, tone: Tone, head: &str, rest: &str) {
        let head = plain(head);
        let lines = wrap(&format!("{head} {}", plain(rest)), self.columns.saturating_sub(indent + HANGING));
        for (i, line) in lines.iter().enumerate() {
            match line.strip_prefix(&head) {
                Some(rest) if i == 0 => self.line(indent, &format!("{}{rest}", self.paint.tone(tone, &head))),
                // The head alone fills more than a line.
                _ if i == 0 => self.line(indent, line),
                _ => self.line(indent + HANGING, line),
            }
        }
    }

    /// A label, and a text beside it whose further lines stand below its first one.
    pub fn labelled(&mut self, indent: usize, label: &str, tone: Tone, text: &str) {
        let begin = LABEL.max(width(label) + 2);
        self.beside(indent, label, begin, tone, |columns| wrap(&plain(text), columns));
    }

    /// The same with a text that begins `begin` columns after the label does.
    pub fn labelled_from(&mut self, indent: usize, label: &str, begin: usize, tone: Tone, text: &str) {
        self.beside(indent, label, begin, tone, |columns| wrap(&plain(text), columns));
    }

    /// The same with parts, which begin `begin` columns after the label does.
    pub fn labelled_parts(&mut self, indent: usize, label: &str, begin: usize, tone: Tone, parts: &[String]) {
        let parts: Vec<String> = parts.iter().map(|part| plain(part)).filter(|part| !part.is_empty()).collect();
        self.beside(indent, label, begin, tone, |columns| wrap_parts(&parts, columns));
    }

    /// A table.
    pub fn table(&mut self, indent: usize, table: &Table) {
        for line in table.lines(self.columns.saturating_sub(indent), self.paint) {
            self.line(indent, &line);
        }
    }

    fn beside(
        &mut self,
        indent: usize,
        label: &str,
        begin: usize,
        tone: Tone,
        lines: impl FnOnce(usize) -> Vec<String>,
    ) {
        let room = self.columns.saturating_sub(indent);
        if begin > room / 2 {
            // Beside such a label there is no room for a text.
            self.wrapped(indent, Tone::Dim, label);
            for line in lines(room.saturating_sub(HANGING)) {
                self.line(indent + HANGING, &self.paint.tone(tone, &line));
            }
            return;
        }
        let label = plain(label);
        let mut head = self.paint.tone(Tone::Dim, &label);
        head.push_str(&" ".repeat(begin.saturating_sub(width(&label))));
        for line in lines(room.saturating_sub(begin)) {
            let text = format!("{head}{}", self.paint.tone(tone, &line));
            self.line(indent, &text);
            head = " ".repeat(begin);
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.lines.push(format!("{:indent$}{text}", ""));
    }
}
