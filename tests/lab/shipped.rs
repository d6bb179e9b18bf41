//! Every shipped scenario is a test: it ends as it says.

use libtest_mimic::Trial;

use super::command::{Run, test};

pub fn tests() -> Vec<Trial> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let mut tests = Vec::new();
    for file in std::fs::read_dir(directory).expect("scenarios/") {
        let path = file.expect("an entry of scenarios/").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|e| e == "toml") {
            tests.push(test(format!("shipped::{name}"), move || {
                let run = Run::of([&path]);
                assert_eq!(run.code, 0, "{}", run.told());
                assert!(!run.trials().is_empty());
            }));
        }
    }
    assert!(tests.len() >= 18, "only {} scenarios are shipped", tests.len());
    tests
}
