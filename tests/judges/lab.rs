//! A judge inside a lab: `natlab exec SCENARIO client -- JUDGE`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::gateways::Gateway;

/// The server that judges ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// natlab's own.
    Natlab,
    /// `turnserver`.
    Coturn,
}

/// Its primary and its alternate address.
pub const ADDRESSES: [&str; 2] = ["198.51.100.3", "198.51.100.4"];

/// The slowest judge takes 16 s by itself.
const LIMIT: Duration = Duration::from_secs(90);

impl Server {
    /// For the name of a test.
    pub fn name(self) -> &'static str {
        match self {
            Server::Natlab => "natlab",
            Server::Coturn => "coturn",
        }
    }

    /// Why it cannot be asked here.
    pub fn missing(self) -> Option<String> {
        (self == Server::Coturn && !is_installed("turnserver")).then(|| "turnserver is not installed".to_owned())
    }

    fn keys(self) -> &'static str {
        match self {
            Server::Natlab => "type = \"stun\"",
            Server::Coturn => "type = \"turn\"\nimplementation = \"coturn\"\ntransports = [\"udp\"]",
        }
    }
}

/// Whether a program is in `PATH`.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Why there can be no lab on this host.
pub fn missing() -> Option<String> {
    let output = natlab().arg("doctor").output().expect("natlab starts");
    (!output.status.success()).then(|| "no lab on this host, see `natlab doctor`".to_owned())
}

fn natlab() -> Command {
    Command::new(env!("CARGO_BIN_EXE_natlab"))
}

/// Lets a judge hear what it sends to itself by a hairpin that keeps the inside source; its host would take that for forged.
const ACCEPT_OWN: &str = "echo 1 >/proc/sys/net/ipv4/conf/all/accept_local";

/// Runs a program behind the gateway; what it printed.
pub fn exec(server: Server, gateway: Gateway, command: &[String]) -> Result<String, String> {
    let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
    let scenario = directory.path().join("judged.toml");
    std::fs::write(&scenario, text(server, gateway)).map_err(|e| e.to_string())?;
    let turn = Turn::take();
    let mut child = natlab()
        .arg("exec")
        .arg(&scenario)
        .args(["client", "--", "sh", "-c"])
        // The first line tells that the lab stands and its gateway was measured.
        .args([&format!("{ACCEPT_OWN} && echo {STANDS}; exec \"$@\" 2>&1"), "sh"])
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("starting natlab: {e}"))?;
    let id = child.id();
    let (done, ended) = channel();
    std::thread::spawn(move || done.send(listen(&mut child, turn)));
    match ended.recv_timeout(LIMIT) {
        Ok(said) => said.map_err(|e| e.to_string())?,
        Err(_) => {
            // Its lab and the judge in it end with it.
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            Err(format!("{command:?} did not end within {LIMIT:?}"))
        }
    }
}

const STANDS: &str = "the lab stands";

/// What the program says. An end code tells nothing: that of `stun` is its finding.
fn listen(child: &mut Child, turn: Turn) -> std::io::Result<Result<String, String>> {
    let (mut first, mut said, mut trouble) = (String::new(), String::new(), String::new());
    if let Some(out) = child.stdout.take() {
        let mut out = BufReader::new(out);
        out.read_line(&mut first)?;
        drop(turn);
        out.read_to_string(&mut said)?;
    }
    if let Some(mut err) = child.stderr.take() {
        err.read_to_string(&mut trouble)?;
    }
    child.wait()?;
    Ok(if first.trim() == STANDS { Ok(said) } else { Err(format!("no lab: {first}{said}{trouble}")) })
}

/// Leave to build a lab: as many at a time as there are processors, since a gateway that is measured on a machine with fifty
/// labs in the making answers too late. Judges then run side by side.
struct Turn;

static TAKEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Turn {
    fn take() -> Turn {
        let places = std::thread::available_parallelism().map_or(1, usize::from);
        let taken = TAKEN.0.lock().unwrap();
        *TAKEN.1.wait_while(taken, |taken| *taken >= places).unwrap() += 1;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.0.lock().unwrap() -= 1;
        TAKEN.1.notify_one();
    }
}

fn text(server: Server, gateway: Gateway) -> String {
    let [first, second] = ADDRESSES;
    format!(
        "# A judge is `client`; `other` is there because a scenario has two peers.\n\
         [nat.judged]\n{}\n\
         [peer.client]\nbehind = \"judged\"\nstun = [\"server\"]\nturn = false\n\
         [peer.other]\nstun = false\nturn = false\n\
         [server.server]\n{}\naddresses = [\"{first}\", \"{second}\"]\n",
        gateway.keys(),
        server.keys(),
    )
}
