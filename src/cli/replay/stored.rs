//! What a run left behind: its record, and the events of each trial.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::event::Event;
use crate::record::{HostInfo, SCHEMA_VERSION};

/// What is wrong with a directory.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Something cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no record.
    #[error("{} holds no record.json", path.display())]
    NoRecord {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A line is not what it has to be.
    #[error("{}:{line}: {text}", path.display())]
    Meaning {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        text: String,
    },
    /// The record that was computed is not JSON.
    #[error("failed to write the computed record: {0}")]
    Unwritable(serde_json::Error),
}

impl Problem {
    /// A line that is not what it has to be.
    pub fn meaning(path: &Path, line: usize, text: &str) -> Problem {
        Problem::Meaning { path: path.to_owned(), line, text: text.to_owned() }
    }

    /// The record that was computed is not JSON.
    pub fn unwritable(source: serde_json::Error) -> Problem {
        Problem::Unwritable(source)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Problem::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotADirectory => {
                Some("name the directory that `natlab run --out DIR` wrote, not a file in it".to_owned())
            }
            Problem::Unreadable { .. } | Problem::NoRecord { .. } => {
                Some("name the directory that `natlab run --out DIR` wrote".to_owned())
            }
            Problem::Meaning { .. } => Some("the file is damaged, or another program wrote it".to_owned()),
            Problem::Unwritable(_) => None,
        }
    }

    fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Problem {
        let path = path.to_owned();
        move |source| Problem::Unreadable { path, source }
    }
}

/// The stored record, as far as it is needed to compute it again.
#[derive(Debug)]
pub struct Stored {
    /// Its file.
    pub path: PathBuf,
    /// The whole of it; `None` of a run that was killed before it could write one.
    pub record: Option<Value>,
    /// Version of its format.
    pub schema_version: u32,
    /// Version of natlab that wrote it.
    pub natlab_version: Option<String>,
    /// Where it ran.
    pub host: HostInfo,
    /// The run was cut off.
    pub interrupted: bool,
    trials: Vec<String>,
}

impl Stored {
    /// Reads `record.json`; where a killed run left it empty, finds the trials by their files.
    pub fn read(directory: &Path) -> Result<Stored, Problem> {
        let is_directory = fs::metadata(directory).map_err(Problem::unreadable(directory))?.is_dir();
        if !is_directory {
            return Err(Problem::unreadable(directory)(io::ErrorKind::NotADirectory.into()));
        }
        let path = directory.join("record.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Problem::NoRecord { path: directory.to_owned() });
            }
            Err(e) => return Err(Problem::unreadable(&path)(e)),
        };
        if bytes.is_empty() {
            return Stored::killed(directory, path);
        }
        let json = |e: serde_json::Error| Problem::meaning(&path, e.line().max(1), &format!("not a record: {e}"));
        let value: Value = serde_json::from_slice(&bytes).map_err(json)?;
        let missing =
            |what: &str| Problem::meaning(&path, 1, &format!("not a record: {what} is missing or is something else"));
        let schema_version = value.get("schemaVersion").and_then(Value::as_u64).and_then(|v| u32::try_from(v).ok());
        let trials = value.get("trials").and_then(Value::as_array).ok_or_else(|| missing("`trials`"))?;
        let ids = trials.iter().map(|trial| trial.get("id").and_then(Value::as_str).map(str::to_owned));
        let trials: Option<Vec<String>> = ids.collect();
        let host = value.get("host").cloned().unwrap_or_default();
        Ok(Stored {
            schema_version: schema_version.ok_or_else(|| missing("`schemaVersion`"))?,
            natlab_version: value.get("natlabVersion").and_then(Value::as_str).map(str::to_owned),
            host: serde_json::from_value(host).map_err(|e| missing(&format!("`host` ({e})")))?,
            interrupted: value.get("interrupted").and_then(Value::as_bool).ok_or_else(|| missing("`interrupted`"))?,
            trials: trials.ok_or_else(|| missing("the `id` of a trial"))?,
            record: Some(value),
            path,
        })
    }

    /// Trials, in the order of the record.
    pub fn trials(&self) -> &[String] {
        &self.trials
    }

    fn killed(directory: &Path, path: PathBuf) -> Result<Stored, Problem> {
        let mut files = Vec::new();
        find(directory, &mut files)?;
        files.sort();
        let mut trials = Vec::new();
        for file in files {
            // A trial that had not begun has an empty file.
            let size = fs::metadata(&file).map_err(Problem::unreadable(&file))?.len();
            let name = file.parent().and_then(|p| p.strip_prefix(directory).ok());
            if size > 0
                && let Some(name) = name
            {
                let parts: Vec<String> = name.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                trials.push(parts.join("/"));
            }
        }
        let (schema_version, host) = (SCHEMA_VERSION, HostInfo::default());
        Ok(Stored { path, record: None, schema_version, natlab_version: None, host, interrupted: true, trials })
    }
}

/// Every `events.jsonl` below a directory.
fn find(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Problem> {
    for entry in fs::read_dir(directory).map_err(Problem::unreadable(directory))? {
        let entry = entry.map_err(Problem::unreadable(directory))?;
        let path = entry.path();
        // Links are not followed, so that there is an end to it.
        let kind = entry.file_type().map_err(Problem::unreadable(&path))?;
        if kind.is_dir() {
            find(&path, files)?;
        } else if entry.file_name() == "events.jsonl" {
            files.push(path);
        }
    }
    Ok(())
}

/// Events of a trial.
#[derive(Debug)]
pub struct Events {
    /// Their file.
    pub path: PathBuf,
    /// All that are whole.
    pub events: Vec<Event>,
    /// What is to be said about the last line, where it is cut off.
    pub torn: Option<String>,
}

/// Reads the events of a trial. The last line may be cut off, as a killed run leaves it; any other line must be an event.
pub fn events(directory: &Path, id: &str) -> Result<Events, Problem> {
    let relative = Path::new(id);
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        let text = format!("{id:?} is not the name of a trial");
        return Err(Problem::meaning(&directory.join("record.json"), 1, &text));
    }
    let path = directory.join(relative).join("events.jsonl");
    let mut reader = BufReader::new(File::open(&path).map_err(Problem::unreadable(&path))?);
    let mut found = Events { path, events: Vec::new(), torn: None };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = reader.read_until(b'\n', &mut line).map_err(Problem::unreadable(&found.path))?;
        if length == 0 {
            break;
        }
        match serde_json::from_slice::<Event>(&line) {
            Ok(event) if event.seq == found.events.len() as u64 => found.events.push(event),
            Ok(event) => {
                let text =
                    format!("event {} where {} is due: lines are missing or doubled", event.seq, found.events.len());
                return Err(Problem::meaning(&found.path, number, &text));
            }
            Err(_) if !line.ends_with(b"\n") => {
                found.torn = Some(format!("{}:{number}: the last line is cut off and left out", found.path.display()));
            }
            Err(e) => {
                // The parser counts lines within what it was given, which is one.
                let text = e.to_string();
                let text = text.split(" at line ").next().unwrap_or(&text);
                let text = format!("not an event: {text} at column {}", e.column());
                return Err(Problem::meaning(&found.path, number, &text));
            }
        }
    }
    Ok(found)
}
