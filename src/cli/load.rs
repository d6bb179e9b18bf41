//! From names on the command line to trials: a path first, then a shipped scenario by name, with or without `.toml`.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::output::{complain, stderr_colour, terminal_width};
use crate::plan::{self, AgentProgram, Trial};
use crate::scenario::diagnostic::{self, Problem};
use crate::scenario::{self, Scenario, shipped};

/// Files longer than this are refused before they are read whole; `scenario::parse` says so.
const LIMIT: u64 = scenario::check::LARGEST as u64 + 1;

/// A scenario's text and where it came from.
struct Source {
    name: String,
    text: Vec<u8>,
    /// Where relative agent programs are looked for; shipped scenarios have no place.
    directory: Option<PathBuf>,
}

/// Reads, checks and plans every scenario; all problems of all files are told before anything runs.
pub fn trials(names: &[String], only: &[String]) -> Result<Vec<Trial>, Exit> {
    let mut all = Vec::new();
    let mut wrong = false;
    let mut names_seen = std::collections::BTreeMap::new();
    for name in names {
        let source = match read(name) {
            Ok(source) => source,
            Err(problem) => {
                tell(&[problem], b"");
                wrong = true;
                continue;
            }
        };
        match plan(&source) {
            Ok(trials) => {
                if let Some(scenario) = trials.first().map(|t| t.scenario.clone())
                    && let Some(other) = names_seen.insert(scenario.clone(), name)
                {
                    let message = format!("{name}: the scenario is named {scenario} like {other}");
                    complain(&message, Some("trials are told apart by the scenario's name: give one of them another"));
                    wrong = true;
                }
                all.extend(trials);
            }
            Err(problems) => {
                tell(&problems, &source.text);
                wrong = true;
            }
        }
    }
    if wrong {
        return Err(Exit::Usage);
    }
    if !only.is_empty() {
        all.retain(|t| only.contains(&t.id));
        if all.is_empty() {
            let message = format!("no trial is called {}", only.join(" or "));
            complain(&message, Some("`natlab list TRIALS-OF-SCENARIO` names them, and so does every report"));
            return Err(Exit::NothingSelected);
        }
    }
    Ok(all)
}

/// Reads and checks one scenario, and tells its problems.
pub fn scenario(name: &str) -> Result<Scenario, Exit> {
    let source = read(name).map_err(|problem| (vec![problem], Vec::new()));
    let parsed = source.and_then(|s| scenario::parse(&s.name, &s.text).map_err(|problems| (problems, s.text)));
    parsed.map_err(|(problems, text)| {
        tell(&problems, &text);
        Exit::Usage
    })
}

fn plan(source: &Source) -> Result<Vec<Trial>, Vec<Problem>> {
    let mut scenario = scenario::parse(&source.name, &source.text)?;
    resolve_programs(&mut scenario, source.directory.as_deref());
    plan::trials(&scenario)
        .map_err(|problems| problems.iter().map(|p| Problem::new(&source.name, p.to_string()).help(p.hint())).collect())
}

/// A program path with a slash is meant from the scenario's directory, as the shell would mean it from its own.
fn resolve_programs(scenario: &mut Scenario, directory: Option<&Path>) {
    let Some(directory) = directory else { return };
    for peer in &mut scenario.peers {
        if let AgentProgram::Command(argv) = &mut peer.agent
            && let Some(program) = argv.first_mut()
            && program.contains('/')
            && Path::new(program).is_relative()
        {
            *program = directory.join(&*program).display().to_string();
        }
    }
}

fn tell(problems: &[Problem], text: &[u8]) {
    let text = diagnostic::render(problems, text, stderr_colour(), terminal_width().unwrap_or(100));
    // stderr is the last resort: when it is gone there is nobody left to tell.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn read(name: &str) -> Result<Source, Problem> {
    let path = Path::new(name);
    let cannot = |e: std::io::Error| Problem::unreadable(name, e);
    match File::open(path) {
        Ok(file) => {
            if path.is_dir() {
                return Err(Problem::unreadable(name, "it is a directory"));
            }
            let mut text = Vec::new();
            file.take(LIMIT).read_to_end(&mut text).map_err(cannot)?;
            let directory = std::path::absolute(path).ok().and_then(|p| p.parent().map(Path::to_owned));
            Ok(Source { name: name.to_owned(), text, directory })
        }
        Err(e) => match shipped::find(name) {
            Some(s) => Ok(Source { name: format!("{}.toml", s.name), text: s.text.into(), directory: None }),
            None => {
                let problem = Problem::unreadable(name, e);
                Err(match shipped::nearest(name) {
                    Some(near) => problem.help(format!("a shipped scenario is called {near}")),
                    None => problem.help("`natlab list` names the shipped scenarios"),
                })
            }
        },
    }
}
