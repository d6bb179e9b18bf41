//! `kill -9` of the outer process at random moments.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::traces::{Host, Seen};
use super::user::{User, is_root, open};

/// The kernel takes namespaces down in its own time.
const LIMIT: Duration = Duration::from_secs(20);

/// A program that leaves its session: nothing but the end of the pid namespace ends it.
const LEAVER: &str = "setsid sleep 61 & echo started; sleep 61";

/// Both agents leave their sessions and never say hello.
const SCENARIO: &str = "hello_deadline = \"60s\"\n[nat.a]\npreset = \"symmetric\"\n[nat.b]\npreset = \"full-cone\"\n\
    [peer.alice]\nbehind = \"a\"\nagent = { command = [\"sh\", \"-c\", \"setsid sleep 61 & sleep 61\"] }\n\
    [peer.bob]\nbehind = \"b\"\n[server.stun]\ntype = \"stun\"\n[[expect]]\noutcome = \"no-path\"\n";

/// What is killed, and when.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// `natlab exec`, so long after its program has begun.
    Executing(Duration),
    /// `natlab exec`, so long after its start.
    Building(Duration),
    /// `natlab run`, so long after its start.
    Running(Duration),
}

/// Twenty of them, the same ones each time.
fn moments(seed: u64) -> Vec<Moment> {
    let mut state = seed;
    let mut random = |below_ms: u64| {
        // Knuth's generator of MMIX; its high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((state >> 33) % below_ms)
    };
    let executing = (0..6).map(|_| 0);
    let building = (0..8).map(|_| 1);
    let running = (0..6).map(|_| 2);
    let kinds = executing.chain(building).chain(running);
    kinds
        .map(|kind| match kind {
            0 => Moment::Executing(random(100)),
            1 => Moment::Building(random(700)),
            _ => Moment::Running(random(2000)),
        })
        .collect()
}

pub fn at_twenty_moments(user: User) {
    let mut leavers = 0;
    for (number, moment) in moments(2026).into_iter().enumerate() {
        let seen = once(user, number, moment);
        leavers += usize::from(seen.processes.iter().filter(|p| p.name == "sleep").count() >= 2);
        if let Moment::Executing(_) = moment {
            assert!(seen.processes.len() >= 6, "outer, porter, inner, servers, programs: {seen:?}");
        }
    }
    assert!(leavers >= 6, "programs that left their session lived at {leavers} moments: the test shows nothing");
}

fn once(user: User, number: usize, moment: Moment) -> Seen {
    let private = open(tempfile::tempdir().expect("a temporary directory"));
    let scenario = open(tempfile::tempdir().expect("a temporary directory"));
    let file = scenario.path().join("leavers.toml");
    std::fs::write(&file, SCENARIO).expect("a scenario");
    let marker = format!("{}-{}-{number}", std::process::id(), user.name());
    let before = Host::now(private.path());

    let mut command = user.natlab();
    for variable in ["TMPDIR", "HOME", "XDG_RUNTIME_DIR"] {
        command.env(variable, private.path());
    }
    command.env("NATLAB_TEST_MARKER", &marker).current_dir(private.path()).stdin(Stdio::null());
    match moment {
        Moment::Executing(_) | Moment::Building(_) => {
            command.args(["exec", "symmetric", "alice", "--", "sh", "-c", LEAVER])
        }
        Moment::Running(_) => command.args(["run", "-q"]).arg(&file),
    };
    let mut natlab = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("natlab");
    let mut said = BufReader::new(natlab.stdout.take().expect("a pipe"));
    match moment {
        Moment::Executing(after) => {
            let mut line = String::new();
            said.read_line(&mut line).expect("a line");
            assert_eq!(line, "started\n", "{moment:?}: {}", stderr(&mut natlab));
            // The moment itself is what is tested, here as below; there is nothing to wait for.
            std::thread::sleep(after);
        }
        Moment::Building(after) | Moment::Running(after) => std::thread::sleep(after),
    }
    let seen = Seen::of(natlab.id());
    if let Moment::Executing(_) = moment {
        assert!(!seen.left(&marker).is_empty(), "what lives is seen");
        // Seven nodes, the inner process and its pid, mount and user namespaces; others may not look into them.
        let enough = if is_root() { 10 } else { 0 };
        assert!(seen.namespaces.len() >= enough, "{seen:?}");
    }
    natlab.kill().expect("kill -9");
    natlab.wait().expect("the end of natlab");

    let limit = Instant::now() + LIMIT;
    let mut left = seen.left(&marker);
    while !left.is_empty() {
        assert!(Instant::now() < limit, "{moment:?} as {}: left after {LIMIT:?}: {left:#?}", user.name());
        std::thread::sleep(Duration::from_millis(10));
        left = seen.left(&marker);
    }
    // Whoever held the other end is gone, so this ends.
    said.read_to_string(&mut String::new()).expect("the rest");
    let more = Host::now(private.path()).more_than(&before);
    assert!(more.is_empty(), "{moment:?} as {}: left: {more:#?}", user.name());
    seen
}

fn stderr(natlab: &mut Child) -> String {
    let mut text = String::new();
    let _ = natlab.kill();
    if let Some(mut pipe) = natlab.stderr.take() {
        let _ = pipe.read_to_string(&mut text);
    }
    text
}
