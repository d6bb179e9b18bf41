//! `docs/scenario.md`: the reference of scenario files, from their JSON Schema and a worked example. Pure.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{json_schema, resolve};
use crate::scenario::check::shape::choices;
use crate::scenario::file::READ_AS;

/// A scenario with something of everything; a test parses it.
pub const EXAMPLE: &str = r#"#:schema ./scenario.schema.json
# A laptop in a hotel, behind the hotel's NAT and the carrier's, calls a phone whose app is written in
# another language. TURN over UDP is what they should end up with.

repeats = 5
deadline = "10s"

[peer.laptop]
behind = "hotel"

[peer.phone]
behind = "mobile"
agent = { command = ["./phone-agent", "--verbose"] }
turn-transport = ["udp", "tcp"]

[nat.hotel]                       # by its usual name
preset = "port-restricted-cone"
behind = "carrier"

[nat.carrier]                     # by the axes of RFC 4787
mapping = "apdm"
filtering = "adf"
lifetime = "30s"
addresses = 2
loss = { up = "2%", down = "0.5%" } # of its link towards the Internet

[nat.mobile]
preset = "cellular-symmetric"

[server.stun]
type = "stun"

[server.relay]
type = "turn"
implementation = "coturn"

[ice]
gathering = "trickle"
answer-delay = "200ms"

[[expect]]                        # for both offer directions
outcome = "relayed"

[[expect]]                        # and one thing more where the laptop offers
offerer = "laptop"
connect-within = "3s"
because = "a caller hangs up after three seconds of silence"
"#;

/// What stands before the example.
const BEFORE: &str = "\
# Scenario files

<!-- Generated from the structs that read scenarios: `natlab schema --docs`. -->

A scenario is a TOML file: two peers, the NATs they stand behind, the servers they are given, and what is expected to
come out. natlab refuses what it does not understand: an unknown key, a reference that leads nowhere, a node that nobody
uses, or a setting that nothing would read is an error with its place and the nearest valid name.

A scenario needs two peers and nothing more. The smallest useful one is
[`scenarios/symmetric.toml`](../scenarios/symmetric.toml); this one has something of everything:

```toml
";

/// What stands between the example and the tables.
const AFTER: &str = "\
```

`natlab schema > scenario.schema.json` writes the JSON Schema that this page is made from; editors with Taplo complete
and check a scenario whose first line names it, as above.

Durations are a number and a unit (`ms`, `s`, `m`, `h`): `\"400ms\"`, `\"1.5s\"`. Addresses are IPv4. Names of peers,
NATs and servers are those of their network namespaces: unique over all three, at most 32 letters, digits, `.`, `_` and
`-`; `internet` and `both` are taken.
";

/// The tables of a scenario in the order in which one meets them: the path of each, and how its header is written.
const TABLES: [(&[&str], &str); 10] = [
    (&["peer"], "[peer.NAME]"),
    (&["nat"], "[nat.NAME]"),
    (&["nat", "tcp"], "[nat.NAME.tcp]"),
    (&["nat", "forward"], "[[nat.NAME.forward]]"),
    (&["server"], "[server.NAME]"),
    (&["ice"], "[ice]"),
    (&["expect"], "[[expect]]"),
    (&["network"], "[network]"),
    (&["peer", "agent"], "agent = { … }"),
    (&["nat", "loss"], "loss = { … }"),
];

/// The whole page.
pub fn markdown() -> String {
    let root = json_schema();
    let mut out = format!("{BEFORE}{EXAMPLE}{AFTER}");
    section(&mut out, &root, &root, "At the top", "These keys stand before the first table.");
    for (path, header) in TABLES {
        let Some(table) = table(&root, path) else { continue };
        let description = table.get("description").and_then(Value::as_str).unwrap_or_default();
        section(&mut out, &root, table, &format!("`{header}`"), description);
    }
    out
}

/// The schema of one table: of a table of tables and of a list that of each entry.
fn table<'a>(root: &'a Value, path: &[&str]) -> Option<&'a Value> {
    let mut at = root;
    for key in path {
        at = resolve(root, at.get("properties")?.get(key)?);
        let entry = at.get("additionalProperties").filter(|s| s.is_object()).or_else(|| at.get("items"));
        at = entry.map_or(at, |entry| resolve(root, entry));
        if let Some(Value::Array(alternatives)) = at.get("anyOf") {
            at = alternatives.iter().map(|a| resolve(root, a)).find(|a| a.get("properties").is_some())?;
        }
    }
    Some(at)
}

fn section(out: &mut String, root: &Value, table: &Value, title: &str, description: &str) {
    let none = Map::new();
    let keys = table.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required: Vec<&str> =
        table.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    // Writing to a String cannot fail.
    let _ = write!(out, "\n## {title}\n\n{description}\n\n| key | type | default | meaning |\n|---|---|---|---|\n");
    let simple = keys.iter().filter(|(_, schema)| !is_table(root, schema));
    let mut explained: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    for (key, schema) in simple {
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        // What stands for a key that is left out is the last sentence of its description, where it is no plain value.
        let (meaning, without) = description.split_once(" Without it ").unwrap_or((description, ""));
        let default = match schema.get("default") {
            Some(value) => format!("`{value}`"),
            None if required.contains(&key.as_str()) => "*required*".to_owned(),
            None => without.trim_end_matches('.').to_owned(),
        };
        let _ = writeln!(out, "| `{key}` | {} | {default} | {meaning} |", kind(root, schema));
        let values = values(root, schema);
        if !values.is_empty() {
            explained.push((key, values));
        }
    }
    for (key, values) in explained {
        let _ = write!(out, "\nValues of `{key}`:\n\n");
        for (value, meaning) in values {
            let _ = writeln!(out, "- `\"{value}\"`: {meaning}");
        }
    }
}

/// Whether a key holds a table that has a section of its own.
fn is_table(root: &Value, schema: &Value) -> bool {
    let schema = resolve(root, schema);
    let of_tables = schema.get("items").is_some_and(|items| resolve(root, items).get("properties").is_some());
    schema.get("type").and_then(Value::as_str) == Some("object") || of_tables
}

/// The type of a value, in words.
fn kind(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(Value::Array(alternatives)) = schema.get("anyOf") {
        let all: Vec<String> = alternatives.iter().map(|a| kind(root, a)).collect();
        return all.join(" or ");
    }
    let named = choices(schema);
    if named.len() == 1 || named.len() == 2 {
        return named.iter().map(|name| format!("`\"{name}\"`")).collect::<Vec<_>>().join(" or ");
    }
    let bounds = match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        _ => String::new(),
    };
    let read_as = schema.get(READ_AS).and_then(Value::as_str);
    match (read_as, schema.get("format").and_then(Value::as_str), schema.get("type").and_then(Value::as_str)) {
        (Some(read_as), ..) => read_as.to_owned(),
        (_, Some("ipv4"), _) => "address".to_owned(),
        (.., Some("array")) => {
            let item = schema.get("items").map_or_else(String::new, |items| kind(root, items));
            format!("list of {item}")
        }
        (.., Some("object")) => "table".to_owned(),
        (.., Some("integer")) => format!("integer{bounds}"),
        (.., Some(other)) => other.to_owned(),
        _ => "name".to_owned(),
    }
}

/// The names that a value can have, each with its meaning; empty for any other value.
fn values(root: &Value, schema: &Value) -> Vec<(String, String)> {
    let schema = resolve(root, schema);
    let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
    match alternatives {
        Some(all) if schema.get("oneOf").is_some() => all
            .iter()
            .filter_map(|s| Some((s.get("const")?.as_str()?.to_owned(), s.get("description")?.as_str()?.to_owned())))
            .collect(),
        // Of one or many only the one has names of its own.
        Some(all) => all.iter().map(|a| values(root, a)).find(|found| !found.is_empty()).unwrap_or_default(),
        None => schema.get("items").map(|items| values(root, items)).unwrap_or_default(),
    }
}
