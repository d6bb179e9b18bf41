//! The lab: from a topology as data to namespaces, links, addresses, routes, sysctls and NAT rules, through netlink alone.
//!
//! Everything lives inside private user, mount, network and pid namespaces ([`isolate`]), so that the host's network is never
//! touched and nothing is left after any exit.

pub mod capture;
pub mod inner;
pub mod isolate;
pub mod link;
pub mod loss;
pub mod namespace;
pub mod preflight;
pub mod process;
pub mod topology;
