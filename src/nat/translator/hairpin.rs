//! Inside to inside through external endpoints (RFC 4787 §6), and what unwanted packets get.

use std::net::SocketAddrV4;
use std::time::Duration;

use super::keys::{affine, filter_part, filtering, lifetime};
use super::{Content, Disposition, Packet, Segment, Side, Translator, Why};
use crate::nat::{Filtering, Hairpinning, Unsolicited, UnsolicitedSyn};
use crate::net::Transport;

impl Translator {
    /// The filter holds for such packets as for others, on the source that they arrive with.
    pub(super) fn hairpin(
        &mut self,
        transport: Transport,
        packet: &Packet,
        at: Duration,
        seen: Option<SocketAddrV4>,
    ) -> Result<Disposition, Why> {
        match self.gateway.behavior.hairpinning {
            Hairpinning::None => Err(Why::Hairpinning),
            Hairpinning::ExternalSource => {
                self.owner(transport, packet.destination, packet.source).ok_or(Why::NoMapping)?;
                let (from, to) = (packet.source, packet.destination);
                let before = self.mapping_towards(transport, from, to);
                let begun = before.is_some_and(|i| self.mappings[i].sessions.contains_key(&to));
                // The sender's own filter opens even if the receiver's stays closed, as towards anybody else.
                let sent = self.outbound(transport, packet, at, seen)?;
                let i = self.owner(transport, to, sent.source).ok_or(Why::NoMapping)?;
                let done = self.admit(i, &sent, at);
                // What was dropped has begun no session.
                if let (Err(_), false, Some(i)) = (&done, begun, self.mapping_towards(transport, from, to)) {
                    self.mappings[i].sessions.remove(&to);
                }
                done.map(Disposition::Hairpinned)
            }
            Hairpinning::InternalSource => self.turn(transport, packet, at).map(Disposition::Hairpinned),
        }
    }

    /// With the source as it is. Both ends know each other by inside endpoints then, so permissions are about those.
    fn turn(&mut self, transport: Transport, packet: &Packet, at: Duration) -> Result<Packet, Why> {
        let i = self.owner(transport, packet.destination, packet.source).ok_or(Why::NoMapping)?;
        let b = &self.gateway.behavior;
        let until = at + lifetime(b, transport);
        let (sender, m) = (packet.source, &self.mappings[i]);
        let receiver = m.inside;
        self.inside_permits.insert((transport, sender, filter_part(b, transport, receiver)), until);
        let permitted = self.inside_permits.contains_key(&(transport, receiver, filter_part(b, transport, sender)));
        if !m.open && filtering(b, transport) != Filtering::EndpointIndependent && !permitted {
            return Err(Why::Filtered);
        }
        let session = self.inside_sessions.entry((transport, sender, receiver)).or_insert((packet.destination, until));
        if affine(b, transport) && session.0 != packet.destination {
            return Err(Why::OtherSession);
        }
        *session = (packet.destination, until);
        self.refresh(i, Side::Outside, sender, until);
        Ok(Packet { destination: receiver, ..packet.clone() })
    }

    /// Nothing, or an answer to what comes unasked from outside.
    pub(super) fn unwanted(&self, from: Side, packet: &Packet, why: Why) -> Disposition {
        let b = &self.gateway.behavior;
        let unasked = from == Side::Outside && matches!(why, Why::NoMapping | Why::Filtered);
        let error = || Disposition::Answered(packet.error_from(*packet.destination.ip()), why);
        match &packet.content {
            Content::Udp if unasked && b.unsolicited == Unsolicited::Icmp => error(),
            Content::Tcp(Segment::Syn) if unasked => match b.tcp().unsolicited {
                UnsolicitedSyn::Dropped => Disposition::Dropped(why),
                UnsolicitedSyn::Icmp => error(),
                UnsolicitedSyn::Reset => {
                    let reset = Packet::tcp(packet.destination, packet.source, Segment::Rst);
                    Disposition::Answered(reset, why)
                }
            },
            _ => Disposition::Dropped(why),
        }
    }
}
