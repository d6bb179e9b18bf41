//! Servers of `natlab serve` as processes, how much memory they hold, and whether they still answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

static NEXT: AtomicU8 = AtomicU8::new(2);

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A loopback address that no other test has, in this process or another.
pub fn own_address() -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 192 | high & 0x1F, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A running server.
pub struct Server {
    child: Child,
    pub at: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// A STUN server with two addresses, so that all of RFC 5780 is on.
    pub fn stun() -> Server {
        let (one, two) = (own_address(), own_address());
        Server::start(one, &["stun", "--listen", &one.to_string(), "--listen", &two.to_string()])
    }

    /// A TURN server over UDP and TCP.
    pub fn turn() -> Server {
        let at = own_address();
        Server::start(at, &["turn", "--listen", &at.to_string(), "--user", "u", "--password", "p"])
    }

    fn start(at: Ipv4Addr, arguments: &[&str]) -> Server {
        let mut child = Command::new(env!("CARGO_BIN_EXE_natlab"))
            .arg("serve")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("\"ready\""), "{line}");
        Server { child, at: (at, 3478).into() }
    }

    /// What it holds of memory now, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Asserts that it still answers a plain Binding request, over both transports.
    pub fn assert_alive(&self, after: &str) {
        self.assert_answers_udp(after);
        let request = request();
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&request).unwrap();
        let mut head = [0; 20];
        stream.read_exact(&mut head).unwrap_or_else(|e| panic!("no answer over TCP after {after}: {e}"));
        assert_eq!((&head[..2], &head[8..]), (&[1, 1][..], &request[8..]), "after {after}");
    }

    /// The same over UDP.
    pub fn assert_answers_udp(&self, after: &str) {
        let request = request();
        let socket = UdpSocket::bind((own_address(), 0)).unwrap();
        socket.connect(self.at).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let mut answer = [0; 2048];
        loop {
            assert!(Instant::now() < deadline, "no answer over UDP after {after}");
            socket.send(&request).unwrap();
            if socket.recv(&mut answer).is_ok() && answer[..2] == [1, 1] && answer[8..20] == request[8..] {
                break;
            }
        }
    }
}

/// A plain Binding request.
fn request() -> Vec<u8> {
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend(b"still-there?");
    request
}
