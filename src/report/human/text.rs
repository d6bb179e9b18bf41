//! Text on a terminal: what it may contain, how wide it is, where it breaks.

use tabled::grid::util::string::get_string_width;

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    get_string_width(text)
}

/// A text without anything that moves the cursor, changes colours or reorders what stands beside it: agents and scenarios
/// write what they like. Line breaks and tabs become spaces, other controls U+FFFD.
pub fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        // Marks of bidirectional text, and the two code points that XML does not know.
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// A text in lines of at most `columns`; a longer word has a line of its own and stays whole.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    fill(text.split_whitespace(), " ", columns)
}

/// Parts joined by ` · `, broken between them where that is enough, else within them between words.
pub fn wrap_parts(parts: &[String], columns: usize) -> Vec<String> {
    const BETWEEN: &str = " · ";
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width(line) + width(BETWEEN) + width(part) <= columns => {
                line.push_str(BETWEEN);
                line.push_str(part);
            }
            _ => lines.extend(wrap(part, columns)),
        }
    }
    lines
}

fn fill<'a>(words: impl Iterator<Item = &'a str>, between: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if width(line) + width(between) + width(word) <= columns => {
                line.push_str(between);
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_words_stay_whole() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("a 198.51.100.5:3478 b", 6), ["a", "198.51.100.5:3478", "b"]);
        assert_eq!(wrap("", 6), [""; 0]);
        assert_eq!(wrap("日本 語", 5), ["日本", "語"], "two columns each");
    }

    #[test]
    fn parts_stay_together_while_they_fit() {
        let parts = ["gather 4 ms".to_owned(), "first 10 ms".to_owned(), "connect 515 ms after all".to_owned()];
        assert_eq!(wrap_parts(&parts, 80), ["gather 4 ms · first 10 ms · connect 515 ms after all"]);
        assert_eq!(wrap_parts(&parts, 26), ["gather 4 ms · first 10 ms", "connect 515 ms after all"]);
        assert_eq!(wrap_parts(&parts, 14), ["gather 4 ms", "first 10 ms", "connect 515 ms", "after all"]);
    }

    #[test]
    fn nothing_an_agent_says_reaches_the_terminal_as_a_command() {
        assert_eq!(plain("\u{1b}[31mred\u{7}\u{9b}2J"), "\u{fffd}[31mred\u{fffd}\u{fffd}2J");
        assert_eq!(plain("one\r\ntwo\tthree"), "one  two three");
        assert_eq!(plain("abc\u{202e}txt"), "abc\u{fffd}txt");
        assert_eq!(plain("Zürich 日本"), "Zürich 日本");
    }
}
