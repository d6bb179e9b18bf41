//! Running trials: the only concurrency. One recorder stamps and orders events; none is ever dropped.
//!
//! The outer process asks ([`wire`]) and collects ([`outer`]); the inner one runs trials ([`dispatch`], [`trial`]).

pub mod conformance;
pub mod dispatch;
pub mod exchange;
pub mod exec;
pub mod live;
pub mod outer;
pub mod recorder;
pub mod servers;
pub mod session;
pub mod side;
pub mod taps;
pub mod trial;
pub mod verify;
pub mod wire;
