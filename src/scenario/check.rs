//! (to come)
use super::Scenario;
use super::diagnostic::Problem;
/// (to come)
pub fn parse(file: &str, text: &[u8]) -> Result<Scenario, Vec<Problem>> {
    let _ = (file, text);
    Err(vec![])
}
