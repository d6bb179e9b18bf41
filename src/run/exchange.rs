//! Offer/answer and candidates on their way from one side to the other, as the scenario wants them: trickled, complete, or
//! cut short. Pure: time comes in as an argument.

use std::time::{Duration, Instant};

use crate::ice::{Candidate, CandidatePolicy, CandidateType};
use crate::plan::Gathering;
use crate::protocol::{AgentEvent, CommandBody, GatheringState, SdpType};

/// How long a description waits for the end of candidates before it goes without.
const FULL_LIMIT: Duration = Duration::from_secs(6);

/// What comes out: something to deliver to the other side, or something held back.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// To the other side.
    Deliver(CommandBody),
    /// Kept from the other side: what, and why.
    Held {
        /// `answer`, `candidate`, …
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// What one side has said and the other side has not heard yet.
#[derive(Debug)]
pub struct Way {
    gathering: Gathering,
    answer_delay: Duration,
    /// The agent does not know the candidate policy, so natlab keeps it.
    policy: Option<CandidatePolicy>,
    description: Option<Pending>,
    passed: bool,
    /// Candidates not delivered yet, in order; an empty line is the end of candidates.
    candidates: Vec<(String, Option<String>, Option<u32>)>,
    ended: bool,
}

#[derive(Debug)]
struct Pending {
    sdp_type: SdpType,
    sdp: String,
    complete: bool,
    /// Not before.
    earliest: Instant,
    /// Not later, whatever is missing.
    latest: Instant,
}

impl Way {
    /// A way with nothing on it.
    pub fn new(gathering: Gathering, answer_delay: Duration) -> Self {
        Way {
            gathering,
            answer_delay,
            policy: None,
            description: None,
            passed: false,
            candidates: vec![],
            ended: false,
        }
    }

    /// From now on natlab drops candidates that `policy` does not allow.
    pub fn filter(&mut self, policy: CandidatePolicy) {
        self.policy = Some(policy);
    }

    /// What the agent at the beginning of this way said.
    pub fn said(&mut self, event: &AgentEvent, now: Instant) -> Vec<Output> {
        let mut out = Vec::new();
        match event {
            AgentEvent::Description { sdp_type, sdp, complete } => {
                let delayed = *sdp_type == SdpType::Answer && !self.answer_delay.is_zero();
                let delay = if delayed { self.answer_delay } else { Duration::ZERO };
                if delayed {
                    let reason = format!("answer-delay of {} ms", delay.as_millis());
                    out.push(Output::Held { what: "answer", reason });
                }
                let sdp = self.allowed_lines(sdp, &mut out);
                self.ended |= *complete;
                self.description = Some(Pending {
                    sdp_type: *sdp_type,
                    sdp,
                    complete: *complete,
                    earliest: now + delay,
                    latest: now + delay + FULL_LIMIT,
                });
                self.passed = false;
            }
            AgentEvent::Candidate { candidate, sdp_mid, sdp_mline_index } => {
                if candidate.is_empty() {
                    self.ended = true;
                }
                match self.refusal(candidate) {
                    Some(reason) => out.push(Output::Held { what: "candidate", reason }),
                    None => self.candidates.push((candidate.clone(), sdp_mid.clone(), *sdp_mline_index)),
                }
            }
            AgentEvent::Gathering { state: GatheringState::Complete } => self.ended = true,
            _ => {}
        }
        out.extend(self.due(now));
        out
    }

    /// What may go to the other side by now.
    pub fn due(&mut self, now: Instant) -> Vec<Output> {
        let mut out = Vec::new();
        if let Some(pending) = self.description.take_if(|p| {
            now >= p.earliest
                && (now >= p.latest
                    || match self.gathering {
                        Gathering::Trickle => true,
                        Gathering::Full => self.ended,
                        Gathering::Incomplete => p.complete || !self.candidates.is_empty(),
                    })
        }) {
            self.passed = true;
            out.push(Output::Deliver(self.describe(pending)));
        }
        if !self.passed {
            return out;
        }
        for (candidate, sdp_mid, sdp_mline_index) in self.candidates.drain(..) {
            match self.gathering {
                Gathering::Incomplete if candidate.is_empty() => {}
                Gathering::Incomplete => {
                    let reason = format!("no trickle, gathered after the description was sent: {candidate}");
                    out.push(Output::Held { what: "candidate", reason });
                }
                _ => {
                    out.push(Output::Deliver(CommandBody::Candidate { candidate, sdp_mid, sdp_mline_index }));
                }
            }
        }
        out
    }

    /// When [`Self::due`] may have something without anything being said.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        let p = self.description.as_ref()?;
        Some(if now < p.earliest { p.earliest } else { p.latest })
    }

    /// Everything said has been heard, and no more candidates will come.
    pub fn is_done(&self) -> bool {
        self.passed && self.ended && self.candidates.is_empty()
    }

    /// The description as it goes out, with the candidates that belong inside.
    fn describe(&mut self, pending: Pending) -> CommandBody {
        let Pending { sdp_type, mut sdp, complete, .. } = pending;
        match self.gathering {
            Gathering::Trickle => {}
            Gathering::Full => {
                for (candidate, ..) in self.candidates.drain(..) {
                    if !candidate.is_empty() {
                        sdp.push_str(&format!("a={candidate}\r\n"));
                    }
                }
                if self.ended && !complete {
                    sdp.push_str("a=end-of-candidates\r\n");
                }
            }
            Gathering::Incomplete => {
                let mut kept = false;
                sdp = lines(&sdp, |line| {
                    if !line.starts_with("a=candidate:") {
                        return line != "a=end-of-candidates";
                    }
                    !std::mem::replace(&mut kept, true)
                });
                if !kept && !self.candidates.is_empty() {
                    let (candidate, ..) = self.candidates.remove(0);
                    if !candidate.is_empty() {
                        sdp.push_str(&format!("a={candidate}\r\n"));
                    }
                }
            }
        }
        CommandBody::Description { sdp_type, sdp }
    }

    /// The SDP without the candidates that the policy does not allow.
    fn allowed_lines(&self, sdp: &str, out: &mut Vec<Output>) -> String {
        lines(sdp, |line| match line.strip_prefix("a=").and_then(|c| self.refusal(c)) {
            Some(reason) => {
                out.push(Output::Held { what: "candidate", reason });
                false
            }
            None => true,
        })
    }

    fn refusal(&self, candidate: &str) -> Option<String> {
        let (policy, kind) = (self.policy?, Candidate::parse(candidate).ok()?.kind);
        let allowed = match policy {
            CandidatePolicy::All => true,
            CandidatePolicy::Host => kind == CandidateType::Host,
            CandidatePolicy::Srflx => kind == CandidateType::ServerReflexive,
            CandidatePolicy::Relay => kind == CandidateType::Relayed,
        };
        (!allowed).then(|| format!("the agent does not know the candidate policy, natlab keeps it: {candidate}"))
    }
}

fn lines(sdp: &str, mut keep: impl FnMut(&str) -> bool) -> String {
    sdp.lines().filter(|l| keep(l.trim_end())).map(|l| format!("{}\r\n", l.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const SDP: &str = "v=0\r\na=ice-ufrag:u\r\n";
    const HOST: &str = "candidate:1 1 udp 2130706431 10.1.0.2 5000 typ host";
    const SRFLX: &str = "candidate:2 1 udp 1694498815 203.0.113.2 5000 typ srflx raddr 10.1.0.2 rport 5000";

    fn offer(complete: bool, extra: &str) -> AgentEvent {
        AgentEvent::Description { sdp_type: SdpType::Offer, sdp: format!("{SDP}{extra}"), complete }
    }
    fn candidate(line: &str) -> AgentEvent {
        AgentEvent::Candidate { candidate: line.into(), sdp_mid: Some("0".into()), sdp_mline_index: Some(0) }
    }
    fn delivered(out: &[Output]) -> Vec<String> {
        out.iter()
            .filter_map(|o| match o {
                Output::Deliver(CommandBody::Description { sdp, .. }) => {
                    Some(format!("sdp {}", sdp.replace("\r\n", "|")))
                }
                Output::Deliver(CommandBody::Candidate { candidate, .. }) => Some(format!("cand {candidate}")),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn trickled_candidates_wait_for_their_description() {
        let (mut way, now) = (Way::new(Gathering::Trickle, Duration::ZERO), Instant::now());
        assert_eq!(way.said(&candidate(HOST), now), []);
        assert_eq!(
            delivered(&way.said(&offer(false, ""), now)),
            ["sdp v=0|a=ice-ufrag:u|".into(), format!("cand {HOST}")]
        );
        assert!(!way.is_done());
        assert_eq!(delivered(&way.said(&candidate(""), now)), ["cand "]);
        assert!(way.is_done());
    }

    #[test]
    fn full_gathering_sends_one_description_with_everything_inside() {
        let (mut way, now) = (Way::new(Gathering::Full, Duration::ZERO), Instant::now());
        assert_eq!(way.said(&offer(false, ""), now), []);
        assert_eq!(way.said(&candidate(HOST), now), []);
        assert_eq!(way.said(&candidate(SRFLX), now), []);
        let out = delivered(&way.said(&candidate(""), now));
        assert_eq!(out, [format!("sdp v=0|a=ice-ufrag:u|a={HOST}|a={SRFLX}|a=end-of-candidates|")]);
    }

    #[test]
    fn full_gathering_does_not_wait_for_ever() {
        let (mut way, now) = (Way::new(Gathering::Full, Duration::ZERO), Instant::now());
        way.said(&offer(false, ""), now);
        way.said(&candidate(HOST), now);
        assert_eq!(way.next_due(now), Some(now + FULL_LIMIT));
        assert_eq!(delivered(&way.due(now + FULL_LIMIT)), [format!("sdp v=0|a=ice-ufrag:u|a={HOST}|")]);
    }

    #[test]
    fn incomplete_gathering_sends_the_first_candidate_and_nothing_more() {
        let (mut way, now) = (Way::new(Gathering::Incomplete, Duration::ZERO), Instant::now());
        assert_eq!(way.said(&offer(false, ""), now), []);
        assert_eq!(delivered(&way.said(&candidate(HOST), now)), [format!("sdp v=0|a=ice-ufrag:u|a={HOST}|")]);
        let later = way.said(&candidate(SRFLX), now);
        assert!(matches!(&later[..], [Output::Held { what: "candidate", .. }]), "{later:?}");
        // An agent that gathers before it describes has all candidates inside: they are cut there.
        let mut way = Way::new(Gathering::Incomplete, Duration::ZERO);
        let out = way.said(&offer(true, &format!("a={HOST}\r\na={SRFLX}\r\na=end-of-candidates\r\n")), now);
        assert_eq!(delivered(&out), [format!("sdp v=0|a=ice-ufrag:u|a={HOST}|")]);
    }

    #[test]
    fn a_late_answer_holds_its_candidates_back_too() {
        let (mut way, now) = (Way::new(Gathering::Trickle, Duration::from_secs(3)), Instant::now());
        let answer = AgentEvent::Description { sdp_type: SdpType::Answer, sdp: SDP.into(), complete: false };
        assert!(matches!(&way.said(&answer, now)[..], [Output::Held { what: "answer", .. }]));
        assert_eq!(way.said(&candidate(HOST), now), []);
        let due = way.next_due(now).unwrap();
        assert_eq!(due, now + Duration::from_secs(3));
        assert_eq!(delivered(&way.due(due)).len(), 2);
    }

    #[test]
    fn a_policy_that_the_agent_ignores_is_kept_for_it() {
        let (mut way, now) = (Way::new(Gathering::Trickle, Duration::ZERO), Instant::now());
        way.filter(CandidatePolicy::Relay);
        let out = way.said(&offer(false, &format!("a={HOST}\r\n")), now);
        assert_eq!(delivered(&out), ["sdp v=0|a=ice-ufrag:u|"]);
        assert!(matches!(&way.said(&candidate(SRFLX), now)[..], [Output::Held { .. }]));
    }
}
