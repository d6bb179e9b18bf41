//! temporary
use crate::lab::isolate::IsolateError; use crate::plan::Trial;
/// x
pub struct MissingProgram { /// x
 pub message:String, /// x
 pub remedy:String }
/// x
pub fn programs_of(_:&[Trial])->Result<(),MissingProgram>{Ok(())}
/// x
pub fn explain(e:&IsolateError){ super::output::complain(&e.to_string(),None) }
/// x
pub fn kernel()->String{ std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned() }
