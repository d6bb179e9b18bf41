//! TURN over UDP through a loopback socket, so that lab timers can hold the data plane back ([`super::hold`]). With stock
//! timers the library speaks to the server itself.
//!
//! For its server-reflexive candidate the library asks the server itself, as a STUN server ([`super::shim`]). Everything else
//! passes unchanged, retransmissions included.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;

use super::hold::{Gate, Hold};
use super::shim::{self, Client, LONGEST};

/// Starts a shim for the TURN server at `server` (`HOST:PORT`) and gives the endpoint that stands for it ([`shim::start`]).
///
/// # Errors
/// The loopback socket cannot be made.
pub async fn start(server: String, hold: Hold) -> io::Result<SocketAddr> {
    shim::start(move |client| {
        tokio::spawn(relay(client, server.clone(), hold.gate()));
    })
    .await
}

/// Carries messages both ways between one socket of the library and the server. A server that cannot be reached is silent, as
/// it is to the library without the shim.
async fn relay(client: Client, server: String, mut gate: Gate) {
    let Client { back, mut messages } = client;
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await else { return };
    if socket.connect(&server).await.is_err() {
        return;
    }
    let mut buffer = vec![0; LONGEST];
    loop {
        tokio::select! {
            message = gate.next(&mut messages) => {
                let Some(message) = message else { return };
                let _ = socket.send(&message).await;
            }
            // An ICMP error of an earlier datagram comes out here; the next one may pass.
            received = socket.recv(&mut buffer) => if let Ok(length) = received {
                back.answer(&buffer[..length]).await;
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn messages_pass_both_ways_and_binding_requests_do_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let shim = start(server.local_addr().unwrap().to_string(), Hold::new(Duration::ZERO)).await.unwrap();
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            client.connect(shim).await.unwrap();
            let mut buffer = [0; 1500];
            let mut binding = vec![0x00, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42];
            binding.extend([7; 12]);
            client.send(&binding).await.unwrap();
            let length = client.recv(&mut buffer).await.unwrap();
            assert_eq!((buffer[0], buffer[1]), (0x01, 0x11), "an error response: {:?}", &buffer[..length]);
            client.send(b"\x40\x00\x00\x02hi").await.unwrap();
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], b"\x40\x00\x00\x02hi");
            server.send_to(b"\x40\x00\x00\x02ho", from).await.unwrap();
            let length = client.recv(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], b"\x40\x00\x00\x02ho");
        });
    }
}
