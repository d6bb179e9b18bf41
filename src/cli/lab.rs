//! Hidden: the processes that natlab starts of itself on the way into a lab.

use clap::Subcommand;

use super::exit::Exit;
use super::output::complain;
use crate::lab::{inner, isolate};
use crate::run::dispatch;

/// `natlab lab …`.
#[derive(Debug, Subcommand)]
pub enum Lab {
    /// Unshares and starts the inner process.
    Porter {
        /// Number of the request pipe.
        requests: i32,
        /// Number of the answer pipe.
        answers: i32,
        /// `user` or `plain`.
        way: String,
    },
    /// Builds labs until the outer process is gone.
    Inner {
        /// Number of the request pipe.
        requests: i32,
        /// Number of the answer pipe.
        answers: i32,
    },
}

/// Runs one of them.
pub fn run(lab: &Lab) -> Exit {
    let done = match lab {
        Lab::Porter { requests, answers, way } => isolate::porter(*requests, *answers, way == "plain").map(drop),
        Lab::Inner { requests, answers } => serve(*requests, *answers),
    };
    match done {
        Ok(()) => Exit::Success,
        Err(e) => {
            complain(&format!("inner process: {e}"), None);
            Exit::Bug
        }
    }
}

fn serve(requests: i32, answers: i32) -> std::io::Result<()> {
    let Some(home) = inner::settle(requests, answers)? else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(dispatch::serve(home));
    // Whatever still blocks a helper thread must not keep the namespaces alive.
    runtime.shutdown_background();
    served
}
