//! RFC 5780 §4.3: what different endpoints see of one socket.

use std::net::SocketAddr;

use super::servers::Asked;
use super::{Places, judge};
use crate::classification::{Finding, MappingFound};
use crate::probe::line::{Line, Transaction};

/// What the places of one server saw of one socket.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// Test I.
    pub primary: SocketAddr,
    /// Test II: A2:P1.
    pub other_address: Transaction,
    /// Test III: A2:P2.
    pub alternate: Transaction,
    /// A1:P2.
    pub other_port: Transaction,
}

/// One after the other, so that the ports of an endpoint-dependent mapping come in the order of asking.
pub(super) async fn ask_places(line: &Line, primary: SocketAddr, places: &Places) -> Seen {
    let other_address = line.ask_patiently(places.other_address()).await;
    let alternate = line.ask_patiently(places.alternate).await;
    let other_port = line.ask_patiently(places.other_port()).await;
    Seen { primary, other_address, alternate, other_port }
}

/// What several servers saw of one socket, none of which can do more. All were asked already.
pub(super) async fn by_ordinary_servers(line: &Line, asked: &Asked) -> Finding<MappingFound> {
    // Alternates that are half dead still are endpoints that see something.
    let mut seen: Vec<(SocketAddr, SocketAddr)> = asked.usable.iter().map(|u| (u.address, u.mapped)).collect();
    for places in asked.usable.iter().filter_map(|u| u.places).take(1) {
        for at in [places.other_address(), places.alternate, places.other_port()] {
            if seen.iter().any(|(server, _)| *server == at) {
                continue;
            }
            seen.extend(line.ask_patiently(at).await.mapped().map(|mapped| (at, mapped)));
        }
    }
    judge::mapping_of_ordinary(&seen)
}
