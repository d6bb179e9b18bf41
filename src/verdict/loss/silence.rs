//! Exchanges that stayed unanswered, and the chance that loss alone did it.

/// Exchanges that all had to be answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Silence(Vec<Lost>);

#[derive(Clone, Debug)]
struct Lost {
    what: String,
    chance: f64,
    events: Vec<u64>,
}

impl Silence {
    pub(super) fn of(what: String, chance: f64, events: Vec<u64>) -> Silence {
        Silence(vec![Lost { what, chance, events }])
    }

    pub(super) fn and(mut self, other: Silence) -> Silence {
        self.0.extend(other.0);
        self
    }

    /// So many exchanges of the same kind.
    pub(super) fn times(mut self, n: f64) -> Silence {
        self.0.iter_mut().for_each(|lost| lost.chance *= n);
        self
    }

    /// An upper bound of the chance that loss silenced one of them: the sum.
    pub(super) fn chance(&self) -> f64 {
        self.0.iter().map(|lost| lost.chance).sum::<f64>().min(1.0)
    }

    /// Those that the sum comes from.
    fn likely(&self) -> impl Iterator<Item = &Lost> {
        let least = self.chance() / 100.0;
        self.0.iter().filter(move |lost| lost.chance >= least)
    }

    /// What they were.
    pub(super) fn words(&self) -> String {
        self.likely().map(|lost| lost.what.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The events that show them.
    pub(super) fn events(&self) -> impl Iterator<Item = u64> {
        self.likely().flat_map(|lost| lost.events.iter().copied())
    }
}

/// How often.
pub(super) fn times(n: u32) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}
