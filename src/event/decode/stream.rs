//! One direction of a TURN-over-TCP connection: segments in, complete STUN and ChannelData frames out (RFC 8489 §6.2.2,
//! RFC 8656 §12.5). Knows a TURN stream by its content alone: its first bytes are a STUN header with the magic cookie.

use super::ip::Segment;
use super::stun::{HEADER, Message, u16_at};

/// How many bytes may wait for a segment that is missing; more than any congestion window of a test.
const EARLY_BYTES: usize = 64 << 10;
/// How many segments may wait.
const EARLY_SEGMENTS: usize = 128;

/// Reassembly of one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// The sequence number expected next; `None`: wait for a segment that begins with a STUN header.
    next: Option<u32>,
    /// In order, from the beginning of a frame.
    buffer: Vec<u8>,
    /// Segments that lie ahead of `next`.
    early: Vec<(u32, Vec<u8>)>,
    /// A STUN message has been seen: from now on ChannelData is credible. Without this, `HTTP` and `GET ` would be.
    framed: bool,
    /// Where the FIN stands, once it was seen.
    end: Option<u32>,
    gaps: u64,
}

impl Stream {
    /// Whether a segment of an unknown stream is worth a new one: a connection begins, or a STUN message does.
    pub(super) fn begins_with(segment: &Segment<'_>) -> bool {
        segment.syn || Message::looks_like(segment.payload)
    }

    /// Takes one segment and gives the frames that it completes, each from its header to its end, padding included.
    pub(super) fn push(&mut self, segment: &Segment<'_>) -> Vec<Vec<u8>> {
        let mut sequence = segment.sequence;
        if segment.syn {
            sequence = sequence.wrapping_add(1);
            *self = Stream { next: Some(sequence), gaps: self.gaps, ..Stream::default() };
        }
        if segment.fin {
            self.end = Some(sequence.wrapping_add(segment.payload.len() as u32));
        }
        let mut frames = Vec::new();
        self.take(sequence, segment.payload, &mut frames);
        if self.early.len() > EARLY_SEGMENTS || self.early.iter().map(|(_, p)| p.len()).sum::<usize>() > EARLY_BYTES {
            self.skip_gap(&mut frames);
        }
        frames
    }

    /// The receiver acknowledged everything before `acknowledgement`. What of it was never seen here was delivered,
    /// but the tap missed it: it will not come again.
    pub(super) fn acknowledged(&mut self, acknowledgement: u32) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        // The number of the FIN is acknowledged, too, but there is no byte behind it.
        let acknowledgement = match self.end {
            Some(end) if distance(end, acknowledgement) > 0 => end,
            _ => acknowledgement,
        };
        if self.next.is_some_and(|next| distance(next, acknowledgement) > 0) {
            self.skip_gap(&mut frames);
        }
        frames
    }

    /// How often bytes were given up.
    pub(super) fn gaps(&self) -> u64 {
        self.gaps
    }

    fn take(&mut self, sequence: u32, payload: &[u8], frames: &mut Vec<Vec<u8>>) {
        if payload.is_empty() {
            return;
        }
        let next = match self.next {
            Some(next) => next,
            None if Message::looks_like(payload) => sequence,
            None => return,
        };
        let ahead = distance(next, sequence);
        if ahead > 0 {
            if !self.early.iter().any(|(s, p)| *s == sequence && p.len() >= payload.len()) {
                self.early.push((sequence, payload.to_vec()));
            }
            return;
        }
        // A retransmission may overlap what was already taken.
        let Some(new) = payload.get(ahead.unsigned_abs() as usize..).filter(|new| !new.is_empty()) else { return };
        self.buffer.extend_from_slice(new);
        let next = next.wrapping_add(new.len() as u32);
        self.next = Some(next);
        self.cut(frames);
        if let Some(at) = self.early.iter().position(|(s, _)| distance(next, *s) <= 0) {
            let (sequence, payload) = self.early.swap_remove(at);
            self.take(sequence, &payload, frames);
        }
    }

    /// Gives up what is missing and goes on at the next segment that begins with a STUN message.
    fn skip_gap(&mut self, frames: &mut Vec<Vec<u8>>) {
        let next = self.next.take().unwrap_or_default();
        self.gaps += 1;
        self.buffer.clear();
        let mut waiting = std::mem::take(&mut self.early);
        waiting.sort_by_key(|(sequence, _)| distance(next, *sequence));
        for (sequence, payload) in waiting {
            self.take(sequence, &payload, frames);
        }
    }

    /// Cuts complete frames off the buffer. Bytes that are no frame end the synchronisation.
    fn cut(&mut self, frames: &mut Vec<Vec<u8>>) {
        let mut at = 0;
        while let Some(rest) = self.buffer.get(at..).filter(|rest| !rest.is_empty()) {
            let length = match self.frame_length(rest) {
                Frame::Length(length) => length,
                Frame::Undecided => break,
                Frame::None => {
                    self.next = None;
                    self.gaps += u64::from(self.framed);
                    self.framed = false;
                    self.buffer.clear();
                    self.early.clear();
                    return;
                }
            };
            let Some(frame) = rest.get(..length) else { break };
            self.framed = true;
            frames.push(frame.to_vec());
            at += length;
        }
        self.buffer.drain(..at);
    }

    fn frame_length(&self, bytes: &[u8]) -> Frame {
        match bytes.first() {
            Some(first) if first >> 6 == 0 => match Message::framed_length(bytes) {
                Some(length) => Frame::Length(length),
                None if bytes.len() < HEADER => Frame::Undecided,
                None => Frame::None,
            },
            Some(first) if first >> 6 == 1 && self.framed => match u16_at(bytes, 2) {
                // Over TCP, ChannelData is padded to a multiple of four.
                Some(length) => Frame::Length((4 + usize::from(length)).next_multiple_of(4)),
                None => Frame::Undecided,
            },
            _ => Frame::None,
        }
    }
}

enum Frame {
    Length(usize),
    Undecided,
    None,
}

/// How far `to` lies ahead of `from` in sequence space (RFC 9293 §3.4).
fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}
