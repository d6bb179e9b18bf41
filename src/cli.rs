//! The command line: one file per subcommand, one exit code per ending.

pub mod args;
pub mod exit;
pub mod list;
pub mod rules;

pub use args::main;

use std::io::{self, Write};

use exit::Exit;

/// How a command ends whose only work is to write: a reader that has seen enough is success.
fn written(result: io::Result<()>) -> Exit {
    match result {
        Ok(()) => Exit::Success,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
        Err(e) => {
            let _ = writeln!(io::stderr().lock(), "error: failed to write: {e}");
            Exit::Usage
        }
    }
}
