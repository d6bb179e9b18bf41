//! What stands before the TURN server of `natlab serve turn`: messages of clients and of the server, in any order.
#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use natlab::net::Transport;
use natlab::server::turn::front::Front;
use natlab::server::turn::{Credentials, Options, frame};

fuzz_target!(|bytes: &[u8]| {
    let credentials = Credentials { user: "u".to_owned(), password: "p".to_owned(), realm: "natlab".to_owned() };
    let options = Options { credentials, relay_address: [203, 0, 113, 1].into() };
    let mut front = Front::new(&options, Transport::Udp, ([203, 0, 113, 1], 3478).into());
    let (client, now) = (([192, 0, 2, 9], 40000).into(), Instant::now());
    let _ = front.inbound(bytes, client, now);
    front.outbound(bytes, client, now);
    let _ = front.inbound(bytes, client, now);
    let _ = front.farewell(client, [7; 12]);
    if let Some(head) = bytes.first_chunk() {
        let _ = frame::begins(*head);
    }
});
