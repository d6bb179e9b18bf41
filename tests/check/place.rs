//! Where a test's servers are: addresses and ports of its own, a directory of its own, and processes that end with it.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

static NEXT: AtomicU8 = AtomicU8::new(2);

/// A loopback address that no other test has, in this process or another.
pub fn own_address() -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | high & 0x3F, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Why tests that need a program cannot run.
pub fn missing(program: &str) -> Option<String> {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.err().map(|e| format!("{program}: {e}"))
}

/// A server's process, killed with this.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and waits until one of its lines has `ready`.
pub fn start(mut command: Command, ready: &str) -> Server {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let out = child.stdout.take().unwrap();
    let server = Server(child);
    let (sender, lines) = mpsc::channel();
    // Read to the end, so that the server never waits for a reader.
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(ready) => return server,
            Ok(line) => seen.push(line),
            Err(e) => panic!("never said {ready:?} ({e}):\n{}", seen.join("\n")),
        }
    }
}

/// `natlab serve …` on an address.
pub fn serve(arguments: &[&str]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_natlab"));
    command.arg("serve").args(arguments);
    start(command, "\"ready\"")
}

/// What a check said.
pub struct Said {
    pub code: i32,
    pub json: Value,
    pub text: String,
}

/// `natlab check … --format json`.
pub fn check(arguments: &[&str]) -> Said {
    let out = Command::new(env!("CARGO_BIN_EXE_natlab"))
        .arg("check")
        .args(arguments)
        .args(["--format", "json"])
        .env_remove("NATLAB_TURN_PASSWORD")
        .env_remove("NATLAB_TURN_SECRET")
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Said { code: out.status.code().unwrap(), json, text: text + &String::from_utf8_lossy(&out.stderr) }
}

impl Said {
    /// `outcome` or `outcome: cause` of a line.
    pub fn finding(&self, transport: &str, check: &str) -> String {
        let of = |f: &&Value| f["check"] == check && f["transport"].as_str().unwrap_or("") == transport;
        let found: Vec<&Value> = self.json["servers"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|s| s["checks"].as_array().unwrap())
            .filter(of)
            .collect();
        match found[..] {
            [f] => match f["cause"].as_str() {
                Some(cause) => format!("{}: {cause}", f["outcome"].as_str().unwrap()),
                None => f["outcome"].as_str().unwrap().to_owned(),
            },
            _ => format!("{} of them", found.len()),
        }
    }

    /// Every line of a transport as [`Said::finding`] has it, with its name before it.
    pub fn findings(&self, transport: &str) -> Vec<String> {
        self.json["servers"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|s| s["checks"].as_array().unwrap())
            .filter(|f| f["transport"] == transport)
            .map(|f| f["check"].as_str().unwrap())
            .map(|check| format!("{check} {}", self.finding(transport, check)))
            .collect()
    }

    pub fn assert(&self, transport: &str, check: &str, expected: &str) {
        assert_eq!(self.finding(transport, check), expected, "{transport} {check} in\n{}", self.text);
    }
}

/// A port that is free for UDP and TCP on an address.
pub fn free_port(address: Ipv4Addr) -> u16 {
    loop {
        let udp = UdpSocket::bind((address, 0)).unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind((address, port)).is_ok() {
            return port;
        }
    }
}
