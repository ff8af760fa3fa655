//! Measurements, how they are told apart, and their medians. Does not know how they came about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::server::Kind;

/// What was measured: a row of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) name: String,
    /// 0 where it does not matter, as with the others.
    #[serde(default)]
    pub(crate) callers: u64,
    /// Events of a request.
    #[serde(default)]
    pub(crate) batch: u64,
    /// Requests that each caller has under way.
    #[serde(default)]
    pub(crate) in_flight: u64,
    /// Events that were stored before.
    #[serde(default)]
    pub(crate) stored: u64,
    /// Bytes of an event.
    #[serde(default)]
    pub(crate) event_bytes: u64,
}

impl Work {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn callers(mut self, callers: usize) -> Self {
        self.callers = callers as u64;
        self
    }

    pub(crate) fn batch(mut self, batch: usize) -> Self {
        self.batch = batch as u64;
        self
    }

    pub(crate) fn in_flight(mut self, in_flight: usize) -> Self {
        self.in_flight = in_flight as u64;
        self
    }

    pub(crate) fn stored(mut self, stored: u64) -> Self {
        self.stored = stored;
        self
    }

    /// The row in words.
    pub(crate) fn title(&self) -> String {
        let mut title = self.name.clone();
        let mut add = |count: u64, one: &str, many: &str| {
            if count > 0 {
                let unit = if count == 1 { one } else { many };
                let _ = write!(title, ", {} {unit}", figure(count as f64));
            }
        };
        add(self.callers, "caller", "callers");
        add(self.batch, "event each", "events each");
        add(self.in_flight, "in flight", "in flight");
        add(self.stored, "event stored", "events stored");
        title
    }
}

/// One peer's result in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measure {
    pub(crate) work: Work,
    pub(crate) peer: Kind,
    pub(crate) round: u32,
    pub(crate) value: f64,
    pub(crate) unit: String,
    /// Whatever was seen beside it, by name.
    #[serde(default)]
    pub(crate) beside: BTreeMap<String, f64>,
}

impl Measure {
    pub(crate) fn new(work: &Work, peer: Kind, round: u32, (value, unit): (f64, &str)) -> Self {
        let (work, unit, beside) = (work.clone(), unit.to_owned(), BTreeMap::new());
        Self { work, peer, round, value, unit, beside }
    }

    pub(crate) fn beside(mut self, name: &str, value: f64) -> Self {
        self.beside.insert(name.to_owned(), value);
        self
    }
}

/// The median of rounds, and the least and the most of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let (half, rest) = (values.len() / 2, values.len() % 2);
        let median =
            if rest == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        Some(Self { median, least, most })
    }

    pub(crate) fn words(self) -> String {
        let [median, least, most] = [self.median, self.least, self.most].map(figure);
        if least == most { median } else { format!("{median} ({least} – {most})") }
    }
}

/// What a run was made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) machine: BTreeMap<String, String>,
    /// What each peer says it is, and its settings.
    pub(crate) peers: BTreeMap<String, String>,
    pub(crate) settings: BTreeMap<String, String>,
    /// What a reader has to know to compare.
    pub(crate) notes: Vec<String>,
}

/// Everything that a run has measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) about: About,
    pub(crate) measures: Vec<Measure>,
}

impl Figures {
    pub(crate) fn add(&mut self, measure: Measure) {
        self.measures.push(measure);
    }

    /// All rows in the order in which they were measured.
    pub(crate) fn works(&self) -> Vec<&Work> {
        let mut works: Vec<&Work> = Vec::new();
        for measure in &self.measures {
            if !works.contains(&&measure.work) {
                works.push(&measure.work);
            }
        }
        works
    }

    /// The rounds of a row with a peer.
    pub(crate) fn rounds<'a>(&'a self, work: &'a Work, peer: Kind) -> Vec<&'a Measure> {
        let all = self.measures.iter();
        all.filter(|measure| measure.work == *work && measure.peer == peer).collect()
    }

    pub(crate) fn value(&self, work: &Work, peer: Kind) -> Option<Spread> {
        Spread::of(self.rounds(work, peer).into_iter().map(|measure| measure.value))
    }

    pub(crate) fn beside(&self, work: &Work, peer: Kind, name: &str) -> Option<Spread> {
        let rounds = self.rounds(work, peer).into_iter();
        Spread::of(rounds.filter_map(|measure| measure.beside.get(name).copied()))
    }

    /// What was seen beside a row, as medians in words.
    pub(crate) fn beside_words(&self, work: &Work, peer: Kind) -> String {
        let rounds = self.rounds(work, peer);
        let names: BTreeSet<_> = rounds.iter().flat_map(|one| one.beside.keys()).collect();
        let words = names.into_iter().filter_map(|name| {
            Some(format!("{name} {}", figure(self.beside(work, peer, name)?.median)))
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// Prints a row as soon as it is complete.
    pub(crate) fn print(&self, work: &Work) {
        println!("{}", work.title());
        for peer in peers_of(self, work) {
            let Some(spread) = self.value(work, peer) else { continue };
            let unit = &self.rounds(work, peer)[0].unit;
            let (words, beside) = (spread.words(), self.beside_words(work, peer));
            println!("  {:<13} {words:>32} {unit:<10} {beside}", peer.title());
        }
    }

    pub(crate) fn write(&self, path: &Path) {
        let text = serde_json::to_string(self).unwrap() + "\n";
        std::fs::write(path, text).unwrap();
    }

    /// Reads what was written; the figures of several files follow each other.
    pub(crate) fn read(paths: &[impl AsRef<Path>]) -> Result<Self, String> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let one: Self = serde_json::from_str(&text)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            if all.measures.is_empty() {
                all.about = one.about;
            } else {
                all.about.command.push_str(" ; ");
                all.about.command.push_str(&one.about.command);
                all.about.notes.extend(one.about.notes);
            }
            all.measures.extend(one.measures);
        }
        let mut seen = BTreeSet::new();
        all.about.notes.retain(|note| seen.insert(note.clone()));
        Ok(all)
    }
}

/// The peers of a row, in their order.
pub(crate) fn peers_of(figures: &Figures, work: &Work) -> Vec<Kind> {
    let own = figures.measures.iter().filter(|measure| measure.work == *work);
    let peers: BTreeSet<Kind> = own.map(|measure| measure.peer).collect();
    peers.into_iter().collect()
}

/// A number with thousands marked, and decimals where it is small.
pub(crate) fn figure(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 100.0 {
        return format!("{value:.0}");
    }
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let marked = digits.char_indices().map(|(at, digit)| {
        let mark = at > 0 && (digits.len() - at).is_multiple_of(3);
        if mark { format!(",{digit}") } else { digit.to_string() }
    });
    marked.collect()
}
