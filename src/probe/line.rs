//! A socket of the engine: its transactions, and a reader that gives each answer to the one who waits for it.
//!
//! What a transaction is stands at [`Requests`]. Most are sent by a [`Schedule`], as RFC 8489 §6.2.1 says, with a shorter one.

mod requests;
mod schedule;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use ::stun::agent::TransactionId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::limiter::Limiter;
use super::socket::{Datagrams, Opener};
use super::wire::{self, Ask, Content, Id};
use crate::classification::Loss;

pub use requests::{Answer, Outcome, Requests, Transaction};
pub use schedule::Schedule;

/// A message that came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// Its transaction id.
    pub id: Id,
    /// Its source.
    pub from: SocketAddr,
    /// What it says.
    pub content: Content,
}

/// What all sockets of a classification share.
pub struct Shared {
    /// Where sockets come from.
    pub opener: Arc<dyn Opener>,
    /// One for all transactions.
    pub limiter: Arc<Limiter>,
    /// Of every transaction.
    pub schedule: Schedule,
    ledger: Mutex<Ledger>,
}

/// Sends and answers of all transactions.
#[derive(Default)]
struct Ledger {
    transactions: BTreeMap<Id, Entry>,
    heard: u32,
    garbage: BTreeMap<SocketAddr, u32>,
    unasked: BTreeMap<SocketAddr, u32>,
    /// How many transactions ended one after the other without a single request having left.
    unsent: u32,
}

/// After so many transactions of which nothing could be sent the way out is gone, and no further one waits for it to come back:
/// dozens would, 3 s each.
const GONE: u32 = 2;

struct Entry {
    to: SocketAddr,
    from: SocketAddr,
    plain: bool,
    done: bool,
    sends: u32,
    answers: u32,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        // What is behind it stays right: nobody panics in the middle of a change.
        Err(poisoned) => poisoned.into_inner(),
    }
}

impl Shared {
    /// Sockets from `opener`, transactions at the pace of `limiter` and `schedule`.
    pub fn new(opener: Arc<dyn Opener>, limiter: Arc<Limiter>, schedule: Schedule) -> Arc<Shared> {
        Arc::new(Shared { opener, limiter, schedule, ledger: Mutex::default() })
    }

    /// Plain requests to endpoints that answered at least one, and their answers: elsewhere silence may have another
    /// reason. Transmissions of one transaction that all arrive are answered each, so a late answer is no lost one.
    pub fn loss(&self) -> Loss {
        let ledger = locked(&self.ledger);
        let plain = || ledger.transactions.values().filter(|e| e.plain && e.done);
        let alive = |to: SocketAddr| plain().any(|e| e.to == to && e.answers > 0);
        plain()
            .filter(|e| alive(e.to))
            .fold(Loss::default(), |loss, e| loss.plus(Loss { sent: e.sends, answered: e.answers.min(e.sends) }))
    }

    /// Datagrams that came in at any socket.
    pub fn heard(&self) -> u32 {
        locked(&self.ledger).heard
    }

    /// What came from there and is of no use.
    pub fn junk(&self, from: SocketAddr) -> Junk {
        let ledger = locked(&self.ledger);
        let of = |counts: &BTreeMap<SocketAddr, u32>| counts.get(&from).copied().unwrap_or(0);
        Junk { garbage: of(&ledger.garbage), unasked: of(&ledger.unasked) }
    }
}

/// What came from a place and is no answer to anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Junk {
    /// Datagrams that are no Binding messages.
    pub garbage: u32,
    /// Answers with transaction ids that nobody used.
    pub unasked: u32,
}

type Waiting = Arc<Mutex<BTreeMap<Id, UnboundedSender<Incoming>>>>;

/// A socket; it is closed when this is dropped.
pub struct Line {
    socket: Arc<dyn Datagrams>,
    shared: Arc<Shared>,
    waiting: Waiting,
    strays: tokio::sync::Mutex<UnboundedReceiver<Incoming>>,
    reader: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Line {
    /// A fresh socket.
    ///
    /// # Errors
    /// When the host gives none.
    pub fn open(shared: &Arc<Shared>) -> std::io::Result<Line> {
        let socket: Arc<dyn Datagrams> = Arc::from(shared.opener.udp()?);
        let waiting = Waiting::default();
        let (strays_in, strays) = unbounded_channel();
        let reader = tokio::spawn(read(Arc::clone(&socket), Arc::clone(shared), Arc::clone(&waiting), strays_in));
        Ok(Line { socket, shared: Arc::clone(shared), waiting, strays: tokio::sync::Mutex::new(strays), reader })
    }

    /// Own endpoint.
    pub fn local(&self) -> SocketAddr {
        self.socket.local()
    }

    /// What came from there, to any socket, and is of no use.
    pub fn junk(&self, from: SocketAddr) -> Junk {
        self.shared.junk(from)
    }

    /// One plain transaction with `to`.
    pub async fn ask(&self, to: SocketAddr) -> Transaction {
        self.transact(to, &Ask::PLAIN, to).await
    }

    /// Plain transactions with `to` until one is answered, or it is proven that none will be: up to four.
    pub async fn ask_patiently(&self, to: SocketAddr) -> Transaction {
        let mut sends = 0;
        for attempt in 0.. {
            let done = self.ask(to).await;
            sends += done.sends;
            let proven = matches!(done.outcome, Outcome::Silent) && self.shared.loss().proves_silence(sends);
            let over = matches!(done.outcome, Outcome::Answered(_) | Outcome::Refused { .. } | Outcome::WrongSource(_));
            if over || proven || attempt + 1 >= ATTEMPTS {
                return Transaction { sends, ..done };
            }
        }
        Transaction { sends, outcome: Outcome::Silent, round_trip: None }
    }

    /// One transaction: `ask` goes to `to`, the answer is expected from `from`.
    pub async fn transact(&self, to: SocketAddr, ask: &Ask, from: SocketAddr) -> Transaction {
        self.transact_as(TransactionId::new().0, to, ask, from).await
    }

    /// The same with an id that the caller knows, since the answer may come in at another socket.
    pub async fn transact_as(&self, id: Id, to: SocketAddr, ask: &Ask, from: SocketAddr) -> Transaction {
        let mut requests = Requests::new(self);
        requests.begin_as(id, to, ask, from).await;
        requests.by(&self.shared.schedule, id).await
    }

    /// A plain one with a schedule of its own.
    pub async fn ask_by(&self, schedule: &Schedule, to: SocketAddr) -> Transaction {
        let mut requests = Requests::new(self);
        let id = requests.begin(to, &Ask::PLAIN, to).await;
        requests.by(schedule, id).await
    }

    /// Sends bytes that no answer is awaited for here.
    ///
    /// # Errors
    /// When the host refuses.
    pub async fn send_raw(&self, bytes: &[u8], to: SocketAddr) -> std::io::Result<()> {
        self.socket.send_to(bytes, to).await
    }

    /// The next message that no transaction of this socket waited for, before `until`: a hairpinned request, an answer that was
    /// sent to another port.
    pub async fn stray(&self, until: Instant) -> Option<Incoming> {
        timeout_at(until, async { self.strays.lock().await.recv().await }).await.ok().flatten()
    }
}

/// Everything fits: where a datagram does not, some systems cut it off and others report an error.
const LONGEST_DATAGRAM: usize = 65_535;

/// How many transactions make one test at most: the first and three repeats.
pub const ATTEMPTS: u32 = 4;

/// Gives every datagram to whom it belongs.
async fn read(socket: Arc<dyn Datagrams>, shared: Arc<Shared>, waiting: Waiting, strays: UnboundedSender<Incoming>) {
    let mut buffer = vec![0u8; LONGEST_DATAGRAM];
    loop {
        let (length, from) = match socket.receive_from(&mut buffer).await {
            Ok(received) => received,
            // An ICMP error for something that was sent; it is no answer, and the socket is well.
            Err(e) if is_icmp(&e) => continue,
            Err(e) => {
                tracing::warn!("failed to receive on {}: {e}", socket.local());
                return;
            }
        };
        let message = wire::read(buffer.get(..length).unwrap_or_default());
        let mut ledger = locked(&shared.ledger);
        ledger.heard += 1;
        let Some((id, content)) = message else {
            *ledger.garbage.entry(from).or_default() += 1;
            continue;
        };
        match ledger.transactions.get_mut(&id) {
            Some(entry) if entry.from == from => entry.answers += 1,
            Some(_) => {}
            None if content == Content::Request => {}
            None => *ledger.unasked.entry(from).or_default() += 1,
        }
        drop(ledger);
        let incoming = Incoming { id, from, content };
        // Nobody hears it when what waited has just ended.
        drop(locked(&waiting).get(&id).unwrap_or(&strays).send(incoming));
    }
}

fn is_icmp(e: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(
        e.kind(),
        K::ConnectionRefused | K::ConnectionReset | K::HostUnreachable | K::NetworkUnreachable | K::PermissionDenied
    )
}
