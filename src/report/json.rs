//! The record as it is: JSON for programs, described in `docs/record.md`.

use crate::record::Record;

/// Indented JSON, ending with a newline.
pub fn render(record: &Record) -> String {
    // Keys are strings and every number of a record is finite or null, so writing it cannot fail; were it to, the text
    // would at least be JSON that says so.
    let mut text = serde_json::to_string_pretty(record).unwrap_or_else(|e| {
        serde_json::json!({ "error": format!("the record could not be written: {e}") }).to_string()
    });
    text.push('\n');
    text
}
