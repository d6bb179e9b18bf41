//! Fragments, in order and out of order, and packets that are too large for the outside link (RFC 4787 REQ-13 and REQ-14).

use std::net::SocketAddrV4;

use super::bed::{Bed, Group, Id, Place};
use super::packet;
use super::raw::{Raw, Use};
use super::udp::PORTS;
use crate::conformance::observations::Sizes;
use crate::lab::topology::LabError;

/// Bytes of a datagram in fragments, and of the first fragment.
const DATAGRAM: usize = 2000;
const FRAGMENT: usize = 1208;
/// MTU of the outside link while packets are too large for it, what it is otherwise, and a packet in between.
const SMALL_MTU: u16 = 1300;
const USUAL_MTU: u32 = 1500;
const TOO_LARGE: usize = 1400;

/// Everything about sizes.
pub async fn sizes(bed: &Bed) -> Result<Sizes, LabError> {
    let group = Group::new(bed);
    // Of its own: the path to this server is remembered as narrow afterwards.
    let server = group.bind(Place::Server(2), PORTS[0])?;
    let inside = group.bind(Place::Host(1), 6600)?;
    let mouths = [bed.raw(Place::Host(1), Use::Whole)?, bed.raw(Place::Server(2), Use::Whole)?];
    let remote = group.local(server);
    let mut seen = Sizes { mtu: SMALL_MTU, ..Sizes::default() };
    let Some(external) = group.deliver(inside, remote, server).await? else { return Ok(seen) };
    let ways = [(group.local(inside), remote, server), (remote, external, inside)];
    for backwards in [false, true] {
        let mut came = [false; 2];
        for ((slot, mouth), (from, to, at)) in came.iter_mut().zip(&mouths).zip(ways) {
            *slot = in_fragments(bed, &group, mouth, (from, to), at, backwards).await?;
        }
        *(if backwards { &mut seen.out_of_order } else { &mut seen.in_order }) = Some(came);
    }
    bed.outside_mtu(u32::from(SMALL_MTU)).await?;
    let narrow = too_large(bed, &group, &mouths[0], (group.local(inside), remote), server).await;
    bed.outside_mtu(USUAL_MTU).await?;
    let (error, whole) = narrow?;
    (seen.df_error, seen.without_df) = (Some(error), Some(whole));
    Ok(seen)
}

async fn in_fragments(
    bed: &Bed,
    group: &Group<'_>,
    mouth: &Raw,
    (from, to): (SocketAddrV4, SocketAddrV4),
    at: Id,
    backwards: bool,
) -> Result<bool, LabError> {
    let payload = vec![b'f'; DATAGRAM];
    let mut pieces = packet::fragments(from, to, &payload, FRAGMENT, bed.number() as u16);
    if backwards {
        pieces.reverse();
    }
    for piece in pieces {
        send(mouth, &piece, to)?;
    }
    Ok(group.came().await?.iter().any(|(id, _, came)| *id == at && *came == payload))
}

async fn too_large(
    bed: &Bed,
    group: &Group<'_>,
    mouth: &Raw,
    (from, to): (SocketAddrV4, SocketAddrV4),
    server: Id,
) -> Result<(Option<crate::conformance::observations::IcmpError>, bool), LabError> {
    let errors = bed.raw(Place::Host(1), Use::Icmp)?;
    let payload = vec![b'l'; TOO_LARGE - 28];
    send(mouth, &packet::udp(from, to, &payload, true), to)?;
    bed.clock.settled().await?;
    let error = errors.read(packet::read_error).into_iter().find(|e| e.about_to == to);
    let stray = group.came().await?;
    if !stray.is_empty() {
        bed.strays.borrow_mut().push(format!("a packet of {TOO_LARGE} bytes with DF passed an MTU of {SMALL_MTU}"));
    }
    send(mouth, &packet::udp(from, to, &payload, false), to)?;
    let came = group.came().await?;
    Ok((error, came.iter().any(|(id, _, came)| *id == server && *came == payload)))
}

fn send(mouth: &Raw, packet: &[u8], to: SocketAddrV4) -> Result<(), LabError> {
    mouth.send(packet, *to.ip()).map_err(|e| LabError::Probe(format!("sending a fragment: {e}")))
}
