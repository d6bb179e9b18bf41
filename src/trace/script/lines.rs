//! Candidate lines (RFC 8839 §5.1).

use super::endpoint;

pub(crate) fn host(at: &str) -> String {
    let at = endpoint(at);
    format!("candidate:1 1 udp 2130706431 {} {} typ host", at.ip(), at.port())
}

pub(crate) fn srflx(at: &str, base: &str) -> String {
    let (at, base) = (endpoint(at), endpoint(base));
    format!(
        "candidate:2 1 udp 1694498815 {} {} typ srflx raddr {} rport {}",
        at.ip(),
        at.port(),
        base.ip(),
        base.port()
    )
}

pub(crate) fn relay(at: &str) -> String {
    let at = endpoint(at);
    format!("candidate:3 1 udp 16777215 {} {} typ relay raddr 0.0.0.0 rport 9", at.ip(), at.port())
}
