#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod behaviors;
mod loopback;
mod loss;
mod misbehaving;
mod relayed;
mod world;

use std::sync::Arc;

use super::*;
use crate::nat::{Behavior, Filtering, Mapping, PortAssignment};
use crate::server::stun::{Endpoints, Place};
use world::{Mischief, Server, World, proper};

/// A1:P1 and A2:P2.
const PRIMARY: &str = "203.0.113.1:3478";
const ALTERNATE: &str = "203.0.113.2:3479";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A server with RFC 5780.
fn behavior_server(mischief: Mischief) -> Server {
    Server { endpoints: Endpoints { primary: at(PRIMARY), alternate: Some(at(ALTERNATE)) }, mischief }
}

/// One without.
fn ordinary(address: &str) -> Server {
    Server { endpoints: Endpoints { primary: at(address), alternate: None }, mischief: proper }
}

fn napt(mapping: Mapping, filtering: Filtering) -> Behavior {
    Behavior { ports: PortAssignment::Random, ..Behavior::napt(mapping, filtering) }
}

async fn ask(world: &World, servers: &[&str], options: Options) -> Found {
    ask_with(world, servers, options, None).await
}

async fn ask_with(world: &World, servers: &[&str], options: Options, relay: Option<Arc<dyn Relay>>) -> Found {
    let family = Family::of(at(servers[0]).ip());
    let servers = servers.iter().map(|s| Candidate { name: (*s).to_owned(), address: at(s) }).collect();
    let request = Request { family, servers, opener: Arc::new(world.clone()), relay, options };
    classify(request, &|_| {}).await
}

/// Without TCP, which the simulated network has not.
fn options() -> Options {
    Options { tcp: false, ..Options::default() }
}
