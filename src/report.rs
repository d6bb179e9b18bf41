//! (see the issue)

pub mod pcapng;
