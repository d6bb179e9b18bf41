//! ICMP errors about packets of live sessions (RFC 5508 §4): they find their way, and keep nothing alive.

use std::net::SocketAddrV4;

use super::mapping::Mapping;
use super::{Content, Disposition, Packet, Side, Translator, Why};
use crate::nat::IcmpErrors;

impl Translator {
    pub(super) fn error(&self, from: Side, packet: &Packet) -> Result<Disposition, Why> {
        let Content::IcmpError(about) = &packet.content else { return Err(Why::NoSession) };
        if self.gateway.behavior.icmp_errors == IcmpErrors::Dropped {
            return Err(Why::IcmpErrors);
        }
        match from {
            Side::Outside => self.error_inwards(packet, about).map(Disposition::Inside),
            Side::Inside => {
                let sent = self.error_outwards(packet, about)?;
                if !self.is_external(*sent.destination.ip()) {
                    return Ok(Disposition::Outside(sent));
                }
                let Content::IcmpError(about) = &sent.content else { return Err(Why::NoSession) };
                self.error_inwards(&sent, about).map(Disposition::Hairpinned)
            }
        }
    }

    /// About a packet that left: its source was an external endpoint (RFC 5508 REQ-4).
    fn error_inwards(&self, packet: &Packet, about: &Packet) -> Result<Packet, Why> {
        let m = self.session(about, |m| m.external == about.source, about.destination)?;
        let about = Packet { source: m.inside, ..about.clone() };
        let destination = SocketAddrV4::new(*m.inside.ip(), 0);
        Ok(Packet { destination, content: Content::IcmpError(Box::new(about)), ..*packet })
    }

    /// About a packet that came in: its destination is an inside endpoint by now (RFC 5508 REQ-5). Whoever inside sends it, it
    /// comes from the external address.
    fn error_outwards(&self, packet: &Packet, about: &Packet) -> Result<Packet, Why> {
        let m = self.session(about, |m| m.inside == about.destination, about.source)?;
        let about = Packet { destination: m.external, ..about.clone() };
        let source = SocketAddrV4::new(*m.external.ip(), 0);
        Ok(Packet { source, content: Content::IcmpError(Box::new(about)), ..*packet })
    }

    fn session(&self, about: &Packet, is: impl Fn(&Mapping) -> bool, remote: SocketAddrV4) -> Result<&Mapping, Why> {
        let transport = about.transport().ok_or(Why::NoSession)?;
        let mut live = self.mappings.iter().filter(|m| m.transport == transport && m.sessions.contains_key(&remote));
        live.find(|m| is(m)).ok_or(Why::NoSession)
    }
}
