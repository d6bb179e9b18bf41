//! Taps of a trial: every peer's checks become events, and with `--pcap` every node's packets go to its capture.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::recorder::Recorder;
use super::wire::Frame;
use crate::event::Happened;
use crate::event::decode::{Decoder, Skipped};
use crate::lab::capture::{Captured, Tap};
use crate::lab::topology::Lab;
use crate::plan::Trial;

/// Running taps.
#[derive(Debug, Default)]
pub struct Taps(Vec<(oneshot::Sender<()>, JoinHandle<()>)>);

/// What a tap's packets become.
enum Purpose {
    /// Events: STUN and TURN messages.
    Events(Box<Decoder>),
    /// Frames of a capture file.
    Capture,
}

impl Taps {
    /// A capture of every node, from now on.
    pub fn capture(&mut self, lab: &Lab, recorder: &Recorder) {
        for node in lab.nodes() {
            self.open(lab, &node.name, recorder, || Purpose::Capture);
        }
    }

    /// The checks of both peers, from now on: measurements are over by then and must not be mistaken for theirs.
    pub fn watch_peers(&mut self, trial: &Trial, lab: &Lab, recorder: &Recorder) {
        for node in trial.sides() {
            self.open(lab, node, recorder, || Purpose::Events(Box::default()));
        }
    }

    fn open(&mut self, lab: &Lab, node: &str, recorder: &Recorder, purpose: impl Fn() -> Purpose) {
        let tap = match lab.node(node).map(|n| n.run(Tap::open)) {
            Ok(Ok(Ok(tap))) => tap,
            Ok(Ok(Err(e))) => return missing(node, &e.to_string(), recorder),
            Ok(Err(e)) => return missing(node, &e.to_string(), recorder),
            Err(e) => return missing(node, &e.to_string(), recorder),
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(read(tap, node.to_owned(), purpose(), recorder.clone(), stopped));
        self.0.push((stop, task));
    }

    /// Reads what is left and closes every tap.
    pub async fn finish(self) {
        for (stop, task) in self.0 {
            let _ = stop.send(());
            let _ = task.await;
        }
    }
}

fn missing(node: &str, why: &str, recorder: &Recorder) {
    recorder.record(Happened::Note { text: format!("no packet tap in {node}, its checks are not seen: {why}") });
}

async fn read(mut tap: Tap, node: String, mut purpose: Purpose, recorder: Recorder, mut stop: oneshot::Receiver<()>) {
    let failed = loop {
        tokio::select! {
            biased;
            packet = tap.next() => match packet {
                Ok(packet) => hand_on(&node, &tap, packet, &mut purpose, &recorder),
                Err(e) => break Some(e),
            },
            _ = &mut stop => break None,
        }
    };
    let left = failed.map_or_else(
        || loop {
            match tap.try_read() {
                Ok(Some(packet)) => hand_on(&node, &tap, packet, &mut purpose, &recorder),
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        },
        Err,
    );
    if let Err(e) = left {
        recorder.record(Happened::Note { text: format!("the packet tap in {node} ended early: {e}") });
    }
    if let Purpose::Events(decoder) = &purpose {
        let skipped = decoder.skipped();
        if skipped != Skipped::default() {
            recorder.record(Happened::Note { text: format!("the packet tap in {node} could not read: {skipped}") });
        }
    }
    if tap.dropped() > 0 {
        let text = format!("the packet tap in {node} lost {} packets: counts of checks are too low", tap.dropped());
        recorder.record(Happened::Note { text });
    }
}

fn hand_on(node: &str, tap: &Tap, packet: Captured, purpose: &mut Purpose, recorder: &Recorder) {
    match purpose {
        Purpose::Events(decoder) => {
            for message in decoder.packet(node, packet.direction, &packet.bytes) {
                recorder.record_at(packet.monotonic_ns, Happened::Packet(message));
            }
        }
        Purpose::Capture => recorder.frame(Frame {
            node: node.to_owned(),
            interface: tap.interface_name(packet.interface).unwrap_or("unknown").to_owned(),
            at_ns: packet.realtime_ns,
            direction: packet.direction,
            bytes: packet.bytes,
        }),
    }
}
