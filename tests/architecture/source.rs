//! Rust text to tokens, as far as the checks need them: comments and literals are gone, and so is what only tests compile.

/// One token and the line it stands on, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Line.
    pub line: usize,
    /// What.
    pub kind: Kind,
}

/// The few kinds of tokens that the checks tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or a keyword; raw ones without their `r#`.
    Word(String),
    /// `::`
    PathSep,
    /// Any other character that is not white space. A literal is one `"`.
    Mark(char),
}

impl Token {
    /// Whether it is this identifier or keyword.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(w) if w == word)
    }

    /// Whether it is this character.
    pub fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Source {
    /// Its code without what only tests compile.
    pub tokens: Vec<Token>,
    /// Modules with files of their own that only tests compile: `#[cfg(test)] mod NAME;`.
    pub test_modules: Vec<String>,
}

impl Source {
    /// Reads a file.
    pub fn new(text: &str) -> Source {
        without_tests(tokens(text))
    }
}

/// Splits into tokens.
pub fn tokens(text: &str) -> Vec<Token> {
    let c: Vec<char> = text.chars().collect();
    let at = |i: usize| c.get(i).copied().unwrap_or('\0');
    let (mut out, mut i, mut line) = (Vec::new(), 0, 1);
    while i < c.len() {
        let began = line;
        let end = match c[i] {
            '\n' => {
                line += 1;
                i + 1
            }
            '/' if at(i + 1) == '/' => (i..c.len()).find(|e| c[*e] == '\n').unwrap_or(c.len()),
            '/' if at(i + 1) == '*' => after_block_comment(&c, i),
            '"' => after_string(&c, i),
            '\'' => match after_char(&c, i) {
                Some(end) => end,
                None => i + 1, // a lifetime: its name is a word that nobody asks for
            },
            'r' | 'b' | 'c' if let Some(end) = after_prefixed(&c, i) => end,
            x if x.is_alphanumeric() || x == '_' => {
                let raw = x == 'r' && at(i + 1) == '#';
                let from = if raw { i + 2 } else { i };
                let end = (from..c.len()).find(|e| !(c[*e].is_alphanumeric() || c[*e] == '_')).unwrap_or(c.len());
                let word = c[from..end].iter().collect();
                out.push(Token { line, kind: Kind::Word(word) });
                i = end;
                continue;
            }
            ':' if at(i + 1) == ':' => {
                out.push(Token { line, kind: Kind::PathSep });
                i += 2;
                continue;
            }
            x => {
                if !x.is_whitespace() {
                    out.push(Token { line, kind: Kind::Mark(x) });
                }
                i += 1;
                continue;
            }
        };
        if matches!(c[i], '"' | '\'' | 'r' | 'b' | 'c') {
            out.push(Token { line: began, kind: Kind::Mark('"') });
        }
        if c[i] != '\n' {
            line += c[i..end].iter().filter(|x| **x == '\n').count();
        }
        i = end;
    }
    out
}

/// Block comments nest.
fn after_block_comment(c: &[char], from: usize) -> usize {
    let (mut i, mut depth) = (from, 0);
    while i < c.len() {
        match (c[i], c.get(i + 1)) {
            ('/', Some('*')) => (i, depth) = (i + 2, depth + 1),
            ('*', Some('/')) => (i, depth) = (i + 2, depth - 1),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

/// `from` is the opening quote.
fn after_string(c: &[char], from: usize) -> usize {
    let mut i = from + 1;
    while i < c.len() && c[i] != '"' {
        i += if c[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(c.len())
}

/// The end of a character literal, unless `from` is the tick of a lifetime or a label.
fn after_char(c: &[char], from: usize) -> Option<usize> {
    if c.get(from + 1) == Some(&'\\') {
        return (from + 3..c.len()).find(|i| c[*i] == '\'').map(|i| i + 1);
    }
    (c.get(from + 2) == Some(&'\'')).then_some(from + 3)
}

/// The end of `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `b'…'`, `c"…"` or `cr"…"`, where one begins.
fn after_prefixed(c: &[char], from: usize) -> Option<usize> {
    let mut i = from;
    if matches!(c[i], 'b' | 'c') {
        i += 1;
        match c.get(i)? {
            '"' => return Some(after_string(c, i)),
            '\'' if c[from] == 'b' => return after_char(c, i),
            'r' => {}
            _ => return None,
        }
    }
    i += 1;
    let hashes = c[i..].iter().take_while(|x| **x == '#').count();
    i += hashes;
    if c.get(i) != Some(&'"') {
        return None;
    }
    let closing = |e: &usize| c[*e] == '"' && c[e + 1..].iter().take(hashes).filter(|x| **x == '#').count() == hashes;
    Some((i + 1..c.len()).find(closing).map_or(c.len(), |e| e + 1 + hashes))
}

/// Leaves out every item under `#[cfg(test)]`, and everything when the file itself is under `#![cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Source {
    let mut source = Source::default();
    let mut i = 0;
    while i < tokens.len() {
        if let Some((end, inner)) = attribute(&tokens, i)
            && is_for_tests(&tokens[i..end])
        {
            if inner {
                return Source { tokens: Vec::new(), ..source };
            }
            let (after, module) = after_item(&tokens, end);
            source.test_modules.extend(module);
            i = after;
            continue;
        }
        source.tokens.push(tokens[i].clone());
        i += 1;
    }
    source
}

/// The end of the attribute that begins at `i`, and whether it is one of the enclosing item (`#![…]`).
fn attribute(t: &[Token], i: usize) -> Option<(usize, bool)> {
    if !t.get(i)?.is_mark('#') {
        return None;
    }
    let inner = t.get(i + 1)?.is_mark('!');
    let open = i + 1 + usize::from(inner);
    t.get(open)?.is_mark('[').then(|| (after_bracket(t, open), inner))
}

/// `cfg(test)` and `cfg(all(test, …))`; not `cfg(not(test))`, and not `cfg(any(test, …))`, which others compile too.
fn is_for_tests(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute
        .iter()
        .filter_map(|t| match &t.kind {
            Kind::Word(w) => Some(w.as_str()),
            _ => None,
        })
        .collect();
    matches!(words.as_slice(), ["cfg", "test", ..] | ["cfg", "all", "test", ..])
}

/// The end of the item at `i`, attributes included, and its name if it is a module in a file of its own.
fn after_item(t: &[Token], mut i: usize) -> (usize, Option<String>) {
    while let Some((end, _)) = attribute(t, i) {
        i = end;
    }
    let is_use = t[i..].iter().take_while(|x| !x.is_mark('{') && !x.is_mark(';')).any(|x| x.is_word("use"));
    let module = t[i..].windows(3).take(5).find_map(|w| match (&w[1].kind, w[0].is_word("mod") && w[2].is_mark(';')) {
        (Kind::Word(name), true) => Some(name.clone()),
        _ => None,
    });
    while i < t.len() {
        match t[i].kind {
            Kind::Mark(';') => return (i + 1, module),
            Kind::Mark('{') if !is_use => return (after_bracket(t, i), module),
            Kind::Mark('(' | '[' | '{') => i = after_bracket(t, i),
            _ => i += 1,
        }
    }
    (i, module)
}

/// The end of what the bracket at `open` encloses.
pub fn after_bracket(t: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (i, token) in t.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return i + 1;
        }
    }
    t.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &Source) -> Vec<&str> {
        let word = |t: &'_ Token| matches!(t.kind, Kind::Word(_));
        let words = source.tokens.iter().filter(|t| word(t));
        words.map(|t| if let Kind::Word(w) = &t.kind { w.as_str() } else { "" }).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let source = Source::new(
            "a // crate::x\n/// crate::y\n/* b /* c */ crate::z */ \"crate::\\\"s\" d r#\"crate::\" x\"# e b'\"' f '\"' g '\\'' h\n\
             'life i c\"crate\" r#fn j br\"crate::k\" l",
        );
        assert_eq!(words(&source), ["a", "d", "e", "f", "g", "h", "life", "i", "fn", "j", "l"]);
    }

    #[test]
    fn lines_are_counted_through_literals_and_comments() {
        let t = tokens("a\n/* \n\n */ b \"\n\n\" c");
        let lines: Vec<usize> = t.iter().filter(|t| !t.is_mark('"')).map(|t| t.line).collect();
        assert_eq!(lines, [1, 4, 6]);
    }

    #[test]
    fn what_only_tests_compile_is_left_out() {
        let source = Source::new(
            "#[cfg(test)] use x::{y, z}; a #[cfg(test)] #[allow(dead_code)] fn t(p: [u8; 2]) { inside; { more } } b \
             #[cfg(test)] mod tests; c #[cfg(all(test, target_os = \"linux\"))] pub(crate) mod sample { d } \
             #[cfg(not(test))] e #[cfg(any(test, unix))] f",
        );
        let words: Vec<&str> = words(&source).into_iter().filter(|w| w.len() == 1).collect();
        assert_eq!(words, ["a", "b", "c", "e", "f"]);
        assert_eq!(source.test_modules, ["tests"]);
        assert!(Source::new("#![cfg(test)]\nuse crate::x;").tokens.is_empty());
    }
}
