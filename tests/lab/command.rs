//! Running natlab and reading what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub use super::trial::test;

/// The program under test.
pub fn natlab() -> Command {
    Command::new(env!("CARGO_BIN_EXE_natlab"))
}

/// The end of a run, its report parsed.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub record: Value,
    pub stderr: String,
}

impl Run {
    /// `natlab run --format json ARGS…`.
    pub fn of<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Run {
        let output = natlab().args(["run", "--format", "json"]).args(arguments).output().expect("natlab run");
        Run::from(&output)
    }

    pub fn from(output: &Output) -> Run {
        let stdout = String::from_utf8_lossy(&output.stdout);
        Run {
            code: output.status.code().unwrap_or(-1),
            record: serde_json::from_str(&stdout).unwrap_or(Value::Null),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn trials(&self) -> &[Value] {
        self.record["trials"].as_array().map_or(&[], Vec::as_slice)
    }

    /// What went wrong, for the message of an assertion.
    pub fn told(&self) -> String {
        let trials = self.trials().iter().filter(|t| t["verdict"] != "met");
        let trials: Vec<String> = trials
            .map(|t| format!("{} {} {} {} {}", t["id"], t["verdict"], t["outcome"], t["reasons"], t["diagnoses"]))
            .collect();
        format!("exit {}\n{}\n{}", self.code, trials.join("\n"), self.stderr)
    }
}

/// A scenario in a directory of its own, which lasts as long as this value.
pub struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    pub fn new() -> Files {
        Files { directory: tempfile::tempdir().expect("a temporary directory") }
    }
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("writing a file of the test");
        path
    }
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}
