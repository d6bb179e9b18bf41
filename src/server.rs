//! The servers of a lab, usable outside one too (`natlab serve …`): STUN by RFC 5780 and TURN by RFC 8656, and the
//! configuration of coturn where a scenario asks for it.
//!
//! What is answered is decided by pure code ([`stun::answer()`], [`turn::front`]); the rest moves bytes. Neither
//! knows of scenarios, agents or trials.

pub mod coturn;
pub mod stun;
pub mod turn;
