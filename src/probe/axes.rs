//! From outcomes of single tests to RFC 4787 behaviours: what the lab's quick gate and `natlab classify` conclude alike. Pure.

use std::net::SocketAddr;

use crate::classification::Status;
use crate::nat::{Filtering, Hairpinning, Mapping};

/// Whether an answer from elsewhere passed the filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Passage {
    /// It arrived.
    Passed,
    /// It did not, although its sender is alive.
    Blocked {
        /// The probability that this is mere loss.
        chance: f64,
    },
    /// It cannot be told, and why.
    Unknown(Status, String),
}

/// RFC 5780 §4.3 from the endpoints that A1:P1, A2:P1 and A2:P2 saw of one socket. A1:P2 is not asked there; where it was,
/// it must agree.
///
/// # Errors
/// Why they fit no behaviour.
pub fn mapping(x1: SocketAddr, x2: SocketAddr, x3: SocketAddr, x4: Option<SocketAddr>) -> Result<Mapping, String> {
    let mapping = if x2 == x1 && x3 == x1 {
        Mapping::EndpointIndependent
    } else if x3 == x2 {
        Mapping::AddressDependent
    } else if x2 != x1 && x3 != x1 {
        Mapping::AddressAndPortDependent
    } else {
        return Err(format!("{x1}, {x2} and {x3} fit no behaviour: one endpoint for two addresses, but not for all"));
    };
    if let Some(x4) = x4 {
        let agrees = match mapping {
            Mapping::EndpointIndependent | Mapping::AddressDependent => x4 == x1,
            Mapping::AddressAndPortDependent => x4 != x1,
        };
        if !agrees {
            return Err(format!("looks {mapping}, but {x1} became {x4} towards another port of the same address"));
        }
    }
    Ok(mapping)
}

/// RFC 5780 §4.4 from test II (an answer from A2:P2) and test III (one from A1:P2), with the probability that it is an
/// artefact of loss.
///
/// # Errors
/// Why it cannot be told.
pub fn filtering(second: Passage, third: Passage) -> Result<(Filtering, f64), (Status, String)> {
    use Passage::{Blocked, Passed, Unknown};
    match (second, third) {
        // What lets a stranger in lets a stranger's other port in; only a proof of the contrary counts against it.
        (Passed, Blocked { .. }) => Err((
            Status::Inconclusive,
            "an answer from the other address passed and one from the other port of the same did not".to_owned(),
        )),
        (Passed, _) => Ok((Filtering::EndpointIndependent, 0.0)),
        (Blocked { chance }, Passed) => Ok((Filtering::AddressDependent, chance)),
        // That it is stricter than the one or the other is wrong when either silence is loss.
        (Blocked { chance: a }, Blocked { chance: b }) => Ok((Filtering::AddressAndPortDependent, (a + b).min(1.0))),
        (Blocked { .. }, Unknown(status, why)) => Err((status, format!("not EIF, but {why}"))),
        (Unknown(status, why), _) => Err((status, why)),
    }
}

/// RFC 4787 §6, REQ-9: by the source that a hairpinned packet bore.
///
/// # Errors
/// When it is neither of its sender's endpoints.
pub fn hairpinning(
    source: SocketAddr,
    external: SocketAddr,
    internal: SocketAddr,
) -> Result<Hairpinning, (Status, String)> {
    if source == external {
        Ok(Hairpinning::ExternalSource)
    } else if source == internal {
        Ok(Hairpinning::InternalSource)
    } else {
        let why = format!("a packet of {internal}, externally {external}, arrived from {source}");
        Err((Status::Inconclusive, why))
    }
}
