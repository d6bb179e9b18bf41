//! How natlab ends: the one place where exit codes are made.

use std::process::ExitCode;

use crate::record::Conclusion;

/// Every way natlab can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every selected trial met; or the command did what it was asked.
    Success,
    /// At least one trial unmet.
    Unmet,
    /// Bad flags or scenario; nothing was run.
    Usage,
    /// The host lacks something; nothing was run.
    Host,
    /// None unmet, but some inconclusive, void or skipped.
    Undecided,
    /// The selection matched no trial.
    NothingSelected,
    /// A bug in natlab.
    Bug,
    /// Interrupted, after teardown and with the partial record written.
    Interrupted,
    /// `natlab exec` only: the code of the program that ran in the node.
    Program(u8),
}

impl Exit {
    /// The number a shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Unmet => 1,
            Exit::Usage => 2,
            Exit::Host => 3,
            Exit::Undecided => 4,
            Exit::NothingSelected => 5,
            Exit::Bug => 70,
            Exit::Interrupted => 130,
            Exit::Program(code) => code,
        }
    }
}

/// How a command ends that reports a record.
impl From<Conclusion> for Exit {
    fn from(conclusion: Conclusion) -> Exit {
        match conclusion {
            Conclusion::Met => Exit::Success,
            Conclusion::Unmet => Exit::Unmet,
            Conclusion::Undecided => Exit::Undecided,
            Conclusion::Nothing => Exit::NothingSelected,
            Conclusion::Interrupted => Exit::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
