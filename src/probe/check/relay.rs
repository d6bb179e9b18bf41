//! Whether a relay carries packets: those of a permitted peer both ways, in indications and over a channel, and those of a
//! stranger not.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::Settings;
use super::finding::{Finding, RoundTrips, Subject};
use super::peer::Peer;
use crate::probe::turn::{Cause, Client, Failure, Over, Via, token};

/// The first channel (RFC 8656 §12).
const CHANNEL: u16 = 0x4000;

/// How many packets of a stranger must all be dropped.
const STRANGERS: usize = 3;

/// What a relay did with one peer.
pub(super) struct Carried {
    /// Whether packets went both ways.
    pub works: bool,
    /// Lines about relay, permissions and channels.
    pub findings: Vec<Finding>,
}

/// The relay `relay` of `client` against `peer`; `with` says in words who that is.
pub(super) async fn check(
    client: &mut Client,
    relay: SocketAddr,
    peer: &mut Peer,
    with: &str,
    settings: &Settings,
) -> Carried {
    let over = client.link().over();
    let mut findings = Vec::new();
    let carried = |works, findings| Carried { works, findings };

    let strangers = stranger(client, relay, peer, settings).await;
    if let Err(e) = client.permit(peer.at()).await {
        let mut finding = Finding::of(Subject::Relay, over, &e);
        finding.detail = format!("peer {} ({with}): {e}", peer.at().ip());
        findings.push(finding);
        return carried(false, findings);
    }
    let both_ways = both_ways(client, relay, peer, settings, None).await;
    let source = match both_ways {
        Ok((source, time)) => {
            let mut finding = Finding::ok(Subject::Relay, over, format!("carries packets both ways, {with}")).at(relay);
            finding.round_trips = RoundTrips::of(vec![time], 1);
            findings.push(finding);
            source
        }
        Err(stuck) => {
            findings.push(stuck.finding(Subject::Relay, over, Cause::NotRelayed, with));
            return carried(false, findings);
        }
    };
    findings.push(match strangers {
        Ok(0) => Finding::ok(Subject::Permissions, over, "a peer without a permission is not heard"),
        Ok(heard) => {
            let detail = format!("{heard} of {STRANGERS} packets of a peer without a permission came through");
            Finding::failed(Subject::Permissions, over, Cause::PermissionNotEnforced, detail)
        }
        Err(e) => Finding::of(Subject::Permissions, over, &e),
    });
    findings.push(channel(client, relay, peer, source, with, settings).await);
    carried(true, findings)
}

/// How many packets of a peer without a permission come through. The path is open when the same peer is heard afterwards.
async fn stranger(
    client: &mut Client,
    relay: SocketAddr,
    peer: &mut Peer,
    settings: &Settings,
) -> Result<usize, Failure> {
    let token = token();
    for _ in 0..STRANGERS {
        peer.send(relay, &token).await?;
    }
    // Longer than a packet needs from the peer to the client: both ways to the server, and its own work.
    let until = Instant::now() + settings.pace.rto;
    let mut heard = 0;
    while let Some(packet) = client.receive(until).await? {
        heard += usize::from(packet.data == token);
    }
    Ok(heard)
}

/// Where packets stopped.
enum Stuck {
    /// Something on the way to the server.
    Failed(Failure),
    /// None of so many came from the peer to the client.
    Inwards(u32),
    /// None of so many came from the client to the peer.
    Outwards(u32),
    /// They came from somewhere else than the relay's address.
    Source(SocketAddr),
    /// They came, but not as ChannelData.
    Indication,
}

impl Stuck {
    fn finding(self, check: Subject, over: Over, cause: Cause, with: &str) -> Finding {
        match self {
            Stuck::Failed(e) => Finding::of(check, over, &e),
            Stuck::Inwards(n) => {
                Finding::failed(check, over, cause, format!("{n} packets to the relay, none arrived here ({with})"))
            }
            Stuck::Outwards(n) => {
                Finding::failed(check, over, cause, format!("{n} packets from the relay, none arrived ({with})"))
            }
            Stuck::Source(from) => {
                let detail = format!("packets of the relay come from {from}, which is not its address");
                Finding::failed(check, over, Cause::WrongSource, detail).at(from)
            }
            Stuck::Indication => {
                let detail = "packets of the channel's peer come in indications";
                Finding::failed(check, over, Cause::ChannelNotUsed, detail)
            }
        }
    }
}

/// One packet from the peer to the client and one back, each sent again until it arrives; gives the peer's address as the
/// relay sees it, and how long both took.
async fn both_ways(
    client: &mut Client,
    relay: SocketAddr,
    peer: &mut Peer,
    settings: &Settings,
    channel: Option<u16>,
) -> Result<(SocketAddr, Duration), Stuck> {
    let (inwards, outwards) = (token(), token());
    let mut attempts = Attempts::new(settings);
    let (source, there) = 'inwards: loop {
        let Some(until) = attempts.next() else { return Err(Stuck::Inwards(attempts.count)) };
        let sent = Instant::now();
        peer.send(relay, &inwards).await.map_err(Stuck::Failed)?;
        while let Some(packet) = client.receive(until).await.map_err(Stuck::Failed)? {
            if packet.data == inwards {
                if channel.is_some_and(|number| packet.via != Via::Channel(number)) {
                    return Err(Stuck::Indication);
                }
                break 'inwards (packet.from.unwrap_or(peer.at()), sent.elapsed());
            }
        }
    };
    let mut attempts = Attempts::new(settings);
    loop {
        let Some(until) = attempts.next() else { return Err(Stuck::Outwards(attempts.count)) };
        let sent = Instant::now();
        let sending = match channel {
            Some(number) => client.send_on_channel(number, &outwards).await,
            None => client.send_from_relay(source, &outwards).await,
        };
        sending.map_err(Stuck::Failed)?;
        while let Some((from, data)) = peer.receive(until).await.map_err(Stuck::Failed)? {
            if data == outwards {
                if from != relay && !relay.ip().is_unspecified() {
                    return Err(Stuck::Source(from));
                }
                return Ok((source, there + sent.elapsed()));
            }
        }
    }
}

async fn channel(
    client: &mut Client,
    relay: SocketAddr,
    peer: &mut Peer,
    source: SocketAddr,
    with: &str,
    settings: &Settings,
) -> Finding {
    let over = client.link().over();
    if let Err(e) = client.bind_channel(CHANNEL, source).await {
        return Finding::of(Subject::Channels, over, &e);
    }
    match both_ways(client, relay, peer, settings, Some(CHANNEL)).await {
        Ok(_) => Finding::ok(Subject::Channels, over, "ChannelData both ways"),
        Err(stuck) => stuck.finding(Subject::Channels, over, Cause::ChannelNotUsed, with),
    }
}

/// When a packet that has not arrived is sent again: as requests are, until patience ends.
struct Attempts {
    count: u32,
    pause: Duration,
    end: Instant,
}

impl Attempts {
    fn new(settings: &Settings) -> Attempts {
        Attempts { count: 0, pause: settings.pace.rto, end: Instant::now() + settings.pace.patience }
    }

    /// Until when the next one is awaited; none when it was enough.
    fn next(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if now >= self.end {
            return None;
        }
        self.count += 1;
        let until = (now + self.pause).min(self.end);
        self.pause *= 2;
        Some(until)
    }
}
