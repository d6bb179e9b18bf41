//! A packet tap: everything that enters or leaves one network namespace, with the kernel's timestamps. Linux only;
//! decodes nothing (see [`crate::event::decode`]) and writes nothing (see `report::pcapng`).
//!
//! An `AF_PACKET` socket needs CAP_NET_RAW in the user namespace that owns the network namespace, and stays in the
//! network namespace in which it was opened, wherever its thread goes afterwards.

use std::collections::BTreeMap;
use std::io;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::net::if_::if_nameindex;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns, RxqOvfl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg, setsockopt,
    socket,
};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::event::Direction;

/// Room for packets that wait for the reader: some seconds of a trial's traffic, and a burst of bulk data.
const RECEIVE_BUFFER: usize = 8 << 20;
/// The largest IPv4 packet, and so the largest segmentation super-packet that a veth passes on.
const LARGEST: usize = 1 << 16;
/// `ARPHRD_LOOPBACK` of `linux/if_arp.h`.
const HARDWARE_LOOPBACK: u16 = 772;
/// `ETH_P_IP` and `ETH_P_IPV6` of `linux/if_ether.h`.
const NETWORK_PROTOCOLS: [u16; 2] = [0x0800, 0x86dd];
/// A difference between the clocks that is more than preemption between two readings: somebody set the wall clock.
const CLOCK_STEP_NS: u64 = 1_000_000;

/// Packet types of `linux/if_packet.h`.
mod packet_type {
    pub(super) const HOST: u8 = 0;
    pub(super) const BROADCAST: u8 = 1;
    pub(super) const MULTICAST: u8 = 2;
    pub(super) const OUTGOING: u8 = 4;
}

/// One packet that a tap saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// When the kernel saw it: nanoseconds since the epoch (CLOCK_REALTIME), as in a capture file.
    pub realtime_ns: u64,
    /// The same moment on CLOCK_MONOTONIC, in nanoseconds; compare with [`monotonic_ns`].
    pub monotonic_ns: u64,
    /// Seen from the namespace of the tap.
    pub direction: Direction,
    /// Index of the interface in its namespace; see [`Tap::interface_name`].
    pub interface: u32,
    /// The packet from its IP header on; of TCP it may be a segmentation super-packet of up to 64 KiB. Checksums of
    /// packets that left a local socket may still be missing (`report::pcapng::complete_checksum`).
    pub bytes: Vec<u8>,
}

/// CLOCK_MONOTONIC now, in nanoseconds: the time axis of every process of one machine.
pub fn monotonic_ns() -> io::Result<u64> {
    Ok(nanoseconds(clock_gettime(ClockId::CLOCK_MONOTONIC)?))
}

/// A tap on all interfaces of one network namespace but loopback.
///
/// Loopback is left out because it is no network: each packet appears twice there, and the built-in agent's UDP to TCP
/// shim uses it inside its node. Frames for other stations, which a bridge port sees, are left out as well; a bridge
/// shows each forwarded packet once, as outgoing of the port that it leaves by. A router shows forwarded packets
/// twice, coming in and going out.
#[derive(Debug)]
pub struct Tap {
    socket: Arc<OwnedFd>,
    /// The same socket, known to the runtime of the first [`Tap::next`].
    watched: Option<AsyncFd<Arc<OwnedFd>>>,
    buffer: Vec<u8>,
    clocks: Clocks,
    dropped: u64,
    names: BTreeMap<u32, String>,
}

impl Tap {
    /// Opens a tap in the network namespace of the calling thread; it may be moved to another thread afterwards.
    /// Packets are kept from this moment on, whether or not somebody reads.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_RAW; otherwise what the kernel says to `socket` and `setsockopt`.
    pub fn open() -> io::Result<Tap> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // Only a socket for all protocols is shown outgoing packets.
        let fd = socket(AddressFamily::Packet, SockType::Datagram, flags, SockProtocol::EthAll)?;
        setsockopt(&fd, ReceiveTimestampns, &true)?;
        setsockopt(&fd, RxqOvfl, &1)?;
        // Beyond `net.core.rmem_max` only CAP_NET_ADMIN of the initial user namespace may go.
        if setsockopt(&fd, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&fd, RcvBuf, &RECEIVE_BUFFER)?;
        }
        let names = if_nameindex()?.iter().map(|i| (i.index(), i.name().to_string_lossy().into_owned())).collect();
        Ok(Tap {
            socket: Arc::new(fd),
            watched: None,
            buffer: vec![0; LARGEST],
            clocks: Clocks::read()?,
            dropped: 0,
            names,
        })
    }

    /// The next packet; waits for it, in the tokio runtime of the first call. Cancel safe: no packet is lost.
    ///
    /// # Errors
    /// What the kernel says to `recvmsg`.
    pub async fn next(&mut self) -> io::Result<Captured> {
        loop {
            let watched = match &mut self.watched {
                Some(watched) => watched,
                None => self.watched.insert(watch(Arc::clone(&self.socket))?),
            };
            let (socket, buffer) = (&self.socket, &mut self.buffer);
            let received = watched.async_io(Interest::READABLE, |_| receive(socket, buffer)).await?;
            if let Some(captured) = self.sort(received)? {
                return Ok(captured);
            }
        }
    }

    /// The next packet that is already there; `None` when there is none: what is left after a trial is read with this.
    ///
    /// # Errors
    /// What the kernel says to `recvmsg`.
    pub fn try_read(&mut self) -> io::Result<Option<Captured>> {
        loop {
            let received = match receive(&self.socket, &mut self.buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                received => received?,
            };
            if let Some(captured) = self.sort(received)? {
                return Ok(Some(captured));
            }
        }
    }

    /// How many packets the kernel dropped because nobody read in time, as of the packet read last. The kernel tells
    /// with the next packet that it kept (`SO_RXQ_OVFL`), so drops after the very last one are not in it;
    /// PACKET_STATISTICS would show them, but takes `unsafe`.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The name of an interface that was there when the tap was opened.
    pub fn interface_name(&self, interface: u32) -> Option<&str> {
        self.names.get(&interface).map(String::as_str)
    }

    /// A packet as callers see it, or `None` for one that is left out.
    fn sort(&mut self, received: Received) -> io::Result<Option<Captured>> {
        if let Some(dropped) = received.dropped {
            self.dropped = u64::from(dropped);
        }
        let Some(direction) = direction(received.packet_type) else { return Ok(None) };
        if received.hardware == HARDWARE_LOOPBACK || !NETWORK_PROTOCOLS.contains(&received.protocol) {
            return Ok(None);
        }
        let now = Clocks::read()?;
        self.clocks = self.clocks.updated(now);
        let realtime_ns = received.realtime_ns.unwrap_or(now.realtime_ns);
        Ok(Some(Captured {
            realtime_ns,
            monotonic_ns: self.clocks.monotonic(realtime_ns),
            direction,
            interface: received.interface,
            bytes: self.buffer.get(..received.length).unwrap_or_default().to_vec(),
        }))
    }
}

#[expect(
    deprecated,
    reason = "the new constructor is unsafe: it asks for a descriptor that stays open, which an `OwnedFd` does"
)]
fn watch(socket: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

/// What one `recvmsg` said.
#[derive(Clone, Copy, Debug)]
struct Received {
    length: usize,
    packet_type: u8,
    hardware: u16,
    protocol: u16,
    interface: u32,
    realtime_ns: Option<u64>,
    dropped: Option<u32>,
}

fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = cmsg_space!(TimeSpec, u32);
    loop {
        let mut parts = [IoSliceMut::new(buffer)];
        let message = match recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            message => message?,
        };
        let from = message.address.ok_or(io::Error::from(Errno::EAFNOSUPPORT))?;
        let mut received = Received {
            length: message.bytes,
            packet_type: from.pkttype(),
            hardware: from.hatype(),
            protocol: u16::from_be(from.protocol()),
            interface: from.ifindex() as u32,
            realtime_ns: None,
            dropped: None,
        };
        for item in message.cmsgs()? {
            match item {
                ControlMessageOwned::ScmTimestampns(at) => received.realtime_ns = Some(nanoseconds(at)),
                ControlMessageOwned::RxqOvfl(dropped) => received.dropped = Some(dropped),
                _ => {}
            }
        }
        return Ok(received);
    }
}

/// `None` for frames of other stations and for what the kernel shows for its own purposes.
fn direction(kind: u8) -> Option<Direction> {
    match kind {
        packet_type::OUTGOING => Some(Direction::Out),
        packet_type::HOST | packet_type::BROADCAST | packet_type::MULTICAST => Some(Direction::In),
        _ => None,
    }
}

/// Both clocks at one moment. The kernel stamps packets with the wall clock, trials are measured on the monotonic one.
/// NTP slews both alike, so their difference only changes when the wall clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clocks {
    realtime_ns: u64,
    monotonic_ns: u64,
}

impl Clocks {
    fn read() -> io::Result<Clocks> {
        let realtime_ns = nanoseconds(clock_gettime(ClockId::CLOCK_REALTIME)?);
        Ok(Clocks { realtime_ns, monotonic_ns: monotonic_ns()? })
    }

    /// The moment `realtime_ns` on the monotonic clock.
    fn monotonic(self, realtime_ns: u64) -> u64 {
        if realtime_ns >= self.realtime_ns {
            self.monotonic_ns.saturating_add(realtime_ns - self.realtime_ns)
        } else {
            self.monotonic_ns.saturating_sub(self.realtime_ns - realtime_ns)
        }
    }

    /// The first reading, so that equal intervals stay equal, unless the wall clock was set since then.
    fn updated(self, now: Clocks) -> Clocks {
        if self.monotonic(now.realtime_ns).abs_diff(now.monotonic_ns) > CLOCK_STEP_NS { now } else { self }
    }
}

fn nanoseconds(time: TimeSpec) -> u64 {
    u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_wall_clock_that_is_set_does_not_move_packets() {
        let start = Clocks { realtime_ns: 1_000 * SECOND, monotonic_ns: 5 * SECOND };
        assert_eq!(start.monotonic(1_001 * SECOND), 6 * SECOND);
        assert_eq!(start.monotonic(999 * SECOND), 4 * SECOND, "stamped before the clocks were read");

        let later = Clocks { realtime_ns: 1_010 * SECOND + 900, monotonic_ns: 15 * SECOND };
        assert_eq!(start.updated(later), start, "the time between two readings is no step");
        let stepped = Clocks { realtime_ns: 2_000 * SECOND, monotonic_ns: 16 * SECOND };
        assert_eq!(start.updated(stepped).monotonic(2_001 * SECOND), 17 * SECOND);
        let back = Clocks { realtime_ns: 10 * SECOND, monotonic_ns: 16 * SECOND };
        assert_eq!(start.updated(back).monotonic(10 * SECOND), 16 * SECOND);
    }

    #[test]
    fn frames_of_other_stations_have_no_direction() {
        assert_eq!(direction(0), Some(Direction::In));
        assert_eq!(direction(2), Some(Direction::In), "mDNS");
        assert_eq!(direction(4), Some(Direction::Out));
        assert_eq!(direction(3), None, "PACKET_OTHERHOST");
        assert_eq!(direction(5), None, "PACKET_LOOPBACK");
    }
}
