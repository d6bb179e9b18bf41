//! Tells when nothing more can come, without waiting.
//!
//! All of a verification runs on one processor, where packets wait in one queue: at each hop a packet goes to its end. A
//! datagram that is sent to and fro over a link of its own therefore comes back the n-th time only when everything that was
//! sent before has gone n hops, if it has that many to go. What has not arrived by then will not arrive.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::conformance::bench::CLOCK;
use crate::lab::topology::{Lab, LabError};
use crate::plan::Topology;

/// Of both ends.
const PORT: u16 = 9;
/// A beat takes microseconds; on a machine that is busy with other things, as long as these let it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The two ends of the clock's link.
#[derive(Debug)]
pub struct Clock {
    ends: Mutex<[tokio::net::UdpSocket; 2]>,
    /// How often to and fro.
    beats: u32,
}

impl Clock {
    /// A clock of a lab whose longest exchange has so many hops.
    pub fn new(lab: &Lab, inside: &str, hops: u32) -> Result<Clock, LabError> {
        let bind = |node: &str, end: usize| -> Result<tokio::net::UdpSocket, LabError> {
            let address = SocketAddrV4::new(CLOCK[end], PORT);
            let far = SocketAddrV4::new(CLOCK[1 - end], PORT);
            let open = || -> io::Result<tokio::net::UdpSocket> {
                let s = UdpSocket::bind(address)?;
                s.connect(far)?;
                s.set_nonblocking(true)?;
                tokio::net::UdpSocket::from_std(s)
            };
            lab.node(node)?.run(open)?.map_err(|e| LabError::Probe(format!("binding the clock at {address}: {e}")))
        };
        let ends = [bind(inside, 0)?, bind(Topology::INTERNET, 1)?];
        Ok(Clock { ends: Mutex::new(ends), beats: hops.div_ceil(2) })
    }

    /// Returns when everything that was sent before has arrived or will never arrive.
    pub async fn settled(&self) -> Result<(), LabError> {
        let ends = self.ends.lock().await;
        let [inside, outside] = &*ends;
        let mut bytes = [0; 8];
        let beats = async {
            for _ in 0..self.beats {
                inside.send(b"beat").await?;
                outside.recv(&mut bytes).await?;
                outside.send(b"beat").await?;
                inside.recv(&mut bytes).await?;
            }
            io::Result::Ok(())
        };
        match timeout(PATIENCE, beats).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(LabError::Probe(format!("the clock: {e}"))),
            Err(_) => Err(LabError::Probe(format!("the clock stood still for {} s", PATIENCE.as_secs()))),
        }
    }
}

/// An IPv4 endpoint; labs have no others.
pub fn v4(a: SocketAddr) -> Option<SocketAddrV4> {
    match a {
        SocketAddr::V4(a) => Some(a),
        SocketAddr::V6(_) => None,
    }
}
