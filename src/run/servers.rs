//! The servers of a trial, each a process in its node.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::recorder::Recorder;
use super::side::Watched;
use crate::event::{Happened, ProcessRole};
use crate::lab::namespace::Namespace;
use crate::lab::process::{Lookup, OWN_PROGRAM, look_up, wide_path};
use crate::lab::topology::{Lab, LabError};
use crate::plan::{Implementation, Server, ServerKind, Trial};
use crate::server::coturn;

/// Servers of a running trial.
#[derive(Debug, Default)]
pub struct Servers(Vec<Watched>);

impl Servers {
    /// Starts every server of the trial; `private` is a directory for what foreign ones must write.
    pub fn start(&mut self, trial: &Trial, lab: &Lab, private: &Path, recorder: &Recorder) -> Result<(), LabError> {
        for server in &trial.servers {
            let node = lab.node(&server.node)?;
            let argv = match server.implementation {
                Implementation::Natlab => own_argv(server),
                Implementation::Coturn => {
                    coturn_argv(server, &private.join(&server.node)).map_err(LabError::Directory)?
                }
            };
            let started = Watched::start(node, ProcessRole::Server, argv, None, recorder);
            self.0.push(started.map_err(|e| LabError::Server { node: server.node.clone(), source: e })?);
        }
        Ok(())
    }

    /// Ends every server.
    pub async fn end(self) {
        let mut servers = self.0;
        servers.iter_mut().for_each(Watched::expect_end);
        for server in servers {
            // A server has no last words: its process group is ended.
            server.stop().await;
        }
    }
}

/// `natlab serve`, as anybody could start it.
fn own_argv(server: &Server) -> Vec<String> {
    let mut argv: Vec<String> = vec![OWN_PROGRAM.into(), "serve".into()];
    argv.push(match server.kind {
        ServerKind::Stun => "stun".into(),
        ServerKind::Turn => "turn".into(),
    });
    let mut flag = |name: &str, value: String| argv.extend([format!("--{name}"), value]);
    for a in &server.addresses {
        flag("listen", a.to_string());
    }
    flag("port", server.port.to_string());
    if server.kind == ServerKind::Turn {
        flag("user", server.user.clone());
        flag("password", server.password.clone());
        flag("realm", server.realm.clone());
        for t in &server.transports {
            flag("transport", t.to_string());
        }
    }
    argv.push("--json".into());
    argv
}

fn coturn_argv(server: &Server, private: &Path) -> io::Result<Vec<String>> {
    std::fs::create_dir_all(private)?;
    let configuration = private.join("turnserver.conf");
    let text = coturn::configuration(server, private).map_err(io::Error::other)?;
    std::fs::write(&configuration, text)?;
    let mut argv = coturn::argv(&configuration);
    // Where it lies is found out once, so that what was checked before the run is what runs.
    if let (Some(program), Lookup::Found(path)) = (argv.first_mut(), look_up(coturn::PROGRAM, Some(&wide_path()))) {
        *program = path.display().to_string();
    }
    Ok(argv)
}

/// Waits until servers that do not speak natlab's lines answer a Binding request sent from inside their own node.
pub async fn wait_for_foreign(trial: &Trial, lab: &Lab, recorder: &Recorder, limit: Duration) -> Result<(), ()> {
    for server in trial.servers.iter().filter(|s| s.implementation == Implementation::Coturn) {
        let Ok(node) = lab.node(&server.node) else { return Err(()) };
        if !answers(node, server, limit).await {
            let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            let node = Some(server.node.clone());
            recorder.record(Happened::Deadline { node, what: crate::event::Awaited::Server, limit_ms });
            return Err(());
        }
    }
    Ok(())
}

async fn answers(node: &Namespace, server: &Server, limit: Duration) -> bool {
    let Some(endpoint) = server.endpoint() else { return false };
    let deadline = Instant::now() + limit;
    let socket = node.run(|| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
        socket.set_nonblocking(true)?;
        tokio::net::UdpSocket::from_std(socket)
    });
    let Ok(Ok(socket)) = socket else { return false };
    // Magic cookie and any transaction id: a Binding request without attributes (RFC 8489 §5).
    let request = *b"\x00\x01\x00\x00\x21\x12\xa4\x42natlab ready";
    let mut buffer = [0; 1500];
    while Instant::now() < deadline {
        let sent = socket.send_to(&request, endpoint).await;
        let heard = tokio::time::timeout(Duration::from_millis(20), socket.recv_from(&mut buffer)).await;
        if sent.is_ok() && matches!(heard, Ok(Ok(_))) {
            return true;
        }
    }
    false
}
