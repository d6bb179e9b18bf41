//! What `natlab serve stun` makes of a datagram: no panic, and no answer to another address than the sender's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natlab::net::Transport;
use natlab::server::stun::{Endpoints, Options, Place, answer};

fuzz_target!(|bytes: &[u8]| {
    let client = ([192, 0, 2, 9], 40000).into();
    let endpoints = Endpoints::new([203, 0, 113, 1].into(), Some([203, 0, 113, 2].into()), 3478, 3479);
    let options = Options { software: Some("natlab".to_owned()) };
    for over in [Transport::Udp, Transport::Tcp] {
        if let Some(answer) = answer(bytes, client, Place::PRIMARY, over, &endpoints, &options) {
            assert_eq!(answer.to.ip(), client.ip());
        }
    }
});
