//! (see the issue)

pub mod capture;
