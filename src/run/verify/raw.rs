//! Raw IPv4 sockets: one kind hears what arrives at a node, the other sends packets that are complete with their header.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::sockopt::RcvBuf;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, setsockopt, socket,
};

/// The longest packet of interest.
const LONGEST: usize = 4096;

/// What a raw socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Hears ICMP, and sends it with the kernel's IP header.
    Icmp,
    /// Hears TCP.
    Tcp,
    /// Sends whole packets.
    Whole,
}

/// A raw socket in the namespace that it was opened in.
#[derive(Debug)]
pub struct Raw(OwnedFd);

impl Raw {
    /// Opens one in the namespace of the calling thread.
    pub fn open(how: Use) -> io::Result<Raw> {
        let protocol = match how {
            Use::Icmp => SockProtocol::Icmp,
            Use::Tcp => SockProtocol::Tcp,
            Use::Whole => SockProtocol::Raw,
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Inet, SockType::Raw, flags, protocol)?;
        setsockopt(&fd, RcvBuf, &(1 << 20))?;
        Ok(Raw(fd))
    }

    /// Sends to an address.
    pub fn send(&self, bytes: &[u8], to: Ipv4Addr) -> io::Result<()> {
        let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
        sendto(self.0.as_raw_fd(), bytes, &to, MsgFlags::empty())?;
        Ok(())
    }

    /// Every packet that is waiting, from its IP header on.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        let mut bytes = [0; LONGEST];
        let mut all = Vec::new();
        while let Ok(n) = recv(self.0.as_raw_fd(), &mut bytes, MsgFlags::empty()) {
            all.push(bytes.get(..n).unwrap_or_default().to_vec());
        }
        all
    }

    /// Every packet that is waiting and can be read so.
    pub fn read<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> Vec<T> {
        self.heard().iter().filter_map(|p| read(p)).collect()
    }
}
