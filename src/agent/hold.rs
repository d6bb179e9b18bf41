//! Relayed checks wait for their candidate: with lab timers nothing of the data plane goes to a TURN server until the relay
//! candidate has been written and the other side has had time to hear of it.
//!
//! Without this the verdict would depend on a race. A check through a relay can overtake the relay candidate on its way
//! through signalling; the controlling side then takes the relay's address for a peer-reflexive candidate, which has no
//! acceptance wait, nominates that pair at once and never looks at a direct one (`docs/findings.md`). The hold costs
//! nothing, since a relay waits longer to be accepted anyway.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

/// Messages held back; more are dropped, as a full socket would. A trial holds some hundred.
const HELD: usize = 4096;

/// Ends the hold of one agent.
#[derive(Clone, Debug)]
pub struct Hold {
    open: watch::Sender<bool>,
    after: Duration,
}

impl Hold {
    /// Data flows `after` the relay candidate is out; with zero it always does.
    pub fn new(after: Duration) -> Hold {
        Hold { open: watch::Sender::new(after.is_zero()), after }
    }

    /// The relay candidate is out; must be called inside a runtime.
    pub fn candidate_is_out(&self) {
        let (open, after) = (self.open.clone(), self.after);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            open.send_replace(true);
        });
    }

    /// What one client's messages pass through.
    pub fn gate(&self) -> Gate {
        Gate { open: self.open.subscribe(), held: VecDeque::new() }
    }
}

/// Holds back the data plane of one TURN client, and nothing else: its requests are awaited one after the other, direct checks
/// among them.
#[derive(Debug)]
pub struct Gate {
    open: watch::Receiver<bool>,
    held: VecDeque<Vec<u8>>,
}

impl Gate {
    /// The next message that may go to the server, in order; `None` at their end.
    pub async fn next(&mut self, messages: &mut mpsc::Receiver<Vec<u8>>) -> Option<Vec<u8>> {
        loop {
            if *self.open.borrow() {
                return match self.held.pop_front() {
                    Some(message) => Some(message),
                    None => messages.recv().await,
                };
            }
            tokio::select! {
                message = messages.recv() => {
                    let message = message?;
                    if !is_data(&message) {
                        return Some(message);
                    }
                    if self.held.len() < HELD {
                        self.held.push_back(message);
                    }
                }
                // Its sender lives as long as the agent.
                _ = self.open.wait_for(|open| *open) => {}
            }
        }
    }
}

/// ChannelData, or a Send indication (RFC 8656 §11, §12): anything but a STUN request.
fn is_data(message: &[u8]) -> bool {
    !stun::message::is_message(message) || matches!(message, [a, b, ..] if a & 0x01 == 0 && b & 0x10 != 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(kind: [u8; 2], id: u8) -> Vec<u8> {
        let mut m = vec![kind[0], kind[1], 0, 0, 0x21, 0x12, 0xa4, 0x42];
        m.extend([id; 12]);
        m
    }

    #[test]
    fn requests_pass_and_data_waits_in_order() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let hold = Hold::new(Duration::from_millis(20));
            let (to, mut messages) = mpsc::channel(16);
            let mut gate = hold.gate();
            let (send, permission) = ([0x00, 0x16], [0x00, 0x08]);
            let channel_data = vec![0x40, 0x00, 0, 4, 1, 2, 3, 4];
            for m in [message(send, 1), channel_data.clone(), message(permission, 2)] {
                to.send(m).await.unwrap();
            }
            assert_eq!(gate.next(&mut messages).await, Some(message(permission, 2)));
            let began = tokio::time::Instant::now();
            hold.candidate_is_out();
            assert_eq!(gate.next(&mut messages).await, Some(message(send, 1)));
            assert!(began.elapsed() >= Duration::from_millis(20));
            assert_eq!(gate.next(&mut messages).await, Some(channel_data));
            to.send(message(send, 3)).await.unwrap();
            assert_eq!(gate.next(&mut messages).await, Some(message(send, 3)));
            drop(to);
            assert_eq!(gate.next(&mut messages).await, None);
        });
    }

    #[test]
    fn without_a_hold_everything_passes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let (to, mut messages) = mpsc::channel(1);
            to.send(message([0x00, 0x16], 1)).await.unwrap();
            assert_eq!(Hold::new(Duration::ZERO).gate().next(&mut messages).await, Some(message([0x00, 0x16], 1)));
        });
    }
}
