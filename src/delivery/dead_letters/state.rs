//! Which dead letters there are: a fold over their histories, in small rows without what was
//! refused. Does not know what letters say, nor how they are written.
//!
//! A source is read when it is first needed. What is kept from then on is noted at once; what
//! others wrote meanwhile is found by whoever refreshes. The log decides what is true: these rows
//! are for counting and listing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::DeadLettersFull;
use super::letter::{DISCARDED, Letter, REDRIVEN, source_of};
use crate::event::{DEAD_LETTER_KEPT, RecordedEvent, from_hex};
use crate::ledger::{AppendError, Appended, FailureClass, Ledger, OwnPlaces, QueryError, Receipt};
use crate::limits::Limits;
use crate::log::Hash;
use crate::num::u64_from;
use crate::proto::DeadLetterState;

/// Sources that are remembered although they have no dead letter.
const EMPTY_SOURCES_MAX: usize = 10_000;

/// A dead letter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Place in its history.
    pub(super) revision: u64,
    /// Bytes of what was refused.
    pub(super) raw_len: u64,
    pub(super) closing: Option<Closing>,
}

/// What closed a dead letter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    /// Place in the letter's history.
    pub(super) revision: u64,
    pub(super) state: DeadLetterState,
}

/// A number of letters and their bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: u64,
    bytes: u64,
}

impl Sum {
    fn of_one(bytes: u64) -> Self {
        Self { count: 1, bytes }
    }

    fn put(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
    }

    fn take(&mut self, other: Self) {
        self.count = self.count.saturating_sub(other.count);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

/// The dead letters of one source.
#[derive(Debug, Default)]
struct Source {
    /// Whether the history was read, and up to which revision.
    is_read: bool,
    read_to: u64,
    /// By offset.
    rows: BTreeMap<u64, Row>,
    offsets: HashMap<Hash, u64>,
    open: Sum,
    /// On their way to the log.
    reserved: Sum,
    /// The part of these of which nobody will hear what became of them.
    abandoned: Sum,
}

/// The dead letters of all sources that were asked for so far, by history.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<HashMap<String, Source>>);

impl State {
    fn sources(&self) -> MutexGuard<'_, HashMap<String, Source>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the letters of a source are known, and nothing is in the dark.
    pub(super) fn knows(&self, history: &str) -> bool {
        self.sources()
            .get(history)
            .is_some_and(|source| source.is_read && source.abandoned.count == 0)
    }

    /// Reads what a history has beyond what is known of it; where it stands.
    pub(super) fn refresh(&self, ledger: &Ledger, history: &str) -> Result<OwnPlaces, QueryError> {
        let (from, abandoned) = match self.sources().get_mut(history) {
            Some(source) => (source.read_to, std::mem::take(&mut source.abandoned)),
            None => (0, Sum::default()),
        };
        if abandoned.count > 0 {
            ledger.settle();
        }
        let mut read = Vec::new();
        let places = ledger.own_places(history).and_then(|places| {
            ledger.each_of_history(&places, from, |recorded| read.extend(Read::of(&recorded)))?;
            Ok(places)
        });
        let mut sources = self.sources();
        if sources.len() > EMPTY_SOURCES_MAX {
            sources.retain(|_, source| !source.rows.is_empty() || source.reserved.count > 0);
        }
        let source = sources.entry(history.to_owned()).or_default();
        if let Err(error) = places {
            source.abandoned.put(abandoned);
            return Err(error);
        }
        for read in read {
            source.apply(read);
        }
        source.is_read = true;
        source.reserved.take(abandoned);
        places
    }

    /// A dead letter.
    pub(super) fn row(&self, history: &str, offset: u64) -> Option<Row> {
        self.sources().get(history)?.rows.get(&offset).copied()
    }

    /// The letters of a source below an offset, the newest first, and how many are open.
    pub(super) fn rows(
        &self,
        history: &str,
        (below, with_closed): (u64, bool),
    ) -> (Vec<(u64, Row)>, u64) {
        let sources = self.sources();
        let Some(source) = sources.get(history) else {
            return (Vec::new(), 0);
        };
        let rows = source.rows.range(..below).rev();
        let rows = rows.filter(|(_, row)| with_closed || row.closing.is_none());
        (rows.map(|(offset, row)| (*offset, *row)).collect(), source.open.count)
    }

    pub(super) fn closed(&self, history: &str, offset: u64, closing: Closing) {
        if let Some(source) = self.sources().get_mut(history) {
            source.close(offset, closing);
        }
    }

    /// Makes room for a letter, where it is not there already.
    fn reserve(&self, letter: &Letter, limits: (u64, u64)) -> Result<bool, DeadLettersFull> {
        let bytes = u64_from(letter.raw_len);
        let mut sources = self.sources();
        let source = sources.entry(letter.history().to_owned()).or_default();
        if source.offsets.contains_key(&letter.digest) {
            return Ok(false);
        }
        let open_count = source.open.count + source.reserved.count;
        let open_bytes = source.open.bytes + source.reserved.bytes;
        let (count_max, bytes_max) = limits;
        let limit = if open_count >= count_max {
            format!("dead_letters_max = {count_max}")
        } else if open_bytes + bytes > bytes_max {
            format!("dead_letter_bytes_max = {bytes_max}, and {bytes} more would come")
        } else {
            source.reserved.put(Sum::of_one(bytes));
            return Ok(true);
        };
        let of_source = source_of(letter.history()).to_owned();
        Err(DeadLettersFull { of_source, open_count, open_bytes, limit })
    }
}

/// What an entry of a history says.
#[derive(Clone, Copy)]
enum Read {
    Kept { digest: Hash, offset: u64, row: Row },
    Closed { offset: u64, closing: Closing },
}

impl Read {
    fn of(recorded: &RecordedEvent) -> Option<Self> {
        let entry = recorded.event.ledger_entry()?;
        let revision = recorded.revision;
        let closed = |state| {
            let closing = Closing { revision, state };
            Some(Self::Closed { offset: entry.dead_letter_offset?, closing })
        };
        match recorded.event.event_type() {
            DEAD_LETTER_KEPT => {
                let digest = from_hex(recorded.event.event_id())?.try_into().ok()?;
                let raw_len = u64_from(entry.dead_letter?.raw.len());
                let row = Row { revision, raw_len, closing: None };
                Some(Self::Kept { digest, offset: recorded.offset, row })
            }
            REDRIVEN => closed(DeadLetterState::Redriven),
            DISCARDED => closed(DeadLetterState::Discarded),
            _ => None,
        }
    }
}

impl Source {
    fn apply(&mut self, read: Read) {
        match read {
            Read::Kept { digest, offset, row } => {
                self.read_to = self.read_to.max(row.revision + 1);
                self.kept(digest, offset, row);
            }
            Read::Closed { offset, closing } => {
                self.read_to = self.read_to.max(closing.revision + 1);
                self.close(offset, closing);
            }
        }
    }

    fn kept(&mut self, digest: Hash, offset: u64, row: Row) {
        if self.offsets.insert(digest, offset).is_none() {
            self.open.put(Sum::of_one(row.raw_len));
            self.rows.insert(offset, row);
        }
    }

    fn close(&mut self, offset: u64, closing: Closing) {
        if let Some(row) = self.rows.get_mut(&offset)
            && row.closing.is_none()
        {
            row.closing = Some(closing);
            self.open.take(Sum::of_one(row.raw_len));
        }
    }
}

/// Room for the letters of one batch, from before it is submitted until it is decided.
#[derive(Debug)]
pub(super) struct Reservations {
    state: Arc<State>,
    limits: (u64, u64),
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    digests: HashSet<Hash>,
    letters: Vec<Reserved>,
    full: Option<DeadLettersFull>,
}

#[derive(Debug)]
struct Reserved {
    /// Place of the event in the batch.
    index: usize,
    history: String,
    digest: Hash,
    raw_len: u64,
}

impl Reservations {
    pub(super) fn new(state: Arc<State>, limits: &Limits) -> Self {
        let limits = (u64_from(limits.dead_letters_max), u64_from(limits.dead_letter_bytes_max));
        Self { state, limits, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for a letter, which is then taken. Never waits for the disk.
    pub(super) fn take(&self, index: usize, letter: &Letter) -> bool {
        let mut held = self.held();
        if !held.digests.insert(letter.digest) {
            return true;
        }
        match self.state.reserve(letter, self.limits) {
            Ok(false) => true,
            Ok(true) => {
                let history = letter.history().to_owned();
                let (digest, raw_len) = (letter.digest, u64_from(letter.raw_len));
                held.letters.push(Reserved { index, history, digest, raw_len });
                true
            }
            Err(full) => {
                held.full = Some(full);
                false
            }
        }
    }

    /// Why a letter was not kept, where one was not.
    pub(super) fn full(&self) -> Option<DeadLettersFull> {
        self.held().full.clone()
    }

    /// Notes what became of the batch.
    pub(super) fn settle(&self, answer: Result<&Appended, &AppendError>) {
        let in_doubt = answer.is_err_and(|error| error.class() == FailureClass::InDoubt);
        if in_doubt {
            return;
        }
        let letters = std::mem::take(&mut self.held().letters);
        let mut sources = self.state.sources();
        for letter in letters {
            let Some(source) = sources.get_mut(&letter.history) else { continue };
            source.reserved.take(Sum::of_one(letter.raw_len));
            let outcome = answer.ok().and_then(|appended| appended.outcomes.get(letter.index));
            if let Some(outcome) = outcome {
                let Receipt { offset, revision, .. } = *outcome.receipt();
                let row = Row { revision, raw_len: letter.raw_len, closing: None };
                source.kept(letter.digest, offset, row);
            }
        }
    }
}

impl Drop for Reservations {
    /// Nobody waited for the answer: whoever needs to know looks into the log.
    fn drop(&mut self) {
        let letters = std::mem::take(&mut self.held().letters);
        let mut sources = self.state.sources();
        for letter in letters {
            if let Some(source) = sources.get_mut(&letter.history) {
                source.abandoned.put(Sum::of_one(letter.raw_len));
            }
        }
    }
}
