//! `natlab agent NAME`: becomes a built-in agent. Hidden; natlab starts it inside a lab.

use std::io::Write;

use super::exit::Exit;
use crate::agent::builtin::{self, Failure};

/// Runs the agent until it is closed.
pub fn main(name: &str) -> Exit {
    let Err(failure) = builtin::main(name) else { return Exit::Success };
    let mut text = format!("natlab: failed to {failure}\n");
    let exit = match failure {
        Failure::Unknown { nearest, .. } => {
            if let Some(nearest) = nearest {
                text.push_str(&format!("hint: `{nearest}` is one\n"));
            }
            Exit::Usage
        }
        Failure::Runtime(cause) => {
            text.push_str(&format!("cause: {cause}\n"));
            Exit::Host
        }
    };
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    exit
}
