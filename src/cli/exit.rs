//! How natlab ends: the one place where exit codes are made.

use std::process::ExitCode;

use crate::classification;
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
    /// `natlab classify` only: the mapping is not endpoint-independent, so many peers will need a relay.
    NotEndpointIndependent,
    /// `natlab classify` only: UDP is blocked.
    UdpBlocked,
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
            Exit::NotEndpointIndependent => 10,
            Exit::UdpBlocked => 11,
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

/// How `natlab classify` ends.
impl From<classification::Conclusion> for Exit {
    fn from(conclusion: classification::Conclusion) -> Exit {
        use classification::Conclusion as C;
        match conclusion {
            C::Classified => Exit::Success,
            C::NotEndpointIndependent => Exit::NotEndpointIndependent,
            C::UdpBlocked => Exit::UdpBlocked,
            C::Undecided => Exit::Undecided,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
