//! Servers on loopback: natlab's own, and ones that say what a NAT would make a server say.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// `natlab serve`, until it is dropped.
pub struct Served {
    child: Child,
    addresses: Vec<String>,
    port: u16,
}

impl Served {
    /// A STUN server with these addresses.
    pub fn stun(addresses: &[&str]) -> Served {
        let mut command = Command::new(env!("CARGO_BIN_EXE_natlab"));
        command.args(["serve", "stun"]);
        Served::start(command, addresses)
    }

    /// A TURN server that takes user `u` with password `p`.
    pub fn turn(address: &str) -> Served {
        let mut command = Command::new(env!("CARGO_BIN_EXE_natlab"));
        command.args(["serve", "turn", "--user", "u", "--password", "p"]);
        Served::start(command, &[address])
    }

    fn start(mut command: Command, addresses: &[&str]) -> Served {
        for address in addresses {
            command.args(["--listen", address]);
        }
        // Each test has addresses of its own, so the port is free.
        let port = 3478;
        let mut child = command.arg("--json").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{line}");
        Served { child, addresses: addresses.iter().map(|a| (*a).to_owned()).collect(), port }
    }

    /// Where it answers on its first or second address.
    pub fn at(&self, index: usize) -> String {
        format!("{}:{}", self.addresses[index], self.port)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a fake server says of those who ask.
#[derive(Clone, Copy)]
enum Says {
    /// That they come from this port of an external address.
    Port(u16),
    /// The truth.
    Truth,
    /// Nothing.
    Nothing,
}

/// An ordinary STUN server over UDP.
pub struct Fake {
    at: SocketAddr,
    asked: Receiver<()>,
}

impl Fake {
    /// One that sees everybody at this port of one external address.
    pub fn start(address: &str, port: u16) -> Fake {
        Fake::saying(address, Says::Port(port))
    }

    /// One that says what it sees.
    pub fn honest(address: &str) -> Fake {
        Fake::saying(address, Says::Truth)
    }

    /// One that never answers.
    pub fn silent(address: &str) -> Fake {
        Fake::saying(address, Says::Nothing)
    }

    fn saying(address: &str, says: Says) -> Fake {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        let at = socket.local_addr().unwrap();
        let (tell, asked) = channel();
        // Ends with the test program.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = tell.send(());
                let mapped = match (says, from) {
                    (Says::Port(port), _) => (Ipv4Addr::new(203, 0, 113, 7), port),
                    (Says::Truth, SocketAddr::V4(from)) => (*from.ip(), from.port()),
                    _ => continue,
                };
                if let Some(answer) = answer(&buffer[..length], mapped) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        Fake { at, asked }
    }

    /// Where it is.
    pub fn at(&self) -> String {
        self.at.to_string()
    }

    /// Waits until it has been asked.
    pub fn asked(&self) {
        self.asked.recv_timeout(Duration::from_secs(20)).expect("a request");
    }
}

/// A success response with XOR-MAPPED-ADDRESS (RFC 8489 §14.2) to a Binding request.
fn answer(request: &[u8], (address, port): (Ipv4Addr, u16)) -> Option<Vec<u8>> {
    const COOKIE: u32 = 0x2112_a442;
    if request.len() < 20 || request[..2] != [0, 1] {
        return None;
    }
    let mut answer = vec![1, 1, 0, 12];
    answer.extend(&request[4..20]);
    answer.extend([0, 0x20, 0, 8, 0, 1]);
    answer.extend((port ^ (COOKIE >> 16) as u16).to_be_bytes());
    answer.extend((u32::from(address) ^ COOKIE).to_be_bytes());
    Some(answer)
}
