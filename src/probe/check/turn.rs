//! TURN over one transport: the relay, its address, what it carries, its lifetime; refusals by cause.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::finding::{Finding, Outcome, Subject};
use super::peer::Peer;
use super::target::Relaying;
use super::{Host, Settings, relay};
use crate::net::is_public;
use crate::probe::turn::{Allocation, Cause, Client, Credentials, Failure, Over};

/// How long coturn 4.6.1 counts a relay that was given back: it answers Refresh with lifetime 0 by a timer of one second,
/// and releases the quota when that fires. Seen in its log; docs/findings.md has it.
const LINGERING: Duration = Duration::from_secs(3);

/// Asks for a relay and tries it. `given_back` is when this check last gave relays of the same server back: a quota that is
/// reached because of them is no finding.
pub(super) async fn check(
    host: &Host<'_>,
    over: Over,
    server: SocketAddr,
    settings: &Settings,
    given_back: &mut Option<Instant>,
    findings: &mut Vec<Finding>,
) {
    let credentials = settings.login.as_ref().map(|l| l.credentials(now()));
    let (mut client, allocation) = loop {
        let mut client = match host.link(over, server, settings).await {
            Ok(link) => Client::new(link, credentials.clone(), settings.pace),
            Err(e) => return findings.push(Finding::of(Subject::Allocate, over, &e)),
        };
        let allocation = client.allocate().await;
        let ours = given_back.is_some_and(|at| at.elapsed() < LINGERING);
        match &allocation {
            Err(e) if e.cause() == Cause::QuotaReached && ours => tokio::time::sleep(settings.pace.rto).await,
            _ => break (client, allocation),
        }
    };
    let expected = settings.realm.as_deref();
    if let Some(realm) = allocation.as_ref().err().and_then(realm_of).or(client.realm().map(str::to_owned))
        && let Some(expected) = expected
    {
        findings.push(if realm == expected {
            Finding::ok(Subject::Realm, over, format!("{realm:?}"))
        } else {
            let detail = format!("the server's is {realm:?}, not {expected:?}");
            Finding::failed(Subject::Realm, over, Cause::WrongRealm, detail)
        });
    }
    let allocation = match allocation {
        Ok(allocation) => allocation,
        Err(e) => return findings.push(no_relay(over, host.relaying, &e, credentials.as_ref())),
    };
    findings.push(allocated(over, &allocation, &client));
    findings.push(relay_address(over, server, allocation.relay));
    carry(host, &mut client, allocation.relay, credentials, settings, findings).await;
    findings.push(refresh(over, client, allocation.lifetime).await);
    *given_back = Some(Instant::now());
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn realm_of(failure: &Failure) -> Option<String> {
    match failure {
        Failure::CredentialsWanted { realm } | Failure::Unauthorized { realm, .. } => Some(realm.clone()),
        _ => None,
    }
}

/// Why there is no relay, as far as credentials tell more than the answer does.
fn no_relay(over: Over, relaying: Relaying, failure: &Failure, credentials: Option<&Credentials>) -> Finding {
    let finding = Finding::of(Subject::Allocate, over, failure);
    match failure {
        Failure::CredentialsWanted { .. } if relaying == Relaying::Perhaps => {
            Finding { outcome: Outcome::NotApplicable, ..finding }
        }
        // A server of STUN alone: what was named as a bare host need not relay.
        Failure::Silent { .. } | Failure::Refused { code: 400 | 420 | 500 | 501, .. }
            if relaying == Relaying::Perhaps && credentials.is_none() =>
        {
            Finding::not_applicable(Subject::Allocate, over, format!("no TURN here: {failure}"))
        }
        Failure::Unauthorized { .. } => match credentials.and_then(Credentials::expiry) {
            Some(expiry) if expiry < now() => {
                let ago = now() - expiry;
                let detail = format!("401: these time-limited credentials ran out {ago} s ago");
                Finding::failed(Subject::Allocate, over, Cause::CredentialsExpired, detail)
            }
            Some(expiry) => {
                let mut finding = finding;
                finding.hint = Some(format!(
                    "time-limited, {} s to go by this host's clock: is the secret the server's, and its clock right?",
                    expiry - now()
                ));
                finding
            }
            None => finding,
        },
        _ => finding,
    }
}

fn allocated(over: Over, allocation: &Allocation, client: &Client) -> Finding {
    let seconds = allocation.lifetime.as_secs();
    if !allocation.authenticated {
        let detail = format!("{} for anybody: no credentials were asked for", allocation.relay);
        return Finding::failed(Subject::Allocate, over, Cause::OpenRelay, detail).at(allocation.relay);
    }
    let realm = client.realm().unwrap_or_default();
    let stale = match client.stale_nonces() {
        0 => String::new(),
        n => format!(", fresh nonce wanted {n} times (438)"),
    };
    let detail = format!("a relay for {seconds} s, realm {realm:?}{stale}");
    Finding::ok(Subject::Allocate, over, detail).at(allocation.relay)
}

fn relay_address(over: Over, server: SocketAddr, relay: SocketAddr) -> Finding {
    let check = Subject::RelayAddress;
    if relay.ip().is_unspecified() {
        let detail = format!("{relay} is no address: peers cannot send there");
        return Finding::failed(check, over, Cause::NotPublic, detail).at(relay);
    }
    match (is_public(relay.ip()), is_public(server.ip())) {
        (true, _) => Finding::ok(check, over, relay.to_string()).at(relay),
        (false, true) => {
            let detail = format!("{relay} is private, the server's own address is not: peers cannot send there");
            Finding::failed(check, over, Cause::NotPublic, detail).at(relay)
        }
        (false, false) => {
            let detail = format!("{relay}, private as the server itself: for peers in its network only");
            Finding::ok(check, over, detail).at(relay)
        }
    }
}

/// Relay to relay first, since that works wherever an allocation does; where the server does not do that, with a socket of
/// this host.
async fn carry(
    host: &Host<'_>,
    client: &mut Client,
    relay: SocketAddr,
    credentials: Option<Credentials>,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) {
    let (over, server) = (client.link().over(), client.link().server());
    let second = match host.link(over, server, settings).await {
        Ok(link) => {
            let mut second = Client::new(link, credentials, settings.pace);
            second.allocate().await.map(|a| Peer::Relay { client: Box::new(second), at: a.relay })
        }
        Err(e) => Err(e),
    };
    let why = match second {
        Ok(mut peer) => {
            let carried = relay::check(client, relay, &mut peer, "relay to relay", settings).await;
            peer.release().await;
            if carried.works {
                return findings.extend(carried.findings);
            }
            carried.findings
        }
        Err(e) => vec![Finding::of(Subject::Relay, over, &e)],
    };
    let fallback = match Peer::socket(server, settings).await {
        Ok(mut peer) => relay::check(client, relay, &mut peer, "to and from this host", settings).await,
        // Nothing more can be tried; what the first attempt said stands.
        Err(_) => return findings.extend(why),
    };
    if !fallback.works {
        return findings.extend(why);
    }
    let first = why.first().map(|f| f.detail.clone()).unwrap_or_default();
    findings.extend(fallback.findings.into_iter().map(|mut f| {
        if f.check == Subject::Relay {
            f.detail = format!("{}; not relay to relay: {first}", f.detail);
        }
        f
    }));
}

async fn refresh(over: Over, mut client: Client, lifetime: Duration) -> Finding {
    let granted = match client.refresh(lifetime).await {
        Ok(granted) => granted,
        Err(e) => return Finding::of(Subject::Refresh, over, &e),
    };
    match client.release().await {
        Ok(()) => Finding::ok(Subject::Refresh, over, format!("prolonged to {} s, then given back", granted.as_secs())),
        Err(e) => {
            let mut finding = Finding::of(Subject::Refresh, over, &e);
            finding.detail = format!("prolonged, but not given back: {e}");
            finding
        }
    }
}
