//! Text to a checked [`Scenario`], or to everything that is wrong with it. Pure.
//!
//! In this order, each stage going on behind the mistakes of the one before it: size and encoding; syntax, with a
//! parser that recovers; shape ([`shape`]: the value tree against the JSON Schema); meaning (the other modules, one
//! subject each). What could follow from an earlier mistake alone is not reported.

pub mod places;
pub mod shape;
pub mod words;

mod addresses;
mod axes;
mod context;
mod expectations;
mod forwards;
mod gateways;
mod names;
mod peers;
mod servers;

use std::ops::Range;

use toml::de::DeTable;

use super::diagnostic::Problem;
use super::file::ScenarioFile;
use super::{Addresses, Ice, Scenario, schema};
use context::Context;

/// The largest file that is looked at, in bytes.
pub const LARGEST: usize = 1 << 20;

/// The most problems that are kept of a file; nobody reads so many, and a file of this size may have a million.
pub const MOST_PROBLEMS: usize = 1000;

/// Reads a scenario. `file` is its name as the user wrote it: problems show it, and its stem is the scenario's name
/// unless the scenario has one.
///
/// # Errors
/// Every problem of the text, in its order, up to [`MOST_PROBLEMS`]; never none.
pub fn parse(file: &str, text: &[u8]) -> Result<Scenario, Vec<Problem>> {
    let text = readable(file, text)?;
    let (tree, errors) = DeTable::parse_recoverable(text);
    let syntax: Vec<Problem> =
        errors.iter().take(MOST_PROBLEMS).map(|e| syntax_problem(file, text, e.message(), e.span())).collect();
    let intact = syntax.is_empty();
    if intact && tree.get_ref().is_empty() {
        return Err(vec![nothing_inside(file)]);
    }

    let understood = shape::compare(file, tree.get_ref(), &schema::json_schema(), intact);
    let mut problems = understood.problems;
    match serde_json::from_value::<ScenarioFile>(understood.value) {
        Ok(written) => {
            let damaged = Damage::of(text, &syntax);
            let mut context = Context::new(file, &written, &understood.places, &understood.lost, intact);
            let scenario = meaning(&mut context, text);
            problems.extend(context.into_problems());
            problems.retain(|problem| !damaged.explains(problem));
            if intact && problems.is_empty() {
                return Ok(scenario);
            }
        }
        // The schema comes from the structs, so this is a value that the schema cannot exclude; say so rather than hide
        // it.
        Err(e) if problems.is_empty() && intact => problems.push(Problem::new(file, e.to_string())),
        Err(_) => {}
    }
    problems.extend(syntax);
    problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
    problems.dedup();
    problems.truncate(MOST_PROBLEMS);
    Err(problems)
}

/// What can be parsed at all: not too large, not empty, UTF-8.
fn readable<'a>(file: &str, text: &'a [u8]) -> Result<&'a str, Vec<Problem>> {
    if text.len() > LARGEST {
        let message = format!("the file is larger than {LARGEST} bytes, the most a scenario may have");
        return Err(vec![Problem::new(file, message).help("is this a scenario?")]);
    }
    if text.trim_ascii().is_empty() {
        return Err(vec![nothing_inside(file)]);
    }
    std::str::from_utf8(text).map_err(|e| {
        let at = e.valid_up_to();
        let byte = text.get(at).copied().unwrap_or_default();
        let problem = Problem::new(file, "the file is not UTF-8")
            .at(Some(at..at + 1))
            .label(format!("byte 0x{byte:02x}"))
            .help("TOML is UTF-8; save the file in that encoding");
        vec![problem]
    })
}

fn nothing_inside(file: &str) -> Problem {
    Problem::new(file, "the scenario is empty").help("a scenario has two peers, `[peer.NAME]` each")
}

/// A syntax error in the house's words: what is wrong as the message, what was expected beside the text.
fn syntax_problem(file: &str, text: &str, message: &str, span: Option<Range<usize>>) -> Problem {
    let there = span.clone().and_then(|s| text.get(s)).unwrap_or_default().trim();
    let problem = |message: String| Problem::new(file, message).at(span.clone());
    let (what, expected) = message.split_once(", expected ").map_or((message, None), |(w, e)| (w, Some(e)));
    match what {
        "recursion limit" | "cannot recurse further; max recursion depth met" => {
            problem("nested too deeply".to_owned()).help("nothing in a scenario is nested deeper than 5 levels")
        }
        "duplicate key" => problem(format!("duplicate key `{there}`")).label("was given before"),
        "string values must be quoted" if there.is_empty() => {
            problem("syntax error: the value is missing".to_owned()).label("expected a value")
        }
        "string values must be quoted" => {
            problem(format!("syntax error: {what}")).label(format!("write it as \"{there}\""))
        }
        "invalid basic string" if expected == Some("`\"`") => {
            problem("syntax error: unclosed string".to_owned()).label("expected `\"`")
        }
        _ => match expected {
            Some(expected) => problem(format!("syntax error: {what}")).label(format!("expected {expected}")),
            None => problem(format!("syntax error: {what}")),
        },
    }
}

/// The lines that syntax errors stand on: what else is wrong there follows from them.
struct Damage {
    lines: Vec<Range<usize>>,
    text: String,
}

impl Damage {
    /// Of a file with more errors than this only the first lines count; no error is lost, some may have consequences
    /// listed.
    const LINES: usize = 100;

    fn of(text: &str, syntax: &[Problem]) -> Damage {
        let lines: Vec<Range<usize>> =
            syntax.iter().filter_map(|p| line_at(text, p.span.as_ref()?.start)).take(Self::LINES).collect();
        let words: Vec<&str> = lines.iter().filter_map(|line| text.get(line.clone())).collect();
        Damage { text: words.join("\n"), lines }
    }

    /// Whether a problem is on a damaged line, or is about a name (between backticks) that a damaged line has.
    fn explains(&self, problem: &Problem) -> bool {
        let on_line =
            problem.span.as_ref().is_some_and(|s| self.lines.iter().any(|l| (l.start..=l.end).contains(&s.start)));
        let dangling = problem.message.starts_with("no ")
            && problem.message.split('`').skip(1).step_by(2).any(|name| self.text.contains(name));
        on_line || dangling
    }
}

/// The line around a byte.
fn line_at(text: &str, at: usize) -> Option<Range<usize>> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let end = text.get(at..)?.find('\n').map_or(text.len(), |newline| at + newline);
    Some(start..end)
}

/// The checks of meaning, and the scenario as far as it has one.
fn meaning(context: &mut Context<'_>, text: &str) -> Scenario {
    let file = context.file;
    names::check(context);
    let nats = gateways::check(context);
    let servers = servers::check(context);
    let peers = peers::check(context, &servers);
    let offerers = names::offerers(context);
    timing(context);
    addresses::check(context, &nats);
    let expectations = expectations::check(context, &peers, &offerers);
    Scenario {
        name: names::of_scenario(context),
        description: file.description.clone().unwrap_or_else(|| opening_comment(text)),
        seed: file.seed,
        repeats: file.repeats,
        peers,
        nats,
        servers,
        offerers,
        ice: Ice {
            policy: file.ice.policy,
            gathering: file.ice.gathering,
            timers: file.ice.timers,
            answer_delay_ms: file.ice.answer_delay.0,
        },
        connect_deadline_ms: file.deadline.map(|d| d.0),
        hello_deadline_ms: file.hello_deadline.map(|d| d.0),
        expectations,
        network: Addresses { wan: file.network.wan, servers: file.network.servers, lan: file.network.lan },
    }
}

fn timing(context: &mut Context<'_>) {
    let file = context.file;
    for (key, value) in [("deadline", file.deadline), ("hello-deadline", file.hello_deadline)] {
        if value.is_some_and(|d| !(100..=600_000).contains(&d.0)) {
            let problem = context.problem(&[key], format!("`{key}` must be from 100ms to 10m"));
            context.push(problem);
        }
    }
    let delay = file.ice.answer_delay;
    if delay.0 > 600_000 {
        let problem = context.problem(&["ice", "answer-delay"], "`answer-delay` must be at most 10m");
        context.push(problem);
    }
    // The deadlines that natlab sets by itself grow with the delay.
    if file.deadline.is_some_and(|deadline| delay >= deadline) {
        let problem = context
            .problem(&["ice", "answer-delay"], "the answer comes when the deadline is over, so nothing can connect")
            .related(context.places.value(&["deadline"]), "the deadline")
            .help("set a longer deadline, or leave it out");
        context.push(problem);
    }
}

/// The comment that opens a file, its lines joined; an empty comment line ends a paragraph. Directives for editors
/// (`#:schema …`) are not part of it.
pub fn opening_comment(text: &str) -> String {
    let mut paragraphs = vec![String::new()];
    for line in text.trim_start_matches('\u{feff}').lines().skip_while(|line| line.trim().is_empty()) {
        let Some(comment) = line.trim().strip_prefix('#') else { break };
        if comment.starts_with(':') {
            continue;
        }
        match (comment.trim(), paragraphs.last_mut()) {
            ("", _) => paragraphs.push(String::new()),
            (words, Some(paragraph)) => {
                if !paragraph.is_empty() {
                    paragraph.push(' ');
                }
                paragraph.push_str(words);
            }
            (_, None) => {}
        }
    }
    paragraphs.retain(|p| !p.is_empty());
    paragraphs.join("\n")
}

#[cfg(test)]
mod tests;
