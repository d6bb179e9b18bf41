//! Sockets that leave by one interface, whatever the routing table says: on a host with several ways out, an address to send
//! from alone does not choose the way on Linux and macOS. On Windows it does.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpSocket;

use super::socket::{Datagrams, Opener, Udp};

/// An interface as sockets are bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
}

/// Sockets with one local address that leave by one interface.
#[derive(Clone, Debug)]
pub struct DeviceSockets {
    local: IpAddr,
    device: Device,
}

impl DeviceSockets {
    /// With this address, which is one of the interface's.
    pub fn new(local: IpAddr, device: Device) -> Self {
        DeviceSockets { local, device }
    }

    fn socket(&self, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        let domain = Domain::for_address(SocketAddr::new(self.local, 0));
        let socket = Socket::new(domain, kind, Some(protocol))?;
        self.bind_device(&socket)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// Linux takes this from everybody since 5.7.
    #[cfg(target_os = "linux")]
    fn bind_device(&self, socket: &Socket) -> io::Result<()> {
        socket.bind_device(Some(self.device.name.as_bytes()))
    }

    #[cfg(target_os = "macos")]
    fn bind_device(&self, socket: &Socket) -> io::Result<()> {
        let index = std::num::NonZeroU32::new(self.device.index);
        if self.local.is_ipv4() { socket.bind_device_by_index_v4(index) } else { socket.bind_device_by_index_v6(index) }
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    fn bind_device(&self, _: &Socket) -> io::Result<()> {
        tracing::debug!("the address {} chooses interface {}", self.local, self.device.name);
        Ok(())
    }
}

impl Opener for DeviceSockets {
    fn udp(&self) -> io::Result<Box<dyn Datagrams>> {
        let socket = self.socket(Type::DGRAM, Protocol::UDP)?;
        socket.bind(&SocketAddr::new(self.local, 0).into())?;
        Ok(Box::new(Udp::new(socket.into())?))
    }

    fn tcp(&self, port: u16) -> io::Result<TcpSocket> {
        let socket = self.socket(Type::STREAM, Protocol::TCP)?;
        // RFC 5780 §4.3 over TCP makes several connections from one port.
        socket.set_reuse_address(true)?;
        #[cfg(unix)]
        socket.set_reuse_port(true)?;
        socket.bind(&SocketAddr::new(self.local, port).into())?;
        // Not connected yet in spite of the name.
        Ok(TcpSocket::from_std_stream(socket.into()))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn both_kinds_of_sockets_leave_by_the_loopback_interface() {
        let device = Device { name: "lo".to_owned(), index: 1 };
        let sockets = DeviceSockets::new("127.0.0.1".parse().unwrap(), device);
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let udp = sockets.udp().unwrap();
        udp.send_to(b"x", peer.local_addr().unwrap()).await.unwrap();
        peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        assert_eq!(peer.recv_from(&mut [0; 8]).unwrap().1, udp.local());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = sockets.tcp(0).unwrap();
        let stream = tcp.connect(listener.local_addr().unwrap()).await.unwrap();
        assert_eq!(listener.accept().await.unwrap().1, stream.local_addr().unwrap());
    }

    #[tokio::test]
    async fn there_is_no_way_out_by_an_interface_that_is_not_there() {
        let device = Device { name: "nowhere0".to_owned(), index: 0 };
        assert!(DeviceSockets::new("127.0.0.1".parse().unwrap(), device).udp().is_err());
    }
}
