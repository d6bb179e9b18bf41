//! Where a stored record and the one computed again differ: trial and field by name.

use std::fmt;

use serde_json::Value;

use super::stored::Problem;
use crate::record::Record;

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The trial it belongs to, where it is one's.
    pub trial: Option<String>,
    /// JSON path, as `jq` takes it: `.trials[0].times.connectMs`.
    pub path: String,
    /// What is stored; `None`: nothing.
    pub stored: Option<Value>,
    /// What was computed; `None`: nothing.
    pub computed: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(trial) = &self.trial {
            write!(f, "trial {trial}: ")?;
        }
        let said = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), brief);
        write!(f, "{}: stored {}, computed {}", self.path, said(&self.stored), said(&self.computed))
    }
}

/// A value in one line of bearable length.
fn brief(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Every field in which they differ, in the order of the stored one.
pub fn between(stored: &Value, computed: &Record) -> Result<Vec<Difference>, Problem> {
    // Both through the same text, so that the same numbers are the same values.
    let text = serde_json::to_string(computed).map_err(Problem::unwritable)?;
    let computed: Value = serde_json::from_str(&text).map_err(Problem::unwritable)?;
    let mut found = Vec::new();
    walk(Some(stored), Some(&computed), &mut Place::default(), &mut found);
    Ok(found)
}

/// Where a comparison is.
#[derive(Default)]
struct Place {
    path: String,
    trial: Option<String>,
}

fn walk(stored: Option<&Value>, computed: Option<&Value>, place: &mut Place, found: &mut Vec<Difference>) {
    match (stored, computed) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                inside(place, &format!(".{key}"), |place| walk(one.get(key), other.get(key), place, found));
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for i in 0..one.len().max(other.len()) {
                let trial = place.trial.clone();
                if place.path == ".trials" {
                    let id = [one, other].into_iter().find_map(|list| list.get(i)?.get("id")?.as_str());
                    place.trial = id.map(str::to_owned);
                }
                inside(place, &format!("[{i}]"), |place| walk(one.get(i), other.get(i), place, found));
                place.trial = trial;
            }
        }
        (one, other) if one == other => {}
        (one, other) => found.push(Difference {
            trial: place.trial.clone(),
            path: place.path.clone(),
            stored: one.cloned(),
            computed: other.cloned(),
        }),
    }
}

fn inside(place: &mut Place, step: &str, work: impl FnOnce(&mut Place)) {
    let length = place.path.len();
    place.path.push_str(step);
    work(place);
    place.path.truncate(length);
}
