//! The few nftables constructs that a gateway needs, typed: data in [`model`], words for people in [`text`], netlink messages
//! in [`encode`]. Knows nothing of NAT; [`crate::nat::rules`] does.

#[cfg(target_os = "linux")]
pub mod encode;
pub mod loss;
pub mod model;
pub mod text;
