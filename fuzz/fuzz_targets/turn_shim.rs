//! What stands between the built-in agent and a TURN server: where messages end, which are repetitions, which are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natlab::agent::turn_shim::framing::frame;
use natlab::agent::turn_shim::message::{Repetitions, is_from_peer, is_to_peer, refuse};

fuzz_target!(|bytes: &[u8]| {
    if let Some(framed) = frame(bytes) {
        assert_eq!(framed.len() % 4, 0);
        assert_eq!(frame(&framed).as_ref(), Some(&framed));
    }
    if let Some(answer) = refuse(bytes, |_| true, 400, "no") {
        assert_eq!(answer[4..20], bytes[4..20]);
    }
    let mut seen = Repetitions::default();
    assert!(seen.is_new(bytes));
    assert!(seen.is_new(bytes) || !(is_to_peer(bytes) || is_from_peer(bytes)));
});
