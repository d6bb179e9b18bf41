//! Commands as they come in: lines of bounded length, and what each one asks. Pure but for the reader it is given.

use std::io::{self, BufRead};

use serde_json::{Map, Value};

use crate::protocol::{CommandBody, LONGEST_LINE, Refusal};

/// One line of stdin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its end; bytes that are not UTF-8 replaced, so that the JSON around them may still be read.
    Text(String),
    /// Longer than [`LONGEST_LINE`]; skipped.
    TooLong,
}

/// Reads the next line, never holding more than [`LONGEST_LINE`] bytes of it; `None` at the end.
pub(super) fn next_line(reader: &mut impl BufRead) -> io::Result<Option<Line>> {
    let (mut line, mut length, mut any) = (Vec::new(), 0, false);
    loop {
        let chunk = match reader.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if chunk.is_empty() && !any {
            return Ok(None);
        }
        any = true;
        let end = chunk.iter().position(|b| *b == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        length += part.len();
        if length <= LONGEST_LINE {
            line.extend_from_slice(part);
        }
        let (used, last) = (end.map_or(chunk.len(), |e| e + 1), end.is_some() || chunk.is_empty());
        reader.consume(used);
        if last {
            return Ok(Some(if length > LONGEST_LINE {
                Line::TooLong
            } else {
                Line::Text(String::from_utf8_lossy(&line).into_owned())
            }));
        }
    }
}

/// What a line asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    /// A command of the protocol.
    Command {
        /// Of the command.
        id: u64,
        /// Its name.
        name: String,
        /// What to do.
        body: Box<CommandBody>,
        /// Everything that was asked, for what the types do not know.
        raw: Map<String, Value>,
    },
    /// A command that can be answered but not obeyed.
    Refused {
        /// Of the command.
        id: u64,
        /// Its name, or "".
        name: String,
        /// Why.
        refusal: Refusal,
    },
    /// Not even a command: nothing to reply to.
    Garbage(String),
}

const COMMANDS: [&str; 7] = ["configure", "offer", "description", "candidate", "send", "stats", "close"];

/// Reads one line.
pub(super) fn parse(text: &str) -> Request {
    let raw: Map<String, Value> = match serde_json::from_str(text) {
        Ok(raw) => raw,
        Err(e) => return Request::Garbage(e.to_string()),
    };
    let name = raw.get("cmd").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(id) = raw.get("id").and_then(Value::as_u64) else {
        return Request::Garbage(format!("command `{name}` has no id"));
    };
    if !COMMANDS.contains(&name.as_str()) {
        let refusal = refusal("unsupported", format!("there is no command `{name}`"));
        return Request::Refused { id, name, refusal };
    }
    match serde_json::from_value(Value::Object(raw.clone())) {
        Ok(body) => Request::Command { id, name, body: Box::new(body), raw },
        Err(e) => Request::Refused { id, name, refusal: refusal("bad_json", e.to_string()) },
    }
}

/// A refusal by code and words.
pub(super) fn refusal(code: &str, message: impl Into<String>) -> Refusal {
    Refusal { code: code.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        // A small buffer, so that lines cross its edges.
        let mut reader = io::BufReader::with_capacity(7, bytes);
        std::iter::from_fn(|| next_line(&mut reader).unwrap()).collect()
    }

    #[test]
    fn lines_end_at_newlines_and_at_the_end() {
        let text = |s: &str| Line::Text(s.to_owned());
        assert_eq!(
            lines(b"one\n\nthree is longer\nlast"),
            [text("one"), text(""), text("three is longer"), text("last")]
        );
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"a\xffb\n"), [text("a\u{fffd}b")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_one_read() {
        let mut bytes = vec![b'x'; LONGEST_LINE];
        bytes.push(b'\n');
        assert!(matches!(lines(&bytes)[..], [Line::Text(_)]));
        bytes.insert(0, b'x');
        bytes.extend_from_slice(b"next\n");
        assert_eq!(lines(&bytes), [Line::TooLong, Line::Text("next".to_owned())]);
    }

    #[test]
    fn every_command_of_the_types_is_known_by_name() {
        for line in [
            r#"{"cmd":"configure","id":1,"role":"offerer","ice_servers":[],"policy":"all","trickle":true}"#,
            r#"{"cmd":"offer","id":1}"#,
            r#"{"cmd":"description","id":1,"sdp_type":"offer","sdp":""}"#,
            r#"{"cmd":"candidate","id":1,"candidate":""}"#,
            r#"{"cmd":"send","id":1,"data":"x"}"#,
            r#"{"cmd":"stats","id":1}"#,
            r#"{"cmd":"close","id":1,"unknown":"fields are ignored"}"#,
        ] {
            assert!(matches!(parse(line), Request::Command { id: 1, .. }), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_obeyed_is_refused_by_id_and_what_has_none_is_garbage() {
        let code = |line| match parse(line) {
            Request::Refused { id: 7, refusal, .. } => refusal.code,
            other => format!("{other:?}"),
        };
        assert_eq!(code(r#"{"cmd":"dance","id":7}"#), "unsupported");
        assert_eq!(code(r#"{"id":7}"#), "unsupported");
        assert_eq!(code(r#"{"cmd":"send","id":7}"#), "bad_json");
        assert_eq!(code(r#"{"cmd":"configure","id":7,"role":"umpire"}"#), "bad_json");
        for line in
            ["nonsense", "[1]", "{}", r#"{"cmd":"close"}"#, r#"{"cmd":"close","id":"7"}"#, r#"{"cmd":"close","id":-1}"#]
        {
            assert!(matches!(parse(line), Request::Garbage(_)), "{line}");
        }
    }
}
