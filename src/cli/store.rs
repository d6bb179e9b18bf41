//! `--out DIR`: events as they come, captures, rules, and at the end the record.
//!
//! ```text
//! DIR/record.json
//! DIR/TRIAL/events.jsonl    one event per line; the first holds the plan and the prediction
//! DIR/TRIAL/GATEWAY.nft     the rules of each gateway
//! DIR/TRIAL/NODE.loss.nft   what makes the links of a node lose packets, where they do
//! DIR/TRIAL/NODE.pcapng     with --pcap
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::event::Event;
use crate::lab;
use crate::nat::rules;
use crate::nft;
use crate::plan::Trial;
use crate::record::Record;
use crate::report::pcapng;
use crate::run::wire::Frame;

/// Room that must be free before the first trial: a trial's events are a few hundred kilobytes.
const ROOM: u64 = 16 << 20;

/// Where a run is kept.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    trials: BTreeMap<String, Kept>,
}

#[derive(Debug)]
struct Kept {
    directory: PathBuf,
    events: BufWriter<File>,
    captures: BTreeMap<String, pcapng::Writer<BufWriter<File>>>,
}

/// What could not be kept, and where.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} {}: {source}", path.display())]
pub struct StoreError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl StoreError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::StorageFull => "free some room there, or name another directory with --out",
            _ => "name a directory you may write to with --out",
        }
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError { operation, path, source }
}

impl Store {
    /// Opens every target before the first trial, so that nothing runs whose result cannot be kept.
    pub fn open(directory: &Path, trials: &[Trial]) -> Result<Store, StoreError> {
        fs::create_dir_all(directory).map_err(failed("make the directory", directory))?;
        let free = nix::sys::statvfs::statvfs(directory).map_err(io::Error::from);
        let free = free.map_err(failed("read the free room of", directory))?;
        if free.blocks_available().saturating_mul(free.fragment_size()) < ROOM {
            let full = io::Error::new(io::ErrorKind::StorageFull, "less than 16 MiB are free");
            return Err(failed("write to", directory)(full));
        }
        let mut store = Store { directory: directory.to_owned(), trials: BTreeMap::new() };
        let record = store.record_path();
        File::create(&record).map_err(failed("write", &record))?;
        for trial in trials {
            store.prepare(trial)?;
        }
        Ok(store)
    }

    fn prepare(&mut self, trial: &Trial) -> Result<(), StoreError> {
        let directory = self.directory.join(&trial.id);
        fs::create_dir_all(&directory).map_err(failed("make the directory", &directory))?;
        let path = directory.join("events.jsonl");
        let events = BufWriter::new(File::create(&path).map_err(failed("write", &path))?);
        for node in &trial.topology.nodes {
            if let Some(gateway) = &node.gateway {
                let path = directory.join(format!("{}.nft", node.name));
                fs::write(&path, rules::table(gateway).to_string()).map_err(failed("write", &path))?;
            }
        }
        for (node, leaks) in lab::loss::tables(&trial.topology) {
            let path = directory.join(format!("{node}.loss.nft"));
            fs::write(&path, nft::loss::text(&leaks)).map_err(failed("write", &path))?;
        }
        let mut captures = BTreeMap::new();
        if trial.capture {
            for node in &trial.topology.nodes {
                let path = directory.join(format!("{}.pcapng", node.name));
                let file = BufWriter::new(File::create(&path).map_err(failed("write", &path))?);
                let writer = pcapng::Writer::new(file, &node.name).map_err(failed("write", &path))?;
                captures.insert(node.name.clone(), writer);
            }
        }
        self.trials.insert(trial.id.clone(), Kept { directory, events, captures });
        Ok(())
    }

    /// Keeps one event.
    pub fn event(&mut self, trial: &str, event: &Event) -> Result<(), StoreError> {
        let Some(kept) = self.trials.get_mut(trial) else { return Ok(()) };
        let mut write = || -> io::Result<()> {
            serde_json::to_writer(&mut kept.events, event).map_err(io::Error::from)?;
            kept.events.write_all(b"\n")
        };
        write().map_err(failed("write to", &kept.directory))
    }

    /// Keeps one captured packet.
    pub fn frame(&mut self, trial: &str, frame: &Frame) -> Result<(), StoreError> {
        let Some(kept) = self.trials.get_mut(trial) else { return Ok(()) };
        let Some(capture) = kept.captures.get_mut(&frame.node) else { return Ok(()) };
        let packet = pcapng::Record {
            interface: &frame.interface,
            realtime_ns: frame.at_ns,
            direction: frame.direction,
            bytes: &frame.bytes,
            comment: None,
        };
        capture.packet(&packet).map_err(failed("write to", &kept.directory))
    }

    /// A trial is over: its files are complete.
    pub fn ended(&mut self, trial: &str) -> Result<(), StoreError> {
        let Some(mut kept) = self.trials.remove(trial) else { return Ok(()) };
        kept.events.flush().map_err(failed("write to", &kept.directory))?;
        for capture in kept.captures.into_values() {
            capture.finish().map(drop).map_err(failed("write to", &kept.directory))?;
        }
        Ok(())
    }

    /// Keeps the record, and with it what interrupted trials had so far.
    pub fn finish(mut self, record: &Record) -> Result<(), StoreError> {
        let open: Vec<String> = self.trials.keys().cloned().collect();
        for trial in open {
            self.ended(&trial)?;
        }
        let path = self.record_path();
        let mut text = serde_json::to_string_pretty(record).map_err(io::Error::from).map_err(failed("write", &path))?;
        text.push('\n');
        fs::write(&path, text).map_err(failed("write", &path))
    }

    fn record_path(&self) -> PathBuf {
        self.directory.join("record.json")
    }
}
