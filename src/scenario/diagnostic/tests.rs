#![allow(clippy::unwrap_used)]

use super::*;

const TEXT: &[u8] = b"name = \"x\"\n[peer.alice]\nbehnd = \"home\"\n";

fn misspelt() -> Problem {
    Problem::new("a.toml", "unknown key `behnd`")
        .at(Some(24..29))
        .label("not a key here")
        .help("did you mean `behind`?")
}

#[test]
fn a_problem_is_shown_with_its_place_and_the_text_underlined() {
    insta::assert_snapshot!(render(&[misspelt()], TEXT, false, 100), @r#"
    error: unknown key `behnd`
     --> a.toml:3:1
      |
    3 | behnd = "home"
      | ^^^^^ not a key here
      |
      = help: did you mean `behind`?
    "#);
}

#[test]
fn a_problem_of_the_whole_file_has_no_snippet() {
    insta::assert_snapshot!(render(&[Problem::unreadable("a.toml", "is a directory")], b"", false, 100),
        @"error: cannot read a.toml: is a directory");
}

#[test]
fn help_for_a_whole_file_stands_by_itself() {
    let problem = Problem::unreadable("symetric", "no such file").help("a shipped scenario is called symmetric");
    insta::assert_snapshot!(render(&[problem], b"", false, 100), @"
    error: cannot read symetric: no such file
    help: a shipped scenario is called symmetric
    ");
}

#[test]
fn colour_changes_nothing_but_colour() {
    let colored = render(&[misspelt()], TEXT, true, 100);
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find('m').unwrap() + 1..];
    }
    plain.push_str(rest);
    assert_ne!(colored, plain);
    assert_eq!(plain, render(&[misspelt()], TEXT, false, 100));
}

#[test]
fn only_so_many_problems_are_shown() {
    let many = vec![misspelt(); SHOWN + 7];
    let text = render(&many, TEXT, false, 100);
    assert_eq!(text.matches("error:").count(), SHOWN);
    assert!(text.ends_with("... and 7 more\n"));
}

#[test]
fn bytes_that_are_not_utf8_keep_their_place() {
    let problem = Problem::new("a.toml", "not UTF-8").at(Some(5..6));
    insta::assert_snapshot!(render(&[problem], b"a = \"\xff\"\n", false, 100), @r#"
    error: not UTF-8
     --> a.toml:1:6
      |
    1 | a = "?"
      |      ^
    "#);
}

#[test]
fn what_would_steer_a_terminal_is_spelled_out() {
    let problem = Problem::new("a.toml", "unknown key `\u{1b}[2J`").at(Some(0..5)).label("\u{7}");
    let text = render(&[problem], "\u{1b}[2J = 1\n".as_bytes(), false, 100);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

#[test]
fn a_long_line_is_cut() {
    let text = format!("a = {}", "[".repeat(5000));
    let problem = Problem::new("a.toml", "nested too deeply").at(Some(84..85)).label("here").help("write less");
    insta::assert_snapshot!(render(&[problem], text.as_bytes(), false, 100), @"
    error: nested too deeply
     --> a.toml:1:85
      |
    1 | a = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...
      |                                                                                     ^ here
      |
      = help: write less
    ");
}

#[test]
fn a_very_long_line_is_only_pointed_at() {
    let text = format!("a = {}", "[".repeat(LONGEST_LINE));
    let problem = Problem::new("a.toml", "nested too deeply").at(Some(84..85)).label("here").help("write less");
    insta::assert_snapshot!(render(&[problem], text.as_bytes(), false, 100), @"
    error: nested too deeply
    --> a.toml:1:85
     = note: here
     = help: write less
    ");
}

#[test]
fn a_span_outside_the_text_or_inside_a_character_is_moved() {
    for span in [0..usize::MAX, 900..1000, 1..2, 3..5] {
        assert!(render(&[Problem::new("a", "m").at(Some(span))], "äöü".as_bytes(), false, 80).contains("a:1"));
    }
}

#[test]
fn the_nearest_name_is_the_one_that_was_meant() {
    let keys = ["behind", "address", "agent", "stun", "turn", "turn-transport", "ice-role"];
    assert_eq!(nearest("behnd", keys), Some("behind"));
    assert_eq!(nearest("turn_transport", keys), Some("turn-transport"));
    assert_eq!(nearest("TURN", keys), Some("turn"));
    assert_eq!(nearest("xyz", keys), None);
    assert_eq!(nearest("", keys), None);
}
