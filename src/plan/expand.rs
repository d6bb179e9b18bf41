//! (to come)
use super::Trial;
use crate::scenario::Scenario;
/// Every trial of a scenario, in the order they run.
pub fn trials(scenario: &Scenario) -> Vec<Trial> {
    let _ = scenario;
    vec![]
}
