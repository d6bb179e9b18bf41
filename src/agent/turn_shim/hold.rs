//! Relayed checks wait for their candidate: with lab timers nothing of an allocation's data plane goes out until the relay
//! candidate has been written and the other side has had time to hear of it, or has shown that it knows it. Pure: time comes in
//! as an argument.
//!
//! Without this the verdict would depend on a race. A check through a relay can overtake the relay candidate on its way
//! through signalling; the controlling side then takes the relay's address for a peer-reflexive candidate, which has no
//! acceptance wait, nominates that pair at once and never looks at a direct one (`docs/findings.md`). The hold costs no time,
//! since a relay waits longer to be accepted anyway.
//!
//! Whatever comes *from* the peer ends the hold at once: nobody can send to a relayed address who does not know it, and it
//! could be learnt from the candidate alone. So answers to the peer's own checks are never late, and the round-trip times that
//! it measures are true.

use std::time::Duration;

use tokio::time::Instant;

use super::message;

/// Messages held back at most; one more ends the hold, since a lost check would not be counted right. A trial holds some
/// hundred.
const MOST: usize = 4096;

/// The hold of one allocation.
#[derive(Debug)]
pub(super) struct Hold {
    length: Duration,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The end is known once the candidate is out.
    Holding {
        held: Vec<Vec<u8>>,
        until: Option<Instant>,
    },
    Over,
}

impl Hold {
    /// A hold that lasts until `length` after the candidate is out; with zero there is none.
    pub(super) fn new(length: Duration) -> Hold {
        let holding = State::Holding { held: Vec::new(), until: None };
        Hold { length, state: if length.is_zero() { State::Over } else { holding } }
    }

    /// Takes a message on its way to the server and gives those that may go now, in order. Requests always may: the library
    /// waits for their answers, and its direct checks with it.
    pub(super) fn pass(&mut self, message: Vec<u8>) -> Vec<Vec<u8>> {
        match &mut self.state {
            State::Holding { held, .. } if message::is_to_peer(&message) => {
                held.push(message);
                if held.len() > MOST { self.end() } else { Vec::new() }
            }
            _ => vec![message],
        }
    }

    /// The candidate was written at `now`.
    pub(super) fn candidate_is_out(&mut self, now: Instant) {
        if let State::Holding { until, .. } = &mut self.state {
            until.get_or_insert(now + self.length);
        }
    }

    /// Whether anything is held, or would be.
    pub(super) fn is_on(&self) -> bool {
        matches!(self.state, State::Holding { .. })
    }

    /// When it ends, once that is known.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        match &self.state {
            State::Holding { until, .. } => *until,
            State::Over => None,
        }
    }

    /// Ends it: gives what was held, in order.
    pub(super) fn end(&mut self) -> Vec<Vec<u8>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Holding { held, .. } => held,
            State::Over => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEND: [u8; 4] = [0x00, 0x16, 0, 0];
    const CHANNEL_DATA: [u8; 5] = [0x40, 0x00, 0, 1, 7];
    const CREATE_PERMISSION: [u8; 4] = [0x00, 0x08, 0, 0];
    const LENGTH: Duration = Duration::from_millis(100);

    #[test]
    fn requests_pass_and_data_waits_in_order() {
        let mut hold = Hold::new(LENGTH);
        assert!(hold.pass(SEND.to_vec()).is_empty());
        assert!(hold.pass(CHANNEL_DATA.to_vec()).is_empty());
        assert_eq!(hold.pass(CREATE_PERMISSION.to_vec()), [CREATE_PERMISSION.to_vec()]);
        assert_eq!(hold.end(), [SEND.to_vec(), CHANNEL_DATA.to_vec()]);
        assert_eq!(hold.pass(SEND.to_vec()), [SEND.to_vec()], "it is over");
        assert!(hold.end().is_empty() && !hold.is_on());
    }

    #[test]
    fn the_end_counts_from_the_first_candidate() {
        let (mut hold, now) = (Hold::new(LENGTH), Instant::now());
        assert_eq!((hold.is_on(), hold.ends_at()), (true, None), "no candidate, no end");
        hold.candidate_is_out(now);
        hold.candidate_is_out(now + LENGTH);
        assert_eq!(hold.ends_at(), Some(now + LENGTH));
        hold.end();
        assert_eq!(hold.ends_at(), None);
    }

    #[test]
    fn nothing_is_ever_lost() {
        let mut hold = Hold::new(LENGTH);
        let numbered = |n: u16| [&SEND[..], &n.to_be_bytes()].concat();
        let most = u16::try_from(MOST).unwrap_or(u16::MAX);
        assert!((0..most).all(|n| hold.pass(numbered(n)).is_empty()));
        let out = hold.pass(numbered(most));
        assert_eq!(out, (0..=most).map(numbered).collect::<Vec<_>>());
        assert!(!hold.is_on());
    }

    #[test]
    fn without_a_length_nothing_is_held() {
        let mut hold = Hold::new(Duration::ZERO);
        assert_eq!(hold.pass(SEND.to_vec()), [SEND.to_vec()]);
    }
}
