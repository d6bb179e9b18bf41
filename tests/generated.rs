//! Generated files are what the source says; `NATLAB_REWRITE_DOCS=1 cargo test --test generated` rewrites them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;

use natlab::scenario::schema::{json_schema, reference};

/// Compares a generated file with what is in the repository, or rewrites it.
fn is_current(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("NATLAB_REWRITE_DOCS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == generated, "docs/{name} is not what the source says: see the head of this file");
}

#[test]
fn the_scenario_reference() {
    is_current("scenario.md", &reference::markdown());
}

#[test]
fn the_schema_of_scenarios() {
    is_current("scenario.schema.json", &(serde_json::to_string_pretty(&json_schema()).unwrap() + "\n"));
}
