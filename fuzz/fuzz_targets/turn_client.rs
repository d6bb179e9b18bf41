//! What the TURN client of `natlab check` makes of a server's message, every attribute of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natlab::probe::turn::message::{Incoming, frame, read};

fuzz_target!(|bytes: &[u8]| {
    if let Some(head) = bytes.first_chunk() {
        let _ = frame(*head);
    }
    if let Some(Incoming::Response(r)) = read(bytes) {
        let _ = (r.error(), r.mapped(), r.relayed(), r.other(), r.alternate_server(), r.lifetime());
        let _ = (r.realm(), r.nonce(), r.software(), r.is_authentic(b"key"));
    }
});
