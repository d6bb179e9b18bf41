//! What `natlab classify` makes of a datagram: a whole Binding message or none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natlab::probe::wire::{Content, read};

fuzz_target!(|bytes: &[u8]| {
    if let Some((_, Content::Success(success))) = read(bytes) {
        assert!(success.padding <= bytes.len());
        let _ = success.mapped();
    }
});
