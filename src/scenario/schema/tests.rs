#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::scenario::check::shape;
use crate::scenario::diagnostic::render;
use crate::scenario::{parse, shipped};

#[test]
fn the_example_of_the_reference_is_a_scenario() {
    if let Err(problems) = parse("example.toml", reference::EXAMPLE.as_bytes()) {
        panic!("{}", render(&problems, reference::EXAMPLE.as_bytes(), false, 120));
    }
}

#[test]
fn every_key_is_in_the_reference_with_its_meaning() {
    let root = json_schema();
    let page = reference::markdown();
    let mut tables = vec![&root];
    tables.extend(root["$defs"].as_object().unwrap().values().filter(|s| s.get("properties").is_some()));
    let mut keys = 0;
    for (key, schema) in tables.iter().flat_map(|t| t["properties"].as_object().unwrap()) {
        let description = schema.get("description").unwrap_or_else(|| panic!("{key} has no description"));
        let is_table = ["peer", "nat", "server", "ice", "expect", "network", "tcp", "forward"].contains(&key.as_str());
        let row = page.lines().filter(|l| l.starts_with(&format!("| `{key}` |"))).any(|line| {
            let mut parts = description.as_str().unwrap().split(" Without it ").map(|part| part.trim_end_matches('.'));
            parts.all(|part| line.contains(part))
        });
        assert!(row || is_table, "{key}");
        keys += 1;
    }
    assert!(keys > 50, "{keys}");
}

#[test]
fn shipped_scenarios_have_the_shape_of_the_schema() {
    for shipped in shipped::all() {
        let (tree, errors) = toml::de::DeTable::parse_recoverable(shipped.text);
        assert!(errors.is_empty(), "{}", shipped.name);
        let understood = shape::compare(shipped.name, tree.get_ref(), &json_schema(), true);
        assert_eq!(understood.problems, [], "{}", shipped.name);
        // Nothing is lost on the way from TOML to the structs.
        let plain: Value = toml::from_str(shipped.text).unwrap();
        assert_eq!(understood.value, plain, "{}", shipped.name);
    }
}

#[test]
fn the_schema_speaks_of_toml() {
    let text = json_schema().to_string();
    assert!(!text.contains("null"), "{text}");
    assert!(!text.contains("\\n"), "line breaks of docstrings");
    assert_eq!(json_schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
}
