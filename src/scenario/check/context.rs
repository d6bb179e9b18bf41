//! What every check of meaning sees: the file as written, the places of its values, and the problems so far. Pure.

use std::collections::BTreeMap;

use super::MOST_PROBLEMS;
use super::places::Places;
use crate::scenario::diagnostic::Problem;
use crate::scenario::file::{NatTable, PeerTable, ScenarioFile, ServerTable};

/// The most nodes of one kind that are looked at, far more than any kind may have.
const MOST_NODES: usize = 64;

/// The file under examination.
pub struct Context<'a> {
    name: &'a str,
    /// The file as written.
    pub file: &'a ScenarioFile,
    /// Where its values stand.
    pub places: &'a Places,
    /// Peers in the order of the file; of absurdly many nodes of a kind the first ones.
    pub peers: Vec<(&'a str, &'a PeerTable)>,
    /// NATs in the order of the file.
    pub nats: Vec<(&'a str, &'a NatTable)>,
    /// Servers in the order of the file.
    pub servers: Vec<(&'a str, &'a ServerTable)>,
    lost: &'a [String],
    intact: bool,
    problems: Vec<Problem>,
}

impl<'a> Context<'a> {
    /// A context without problems. `lost`: keys whose values were not understood; `intact`: no syntax errors.
    pub fn new(name: &'a str, file: &'a ScenarioFile, places: &'a Places, lost: &'a [String], intact: bool) -> Self {
        Context {
            name,
            file,
            places,
            peers: in_order(places, "peer", &file.peer),
            nats: in_order(places, "nat", &file.nat),
            servers: in_order(places, "server", &file.server),
            lost,
            intact,
            problems: Vec::new(),
        }
    }

    /// The file's name as the user wrote it.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// A problem with the value at a path.
    pub fn problem(&self, path: &[&str], message: impl Into<String>) -> Problem {
        Problem::new(self.name, message).at(self.places.value(path))
    }

    /// A problem with the key at a path.
    pub fn key_problem(&self, path: &[&str], message: impl Into<String>) -> Problem {
        Problem::new(self.name, message).at(self.places.key(path))
    }

    /// Reports a problem.
    pub fn push(&mut self, problem: Problem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Whether the absence of something is certain: no syntax error and no value of these keys that was not understood
    /// could hide it.
    pub fn certain(&self, keys: &[&str]) -> bool {
        self.intact && !self.lost.iter().any(|key| keys.contains(&key.as_str()))
    }

    /// Every problem, in the order of discovery.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// The NAT of this name.
    pub fn nat(&self, name: &str) -> Option<&'a NatTable> {
        self.file.nat.get(name)
    }

    /// The NATs from this one outwards, each once; stops at a name that does not exist, before a cycle closes, and when
    /// it has become absurdly long.
    pub fn chain(&self, innermost: Option<&'a str>) -> Vec<&'a str> {
        let mut chain = Vec::new();
        let mut next = innermost;
        while let Some(name) = next {
            match self.nat(name) {
                Some(nat) if !chain.contains(&name) && chain.len() < MOST_NODES => {
                    chain.push(name);
                    next = nat.behind.as_deref();
                }
                _ => break,
            }
        }
        chain
    }
}

fn in_order<'a, T>(places: &Places, kind: &str, tables: &'a BTreeMap<String, T>) -> Vec<(&'a str, &'a T)> {
    let mut all: Vec<_> = tables.iter().map(|(name, table)| (name.as_str(), table)).collect();
    all.sort_by_cached_key(|(name, _)| places.order(&[kind, name]));
    all.truncate(MOST_NODES);
    all
}
