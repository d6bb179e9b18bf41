//! An agent as a process, and what it says.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// For what must come; generous, since nothing is measured here.
pub const LIMIT: Duration = Duration::from_secs(20);

pub struct Agent {
    process: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Everything it said so far.
    pub said: Vec<Value>,
    next_id: u64,
    asked: Vec<u64>,
}

/// Arguments of the built-in agent.
pub fn builtin() -> Vec<String> {
    [env!("CARGO_BIN_EXE_natlab"), "agent", "webrtc-ice"].map(str::to_owned).to_vec()
}

/// The interpreter that has `agents/aioice/requirements.txt`.
pub fn python() -> String {
    std::env::var("NATLAB_PYTHON").expect("NATLAB_PYTHON names a Python with agents/aioice/requirements.txt installed")
}

pub fn aioice() -> Vec<String> {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("agents/aioice/agent.py");
    vec![python(), adapter.to_str().unwrap().to_owned()]
}

/// The skeleton of the documentation, written to a file.
pub fn skeleton(directory: &Path) -> Vec<String> {
    let text = include_str!("../../docs/agent-protocol.md");
    let program = text.split("```python\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
    let file: PathBuf = directory.join("skeleton.py");
    std::fs::write(&file, program).unwrap();
    vec![python(), file.to_str().unwrap().to_owned()]
}

impl Agent {
    /// Starts it and waits for `hello`.
    pub fn start(argv: &[String]) -> Agent {
        let mut process =
            Command::new(&argv[0]).args(&argv[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        let mut agent = Agent { process, stdin, lines, said: Vec::new(), next_id: 1, asked: Vec::new() };
        let hello = agent.next();
        assert_eq!(hello["ev"], "hello", "the first line: {hello}");
        agent
    }

    /// The next line; fails at the limit or at the end.
    pub fn next(&mut self) -> Value {
        let line = self.lines.recv_timeout(LIMIT).unwrap_or_else(|e| panic!("{e}; it said {:#?}", self.said));
        self.keep(&line)
    }

    fn keep(&mut self, line: &str) -> Value {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value["t"].as_f64().is_some_and(|t| t > 1e9), "every event has its time: {line}");
        self.said.push(value.clone());
        value
    }

    /// The next line, if it comes at once.
    pub fn poll(&mut self) -> Option<Value> {
        let line = self.lines.recv_timeout(Duration::from_millis(1)).ok()?;
        Some(self.keep(&line))
    }

    /// Waits for the first event, of those said already or to come, that fits.
    pub fn wait(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(value) = self.said.iter().find(|v| fits(v)) {
            return value.clone();
        }
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            let value = self.next();
            if fits(&value) {
                return value;
            }
        }
        panic!("no {what}; it said {:#?}", self.said);
    }

    pub fn event(&mut self, name: &str) -> Value {
        self.wait(name, |v| v["ev"] == name)
    }

    /// Writes a line as it is.
    pub fn write(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    /// Gives a command; its id.
    pub fn tell(&mut self, mut command: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.asked.push(id);
        command["id"] = id.into();
        self.write(&command.to_string());
        id
    }

    /// Gives a command and waits for its reply.
    pub fn ask(&mut self, command: Value) -> Value {
        let id = self.tell(command);
        self.reply(id)
    }

    pub fn reply(&mut self, id: u64) -> Value {
        self.wait("reply", |v| v["ev"] == "reply" && v["id"] == id)
    }

    /// The error code of the reply to a command, or "ok".
    pub fn code(&mut self, command: Value) -> String {
        let reply = self.ask(command);
        if reply["ok"] == true {
            assert!(reply.get("error").is_none(), "{reply}");
            return "ok".to_owned();
        }
        reply["error"]["code"].as_str().unwrap_or_else(|| panic!("an error has a code: {reply}")).to_owned()
    }

    pub fn configure(&mut self, extra: Value) -> Value {
        let mut command = json!({
            "cmd": "configure", "role": "offerer", "ice_servers": [], "policy": "all", "trickle": true,
            "timers": {"profile": "lab"}, "network": {"families": ["ipv4"], "loopback": true},
        });
        command.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        self.ask(command)
    }

    /// Sends `close`, or closes stdin, and checks the way it ends.
    pub fn end(mut self, by_command: bool) -> Vec<Value> {
        let start = Instant::now();
        if by_command {
            self.tell(json!({"cmd": "close"}));
        }
        drop(self.stdin.take());
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            self.keep(&line);
        }
        let status = self.process.wait().unwrap();
        // The protocol gives it 2 s; a crowded machine gets as much again.
        assert!(start.elapsed() < Duration::from_secs(4), "it took {:?}", start.elapsed());
        assert!(status.success(), "{status}; it said {:#?}", self.said);
        assert_eq!(self.said.last().map(|v| &v["ev"]), Some(&"closed".into()), "the last line");
        for id in &self.asked {
            let replies = self.said.iter().filter(|v| v["ev"] == "reply" && v["id"] == *id).count();
            assert_eq!(replies, 1, "command {id} is answered once; it said {:#?}", self.said);
        }
        std::mem::take(&mut self.said)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
