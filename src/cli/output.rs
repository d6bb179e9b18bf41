//! stdout and stderr as natlab uses them: the report goes to stdout, where a broken pipe is success; everything else goes to
//! stderr.

use std::io::{self, ErrorKind, IsTerminal, Write};

use clap::ValueEnum;

use crate::report::human::wrap;

/// Form of a report that has no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    Human,
    /// JSON for programs.
    Json,
}

/// A text in lines of at most `width` characters, but for longer words; never narrower than is readable.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    match wrap(text, width.max(NARROWEST)) {
        lines if lines.is_empty() => vec![String::new()],
        lines => lines,
    }
}

/// Columns that a text gets at least.
const NARROWEST: usize = 20;

/// Writes a report; a reader that went away is no failure.
pub fn report(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        r => r,
    }
}

/// `natlab: MESSAGE` and `hint: …` on stderr.
pub fn complain(message: &str, hint: Option<&str>) {
    complaint(&mut io::stderr().lock(), message, hint);
}

/// The same, where the caller says where stderr is.
pub fn complaint(err: &mut impl Write, message: &str, hint: Option<&str>) {
    // stderr is the last resort: when it is gone there is nobody left to tell.
    let _ = writeln!(err, "natlab: {message}");
    if let Some(hint) = hint {
        let _ = writeln!(err, "hint: {hint}");
    }
}

/// Whether to colour what goes to stdout: a terminal, and neither `NO_COLOR` nor a dumb one.
pub fn stdout_colour() -> bool {
    io::stdout().is_terminal() && colour_wanted()
}

/// Whether to colour what goes to stderr.
pub fn stderr_colour() -> bool {
    io::stderr().is_terminal() && colour_wanted()
}

fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// Columns of the terminal behind stdout or stderr, or of `COLUMNS`; `None` where there is neither.
pub fn terminal_width() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    said.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)))
}

/// How a command ends whose only work is to write: a reader that has seen enough is success.
pub fn written(result: io::Result<()>) -> super::exit::Exit {
    match result {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("failed to write: {e}"), None);
            super::exit::Exit::Undecided
        }
        _ => super::exit::Exit::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_and_in_order() {
        assert_eq!(wrapped("one two  three four", 20), ["one two three four"]);
        assert_eq!(wrapped("a verylongwordthatfitsnowhere b", 20), ["a", "verylongwordthatfitsnowhere", "b"]);
        assert_eq!(wrapped("", 20), [""]);
    }
}
