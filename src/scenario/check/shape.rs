//! Compares the value tree of a file with the JSON Schema of scenarios: unknown keys, wrong types, unknown names,
//! missing keys. Pure.
//!
//! It goes on behind every mistake: a misspelt key or name is taken for the nearest valid one, so that what follows
//! from it is checked as well and nothing is reported twice; what cannot be understood at all is left out and
//! remembered as lost.

use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::places::{Path, Place, Places};
use super::{MOST_PROBLEMS, words};
use crate::net::Network;
use crate::scenario::diagnostic::{Problem, likeness, nearest};
use crate::scenario::file::{Millis, Ports, READ_AS, Share};
use crate::scenario::schema::resolve;

/// The most items of a list without a limit of its own that are looked at.
const MOST_ITEMS: usize = 1000;

/// A list of more choices than this is printed only where none of them looks like the one meant.
const LONG_LIST: usize = 10;

/// What was understood of a file.
#[derive(Debug, Default)]
pub struct Understood {
    /// The values that have the right shape; a scenario file by its structs.
    pub value: Value,
    /// Where they stand.
    pub places: Places,
    /// Keys whose values were left out.
    pub lost: Vec<String>,
    /// What has the wrong shape.
    pub problems: Vec<Problem>,
}

/// Compares a file's tree with a schema. Missing keys are reported only of an `intact` file: in one with syntax errors
/// they may stand in what could not be read.
pub fn compare(file: &str, tree: &DeTable<'_>, schema: &Value, intact: bool) -> Understood {
    let mut walk = Walk { file, schema, intact, path: Path::new(), out: Understood::default() };
    walk.out.value = Value::Object(walk.table(tree, 0..0, schema));
    walk.out
}

struct Walk<'a> {
    file: &'a str,
    schema: &'a Value,
    intact: bool,
    path: Path,
    out: Understood,
}

impl Walk<'_> {
    fn problem(&mut self, span: Range<usize>, message: String) -> Problem {
        Problem::new(self.file, message).at(Some(span))
    }

    fn report(&mut self, problem: Problem) {
        if self.out.problems.len() < MOST_PROBLEMS {
            self.out.problems.push(problem);
        }
    }

    fn near<'b>(&self, word: &str, names: &[&'b str]) -> Option<&'b str> {
        if self.out.problems.len() < MOST_PROBLEMS { nearest(word, names.iter().copied()) } else { None }
    }

    /// What a value is understood as; `None` when it cannot be.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, schema: &Value) -> Option<Value> {
        let schema = resolve(self.schema, schema);
        if let Some(Value::Array(alternatives)) = schema.get("anyOf") {
            let root = self.schema;
            let fitting = alternatives.iter().find(|a| expects(resolve(root, a), value.get_ref()));
            return match fitting {
                Some(alternative) => self.value(value, alternative),
                None => self.wrong_type(value, schema),
            };
        }
        if !expects(schema, value.get_ref()) {
            return self.wrong_type(value, schema);
        }
        match value.get_ref() {
            DeValue::Table(table) => Some(Value::Object(self.table(table, value.span(), schema))),
            DeValue::Array(items) => self.array(items, value.span(), schema),
            DeValue::String(text) => self.string(text, value.span(), schema),
            DeValue::Integer(number) => self.integer(number, value.span(), schema),
            DeValue::Boolean(b) => Some(Value::Bool(*b)),
            DeValue::Float(_) | DeValue::Datetime(_) => None,
        }
    }

    fn table(&mut self, table: &DeTable<'_>, header: Range<usize>, schema: &Value) -> Map<String, Value> {
        let none = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let others = schema.get("additionalProperties").filter(|s| s.is_object());
        // The parser sorts keys by name; problems and lists go by the order of the file.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, value)| (key.span().start, value.span().start));

        let mut out = Map::new();
        // Correct keys first, so that no misspelt one takes their place.
        let (right, wrong): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(key, _)| known.contains_key(key.get_ref().as_ref()) || others.is_some());
        for (key, value) in right {
            let name = key.get_ref().as_ref();
            if let Some(schema) = known.get(name).or(others) {
                self.entry(&mut out, name, key.span(), value, schema);
            }
        }
        for (key, value) in wrong {
            let meant = self.unknown_key(key.get_ref(), key.span(), known);
            match meant.and_then(|name| Some((name, known.get(name)?))) {
                Some((name, schema)) if !out.contains_key(name) || value.get_ref().is_table() => {
                    self.entry(&mut out, name, key.span(), value, schema);
                }
                _ => self.out.lost.push(key.get_ref().to_string()),
            }
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            let lost = self.out.lost.iter().any(|key| key == required);
            if self.intact && !lost && !out.contains_key(required) {
                let choices = known.get(required).map(|s| choices(resolve(self.schema, s))).unwrap_or_default();
                let mut problem = self.problem(header.clone(), format!("`{required}` is missing"));
                if !choices.is_empty() {
                    problem = problem.help(format!("`{required}` is {}", words::any_of(&quoted(&choices))));
                }
                self.report(problem);
            }
        }
        out
    }

    fn entry(
        &mut self,
        out: &mut Map<String, Value>,
        name: &str,
        key: Range<usize>,
        value: &Spanned<DeValue<'_>>,
        schema: &Value,
    ) {
        self.path.push(name.to_owned());
        self.out.places.insert(&self.path, Place { key, value: value.span() });
        let understood = self.value(value, schema);
        self.path.pop();
        match understood {
            // A table under a misspelt name joins the one under the right name.
            Some(Value::Object(more)) => match out.get_mut(name) {
                Some(Value::Object(there)) => there.extend(more),
                _ => {
                    out.insert(name.to_owned(), Value::Object(more));
                }
            },
            Some(value) => {
                out.insert(name.to_owned(), value);
            }
            None => {
                self.out.lost.push(name.to_owned());
                // A node that is not a table is a node all the same; its name counts.
                if resolve(self.schema, schema).get("type").and_then(Value::as_str) == Some("object") {
                    out.insert(name.to_owned(), Value::Object(Map::new()));
                }
            }
        }
    }

    /// Reports an unknown key; the key that was meant, if that can be told.
    fn unknown_key<'b>(&mut self, key: &str, span: Range<usize>, known: &'b Map<String, Value>) -> Option<&'b str> {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        // Nearly the same name here beats the same name elsewhere, and that beats a distant likeness here.
        let patient = self.out.problems.len() < MOST_PROBLEMS;
        let elsewhere = if patient { tables_with(self.schema, key) } else { Vec::new() };
        let meant = self.near(key, &names).filter(|name| elsewhere.is_empty() || likeness(key, name) > 0.9);
        let table = match self.path.as_slice() {
            [] => "at the top of a scenario".to_owned(),
            path => format!("in `{}`", header(path)),
        };
        let mut problem = self.problem(span, format!("unknown key `{key}`")).label(format!("not a key {table}"));
        if let Some(name) = meant {
            problem = problem.help(format!("did you mean `{name}`?"));
        } else if !elsewhere.is_empty() {
            problem = problem.help(format!("`{key}` belongs {}", words::list(&elsewhere, "or")));
        } else {
            problem = problem.help(format!("keys {table}: {}", names.join(", ")));
        }
        self.report(problem);
        meant
    }

    fn wrong_type(&mut self, value: &Spanned<DeValue<'_>>, schema: &Value) -> Option<Value> {
        let wanted = wanted(self.schema, schema);
        let what = match self.path.last() {
            Some(key) if key.parse::<usize>().is_err() => format!("`{key}` must be {wanted}"),
            _ => format!("this must be {wanted}"),
        };
        let mut problem = self.problem(value.span(), what).label(format!("this is {}", found(value.get_ref())));
        if schema.get(READ_AS).is_some_and(|r| r == "duration")
            && let DeValue::Integer(n) = value.get_ref()
        {
            problem = problem.help(format!("durations have a unit: \"{n}ms\" or \"{n}s\""));
        }
        if let (DeValue::Table(_), Some("array")) = (value.get_ref(), schema.get("type").and_then(Value::as_str)) {
            let path = self.path.join(".");
            problem = problem.help(format!("write `[[{path}]]`: there may be several"));
        }
        if let (DeValue::Array(_), Some("object")) = (value.get_ref(), schema.get("type").and_then(Value::as_str)) {
            let mut path = self.path.clone();
            if schema.get("properties").is_none() {
                path.push("NAME".to_owned());
            }
            problem = problem.help(format!("write `{}`, with single brackets", header(&path)));
        }
        self.report(problem);
        None
    }

    fn array(&mut self, items: &[Spanned<DeValue<'_>>], span: Range<usize>, schema: &Value) -> Option<Value> {
        let count = |key| schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        if count("minItems").is_some_and(|least| items.len() < least) {
            let problem = self.problem(span.clone(), "an empty list says nothing".to_owned());
            self.report(problem);
            return None;
        }
        if let Some(most) = count("maxItems").filter(|most| items.len() > *most) {
            let problem = self.problem(span, format!("at most {most} of them, these are {}", items.len()));
            self.report(problem);
        }
        let nothing = Value::Null;
        let item_schema = schema.get("items").unwrap_or(&nothing);
        let mut out = Vec::new();
        for item in items.iter().take(count("maxItems").unwrap_or(MOST_ITEMS)) {
            // Numbers are those of the understood items, by which the checks of meaning ask.
            self.path.push(out.len().to_string());
            self.out.places.insert(&self.path, Place { key: item.span(), value: item.span() });
            if let Some(value) = self.value(item, item_schema) {
                out.push(value);
            }
            self.path.pop();
        }
        if out.is_empty() && !items.is_empty() { None } else { Some(Value::Array(out)) }
    }

    fn string(&mut self, text: &str, span: Range<usize>, schema: &Value) -> Option<Value> {
        let choices = choices(schema);
        if !choices.is_empty() && !choices.contains(&text) {
            let meant = self.near(text, &choices);
            let key = self.path.iter().rev().find(|key| key.parse::<usize>().is_err());
            let key = key.cloned().unwrap_or_default();
            let mut problem = self.problem(span, format!("unknown value `{text}` of `{key}`"));
            let all = format!("`{key}` is {}", words::any_of(&quoted(&choices)));
            problem = match meant {
                Some(name) if choices.len() > LONG_LIST => problem.label(format!("did you mean \"{name}\"?")),
                Some(name) => problem.label(format!("did you mean \"{name}\"?")).help(all),
                None => problem.help(all),
            };
            self.report(problem);
            return meant.map(Value::from);
        }
        let bad = match (schema.get(READ_AS).and_then(Value::as_str), schema.get("format").and_then(Value::as_str)) {
            (Some("duration"), _) => text.parse::<Millis>().err().map(|e| e.to_string()),
            (Some("range of ports"), _) => text.parse::<Ports>().err().map(|e| e.to_string()),
            (Some("share"), _) => text.parse::<Share>().err().map(|e| e.to_string()),
            (Some("network"), _) => text
                .parse::<Network>()
                .err()
                .map(|_| "a network is an IPv4 address and a prefix length, such as 203.0.113.0/24".to_owned()),
            (_, Some("ipv4")) => text
                .parse::<std::net::Ipv4Addr>()
                .err()
                .map(|_| "an address is four numbers up to 255, such as 203.0.113.7".to_owned()),
            _ => None,
        };
        match bad {
            None => Some(Value::from(text)),
            Some(help) => {
                let what = match (schema.get(READ_AS), self.path.last()) {
                    (Some(Value::String(kind)), _) => kind.clone(),
                    _ => "IPv4 address".to_owned(),
                };
                let article = if what.starts_with('I') { "an" } else { "a" };
                let problem = self.problem(span, format!("not {article} {what}: `{text}`")).help(help);
                self.report(problem);
                None
            }
        }
    }

    fn integer(&mut self, number: &toml::de::DeInteger<'_>, span: Range<usize>, schema: &Value) -> Option<Value> {
        let bound = |key| schema.get(key).and_then(|b| b.as_i64().map(i128::from).or(b.as_u64().map(i128::from)));
        let least = bound("minimum").unwrap_or(0);
        // Without a bound of its own an integer has the 64 bits of TOML and of seeds.
        let most = bound("maximum").unwrap_or(i128::from(u64::MAX));
        match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(n) if (least..=most).contains(&n) => {
                u64::try_from(n).map(Value::from).or_else(|_| i64::try_from(n).map(Value::from)).ok()
            }
            _ => {
                let name = self.path.last().cloned().unwrap_or_default();
                let problem = self.problem(span, format!("`{name}` must be from {least} to {most}"));
                self.report(problem);
                None
            }
        }
    }
}

/// The strings a schema names one by one; empty: any.
pub fn choices(schema: &Value) -> Vec<&str> {
    let constant = |s: &'_ Value| s.get("const").is_some();
    if let Some(Value::String(only)) = schema.get("const") {
        return vec![only];
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.iter().filter_map(Value::as_str).collect();
    }
    match schema.get("oneOf") {
        Some(Value::Array(all)) if all.iter().all(constant) => {
            all.iter().filter_map(|s| s.get("const")?.as_str()).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a value is of the type a schema (without `anyOf`) speaks of.
fn expects(schema: &Value, value: &DeValue<'_>) -> bool {
    let kind = match schema.get("type").and_then(Value::as_str) {
        Some(kind) => kind,
        None if !choices(schema).is_empty() => "string",
        None => return false,
    };
    matches!(
        (kind, value),
        ("string", DeValue::String(_))
            | ("integer", DeValue::Integer(_))
            | ("boolean", DeValue::Boolean(_))
            | ("array", DeValue::Array(_))
            | ("object", DeValue::Table(_))
    )
}

/// What a schema wants, in words.
fn wanted(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(Value::Array(alternatives)) = schema.get("anyOf") {
        let all: Vec<String> = alternatives.iter().map(|a| wanted(root, a)).collect();
        return words::list(&all, "or");
    }
    match (schema.get(READ_AS).and_then(Value::as_str), schema.get("type").and_then(Value::as_str)) {
        (Some("duration"), _) => "a duration such as \"2s\"".to_owned(),
        (Some("network"), _) => "a network such as \"203.0.113.0/24\"".to_owned(),
        (Some("range of ports"), _) => "a range of ports such as \"40000-40999\"".to_owned(),
        (Some("share"), _) => "a share such as \"5%\"".to_owned(),
        (_, Some("integer")) => "a whole number".to_owned(),
        (_, Some("boolean")) => "true or false".to_owned(),
        (_, Some("array")) => "a list".to_owned(),
        (_, Some("object")) => "a table".to_owned(),
        _ => "a string".to_owned(),
    }
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The tables of a scenario that have a key of this name: a key under the wrong header is the commonest slip in TOML.
fn tables_with(root: &Value, key: &str) -> Vec<String> {
    let mut out = Vec::new();
    let properties = |s: &'_ Value| s.get("properties").is_some_and(|p| p.get(key).is_some());
    if properties(root) {
        out.push("at the top, before the first table".to_owned());
    }
    for (name, schema) in root.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let schema = resolve(root, schema);
        if properties(schema) {
            out.push(format!("in `[{name}]`"));
        }
        if schema.get("additionalProperties").is_some_and(|s| properties(resolve(root, s))) {
            out.push(format!("in `[{name}.NAME]`"));
        }
        if schema.get("items").is_some_and(|s| properties(resolve(root, s))) {
            out.push(format!("in `[[{name}]]`"));
        }
    }
    out
}

/// The header of the table at a path.
fn header(path: &[String]) -> String {
    match path.split_last() {
        Some((number, list)) if number.parse::<usize>().is_ok() => format!("[[{}]]", list.join(".")),
        _ => format!("[{}]", path.join(".")),
    }
}

fn quoted(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("\"{name}\"")).collect()
}
