//! One socket of the library, and its way to the server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use stun::message::{METHOD_ALLOCATE, MessageType};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::hold::Hold;
use super::link::{Inward, Link, Outward};
use super::{Allocation, Settings, message};
use crate::net::Transport;

/// One socket of the library.
pub(super) struct Client {
    pub(super) library: Arc<UdpSocket>,
    pub(super) address: SocketAddr,
    pub(super) settings: Arc<Settings>,
    pub(super) allocation: Arc<Allocation>,
}

impl Client {
    /// Carries messages both ways until `messages` end; when the way to the server breaks, answers them with errors.
    pub(super) async fn run(self, mut messages: mpsc::Receiver<Vec<u8>>) {
        let mut told = false;
        let result = match Link::open(self.settings.transport, &self.settings.server).await {
            Ok(link) => self.carry(link, &mut messages, &mut told).await,
            Err(e) => Err(e),
        };
        let Err(error) = result else { return };
        let reason = self.reason(&error);
        if !told {
            (self.settings.on_failure)(reason.clone());
        }
        while let Some(message) = messages.recv().await {
            self.refuse(&message, |_| true, &reason).await;
        }
    }

    /// Carries messages both ways until they end, or until the connection does.
    async fn carry(&self, link: Link, messages: &mut mpsc::Receiver<Vec<u8>>, told: &mut bool) -> io::Result<()> {
        let _ = self.allocation.local_port.set(link.local_port);
        let peer_has_spoken = Notify::new();
        tokio::select! {
            result = self.inward(link.inward, &peer_has_spoken) => result,
            result = self.outward(link.outward, messages, &peer_has_spoken, told) => result,
        }
    }

    async fn inward(&self, mut from_server: Inward, peer_has_spoken: &Notify) -> io::Result<()> {
        loop {
            let message = from_server.receive().await?;
            if message::is_from_peer(&message) {
                peer_has_spoken.notify_one(); // before the library can answer it
            }
            let _ = self.library.send_to(&message, self.address).await;
        }
    }

    async fn outward(
        &self,
        mut to_server: Outward,
        messages: &mut mpsc::Receiver<Vec<u8>>,
        peer_has_spoken: &Notify,
        told: &mut bool,
    ) -> io::Result<()> {
        let mut hold = Hold::new(self.settings.hold);
        loop {
            let out = tokio::select! {
                biased; // what was held goes before what comes
                () = peer_has_spoken.notified(), if hold.is_on() => hold.end(),
                () = at(hold.ends_at()) => hold.end(),
                () = self.allocation.candidate_is_out.notified(), if hold.is_on() => {
                    hold.candidate_is_out(Instant::now());
                    continue;
                }
                message = messages.recv() => match message {
                    Some(message) => hold.pass(message),
                    None => return Ok(()),
                },
            };
            for message in out {
                match to_server.send(&message).await {
                    Err(e) if to_server.breaks() => return Err(e),
                    Err(e) => self.not_sent(&message, &e, told).await,
                    Ok(()) => {}
                }
            }
        }
    }

    /// Over UDP the system refuses a datagram when there is no route; another time there may be one.
    async fn not_sent(&self, message: &[u8], error: &io::Error, told: &mut bool) {
        let reason = self.reason(error);
        let allocate = |typ: MessageType| typ.method == METHOD_ALLOCATE;
        if message::refuse(message, allocate, 500, "").is_some() && !std::mem::replace(told, true) {
            (self.settings.on_failure)(reason.clone());
        }
        self.refuse(message, |_| true, &reason).await;
    }

    async fn refuse(&self, message: &[u8], which: impl Fn(MessageType) -> bool, reason: &str) {
        if let Some(answer) = message::refuse(message, which, 500, reason) {
            let _ = self.library.send_to(&answer, self.address).await;
        }
    }

    fn reason(&self, error: &io::Error) -> String {
        let Settings { server, transport, .. } = &*self.settings;
        match (transport, error.kind()) {
            (Transport::Tcp, io::ErrorKind::UnexpectedEof) => {
                format!("TCP connection to {server}: closed by the server")
            }
            (Transport::Tcp, _) => format!("TCP connection to {server}: {error}"),
            (Transport::Udp, _) => format!("UDP to {server}: {error}"),
        }
    }
}

/// Never, without a time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
