//! The dummy data-channel SDP in which raw ICE agents wrap their parameters, so that full WebRTC stacks accept it. Pure.
//!
//! A raw agent has no DTLS: the fingerprint matches no certificate, and nobody ever checks it, because ICE alone is tested.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::protocol::SdpType;

/// ICE parameters of a local description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Offer or answer: decides `a=setup` (RFC 8842 §5.3 recommends `active` for answers).
    pub sdp_type: SdpType,
    /// `ice-ufrag` (RFC 8839 §5.4).
    pub ufrag: String,
    /// `ice-pwd` (RFC 8839 §5.4).
    pub pwd: String,
}

/// What a raw agent needs from a remote description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// First `ice-ufrag`.
    pub ufrag: String,
    /// First `ice-pwd`.
    pub pwd: String,
    /// Candidate lines in order, from `candidate:` on.
    pub candidates: Vec<String>,
    /// `a=ice-lite` was there (RFC 8445 §2.5).
    pub lite: bool,
    /// `a=end-of-candidates` was there (RFC 8840 §4.1).
    pub complete: bool,
}

/// Writes a description for an agent that trickles: no candidates inside.
pub fn write(local: &Local) -> String {
    let setup = match local.sdp_type {
        SdpType::Offer => "actpass",
        SdpType::Answer => "active",
    };
    let session = noise(local, 0) >> 2; // RFC 8866 §5.2: a number; kept below 2^62 as RFC 8829 §5.2.1 asks
    let fingerprint =
        (1..=4).flat_map(|n| noise(local, n).to_be_bytes()).map(|b| format!("{b:02X}")).collect::<Vec<_>>();
    [
        "v=0",
        &format!("o=- {session} 1 IN IP4 127.0.0.1"),
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        &format!("a=ice-ufrag:{}", local.ufrag),
        &format!("a=ice-pwd:{}", local.pwd),
        "a=ice-options:trickle",
        &format!("a=fingerprint:sha-256 {}", fingerprint.join(":")),
        &format!("a=setup:{setup}"),
        "a=sctp-port:5000",
        "a=max-message-size:262144",
        "",
    ]
    .join("\r\n")
}

/// Sixty-four bits that differ between descriptions: the credentials are random already, so nothing else has to be.
fn noise(local: &Local, n: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (n, &local.ufrag, &local.pwd).hash(&mut hasher);
    hasher.finish()
}

/// Reads what ICE needs; the first credentials win, since one bundled section is all that natlab's agents speak.
pub fn read(sdp: &str) -> Remote {
    let mut remote = Remote::default();
    for line in sdp.lines().map(str::trim) {
        let Some(attribute) = line.strip_prefix("a=") else { continue };
        match attribute.split_once(':') {
            Some(("ice-ufrag", value)) if remote.ufrag.is_empty() => remote.ufrag = value.trim().to_owned(),
            Some(("ice-pwd", value)) if remote.pwd.is_empty() => remote.pwd = value.trim().to_owned(),
            Some(("candidate", _)) => remote.candidates.push(attribute.to_owned()),
            _ if attribute == "ice-lite" => remote.lite = true,
            _ if attribute == "end-of-candidates" => remote.complete = true,
            _ => {}
        }
    }
    remote
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(sdp_type: SdpType) -> Local {
        Local { sdp_type, ufrag: "abcd".into(), pwd: "0123456789abcdefghijkl".into() }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let remote = read(&write(&local(SdpType::Offer)));
        assert_eq!((remote.ufrag.as_str(), remote.pwd.as_str()), ("abcd", "0123456789abcdefghijkl"));
        assert_eq!((remote.candidates.len(), remote.lite, remote.complete), (0, false, false));
    }

    #[test]
    fn a_description_is_a_data_channel_section_with_one_fingerprint() {
        let sdp = write(&local(SdpType::Offer));
        assert!(sdp.starts_with("v=0\r\n") && sdp.ends_with("\r\n"), "{sdp:?}");
        assert!(!sdp.replace("\r\n", "").contains(['\r', '\n']), "lines end in CRLF only: {sdp:?}");
        assert_eq!(sdp.matches("\r\nm=").count(), 1);
        let fingerprint = sdp.lines().find_map(|l| l.strip_prefix("a=fingerprint:sha-256 ")).unwrap_or_default();
        assert_eq!(fingerprint.split(':').filter(|b| u8::from_str_radix(b, 16).is_ok()).count(), 32, "{fingerprint}");
        assert!(sdp.contains("a=setup:actpass"));
        assert!(write(&local(SdpType::Answer)).contains("a=setup:active"));
    }

    #[test]
    fn other_credentials_make_another_session_and_fingerprint() {
        let other = Local { ufrag: "efgh".into(), ..local(SdpType::Offer) };
        let line = |sdp: &str, start: &str| sdp.lines().find(|l| l.starts_with(start)).map(str::to_owned);
        for start in ["o=", "a=fingerprint"] {
            assert_ne!(line(&write(&local(SdpType::Offer)), start), line(&write(&other), start), "{start}");
        }
    }

    #[test]
    fn a_browser_like_description_gives_its_first_credentials_and_all_candidates() {
        let remote = read(
            "v=0\r\na=ice-lite\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:one\r\na=ice-pwd:pwd-one\r\n\
             a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host generation 0\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:two\r\na=ice-pwd:pwd-two\r\n\
             a=candidate:2 1 udp 1 192.0.2.2 5001 typ host\r\na=end-of-candidates\r\n",
        );
        assert_eq!((remote.ufrag.as_str(), remote.pwd.as_str()), ("one", "pwd-one"));
        assert_eq!(remote.candidates[0], "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host generation 0");
        assert_eq!((remote.candidates.len(), remote.lite, remote.complete), (2, true, true));
        assert_eq!(read("no sdp at all"), Remote::default());
    }
}
