//! Programs that a scenario names and that natlab does not bring along.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::lab::process::{Lookup, look_up, wide_path};
use crate::plan::{AgentProgram, Implementation, Trial};
use crate::server::coturn;

/// A program that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProgram {
    /// Which, and who names it.
    pub message: String,
    /// What helps.
    pub remedy: String,
}

/// Whether every program of the trials' servers and agents is there.
pub fn programs_of(trials: &[Trial]) -> Result<(), MissingProgram> {
    programs_of_servers(trials)?;
    let path = std::env::var_os("PATH");
    for trial in trials {
        for (name, peer) in &trial.peers {
            if let AgentProgram::Command(argv) = &peer.agent {
                agent(&trial.scenario, name, argv.first().map_or("", String::as_str), path.as_deref())?;
            }
        }
    }
    Ok(())
}

/// Whether every program of the trials' servers is there; agents are not looked at.
pub fn programs_of_servers(trials: &[Trial]) -> Result<(), MissingProgram> {
    let named = trials.iter().find_map(|t| {
        let server = t.servers.iter().find(|s| s.implementation == Implementation::Coturn)?;
        Some((t, server))
    });
    let Some((trial, server)) = named else { return Ok(()) };
    match look_up(coturn::PROGRAM, Some(&wide_path())) {
        Lookup::Found(_) => Ok(()),
        Lookup::NotFound | Lookup::NotExecutable(_) => Err(MissingProgram {
            message: format!(
                "{}: server {} is coturn, but there is no program {}",
                trial.scenario,
                server.node,
                coturn::PROGRAM
            ),
            remedy: "install it (Debian, Ubuntu, Fedora: the package coturn), or leave `implementation` out".to_owned(),
        }),
    }
}

fn agent(scenario: &str, peer: &str, program: &str, path: Option<&OsStr>) -> Result<(), MissingProgram> {
    match look_up(program, path) {
        Lookup::Found(_) => Ok(()),
        Lookup::NotFound => Err(MissingProgram {
            message: format!("{scenario}: the agent of {peer} is {program}, but there is no such program"),
            remedy: if program.contains('/') {
                "a path is meant from the scenario's directory".to_owned()
            } else {
                "it is looked for in PATH; a program beside the scenario is `./NAME`".to_owned()
            },
        }),
        Lookup::NotExecutable(found) => Err(MissingProgram {
            message: format!("{scenario}: the agent of {peer} is {}, which is not executable", found.display()),
            remedy: match std::fs::metadata(&found) {
                Ok(file) if is_script(&found, &file) => format!("chmod +x {}", found.display()),
                _ => "name a program".to_owned(),
            },
        }),
    }
}

/// A file that only lacks the permission.
fn is_script(path: &Path, file: &Metadata) -> bool {
    file.is_file() && file.permissions().mode() & 0o111 == 0 && path.is_absolute()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    #[test]
    fn agents_are_looked_for_as_a_shell_would() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("agent");
        let check = |program: &str, path: &str| agent("s", "alice", program, Some(OsStr::new(path)));
        let there = program.display().to_string();

        let missing = check(&there, "").unwrap_err();
        assert!(
            missing.message.contains("the agent of alice is") && missing.remedy.contains("directory"),
            "{missing:?}"
        );
        assert!(check("agent", "").unwrap_err().remedy.contains("PATH"));

        write(&program, "#!/bin/sh\n").unwrap();
        set_permissions(&program, Permissions::from_mode(0o644)).unwrap();
        let closed = check(&there, "").unwrap_err();
        assert_eq!(closed.remedy, format!("chmod +x {there}"));

        set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        assert_eq!(check(&there, ""), Ok(()));
        assert_eq!(check("agent", &format!("/nowhere:{}", directory.path().display())), Ok(()));

        let folder = check(&directory.path().display().to_string(), "").unwrap_err();
        assert_eq!(folder.remedy, "name a program");
    }
}
