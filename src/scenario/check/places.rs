//! Where in the text each key and value of a scenario stands. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

/// The way from the top of a file to a value: keys, and of array items their number.
pub type Path = Vec<String>;

/// Where a key and its value stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The key; of an array item the item itself.
    pub key: Range<usize>,
    /// The value; of a table its header.
    pub value: Range<usize>,
}

/// The places of every value that was understood.
#[derive(Clone, Debug, Default)]
pub struct Places {
    places: BTreeMap<Path, Place>,
}

impl Places {
    /// Notes a place.
    pub fn insert(&mut self, path: &[String], place: Place) {
        self.places.insert(path.to_vec(), place);
    }

    /// The value at this path, or what encloses it where the file does not have it.
    pub fn value(&self, path: &[&str]) -> Option<Range<usize>> {
        self.closest(path).map(|place| place.value.clone())
    }

    /// The key at this path, or what encloses it where the file does not have it.
    pub fn key(&self, path: &[&str]) -> Option<Range<usize>> {
        self.closest(path).map(|place| place.key.clone())
    }

    /// Whether the file has a value at this path.
    pub fn has(&self, path: &[&str]) -> bool {
        self.places.contains_key(&owned(path))
    }

    /// Where it stands among all others: sorts names into the order of the file.
    pub fn order(&self, path: &[&str]) -> usize {
        self.places.get(&owned(path)).map_or(usize::MAX, |place| place.key.start)
    }

    fn closest(&self, path: &[&str]) -> Option<&Place> {
        (1..=path.len()).rev().find_map(|length| self.places.get(&owned(&path[..length])))
    }
}

fn owned(path: &[&str]) -> Path {
    path.iter().map(|step| (*step).to_owned()).collect()
}
