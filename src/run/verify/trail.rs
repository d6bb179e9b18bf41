//! Which way packets go through a chain: what leaves each of its gateways, translated.

use std::net::SocketAddrV4;

use super::bed::Bed;
use super::packet;
use crate::conformance::observations::Assigned;
use crate::event::Direction;
use crate::lab::capture::Tap;
use crate::lab::topology::LabError;
use crate::net::Transport;

/// Taps in all gateways of a chain, the outermost first; none in one that stands by itself, since its two sides are the ends.
pub struct Trail(Vec<Tap>);

impl Trail {
    /// From now on.
    pub fn begin(bed: &Bed) -> Result<Trail, LabError> {
        let gateways = bed.bench.gateways.iter().filter(|_| bed.bench.gateways.len() > 1);
        Ok(Trail(gateways.map(|g| bed.inside(g, Tap::open)).collect::<Result<_, _>>()?))
    }

    /// Source and destination of what left each gateway since, of one protocol.
    pub fn left(&mut self, transport: Transport) -> Result<Vec<Vec<(SocketAddrV4, SocketAddrV4)>>, LabError> {
        let mut all = Vec::new();
        for tap in &mut self.0 {
            let mut ends = Vec::new();
            while let Some(c) = tap.try_read().map_err(|e| LabError::Probe(format!("reading a tap: {e}")))? {
                if c.direction == Direction::Out {
                    ends.extend(packet::read_ends(&c.bytes).filter(|e| e.0 == transport).map(|e| (e.1, e.2)));
                }
            }
            all.push(ends);
        }
        Ok(all)
    }

    /// The endpoints that each gateway gave to a UDP packet of an inside endpoint that was sent since; `None` where it did not
    /// get to.
    pub fn assigned(&mut self, inside: SocketAddrV4, to: SocketAddrV4) -> Result<Vec<Option<Assigned>>, LabError> {
        let mut all = Vec::new();
        let mut inside = Some(inside);
        for ends in self.left(Transport::Udp)?.iter().rev() {
            let external = ends.iter().find(|e| e.1 == to).map(|e| e.0);
            all.push(inside.map(|inside| Assigned { inside, external }));
            inside = external;
        }
        all.reverse();
        Ok(all)
    }
}
