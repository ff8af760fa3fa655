//! Replay and follow: the log from an offset, chunk by chunk; one loop for old and new entries.
//! Does not know who reads, nor how entries travel.

use std::sync::Arc;

use tokio::sync::watch;

use super::Ledger;
use super::error::QueryError;
use super::wait::block_on;
use super::writer::Head;
use crate::event::{Present, RecordedEvent, Seen, Wanted, is_ledgers_own};
use crate::log::{Blocks, LogReader, Placed, Point};
use crate::proto::EventFilter;

/// Bytes that are read at once.
pub(crate) const CHUNK_LEN: usize = 256 * 1024;

/// A reader's place in the log. It holds no lock, no transaction and no buffer between two chunks.
#[derive(Clone, Debug)]
pub struct Replay {
    reader: LogReader,
    head: watch::Receiver<Head>,
    /// Where the next block stands.
    at: Point,
    /// The next offset that is wanted; inside of the next block at the beginning.
    next_offset: u64,
    /// Where the replay ends, if not at the head of the day.
    end: Option<Point>,
    /// Which events are wanted; `None`: all.
    wanted: Option<Arc<Wanted>>,
    /// Whether entries of the ledger's own are read, too.
    with_own: bool,
    filter_values_max: usize,
}

/// A place in what was read, to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(Point);

/// Some entries of the log, in order.
#[derive(Debug)]
pub struct Chunk {
    blocks: Blocks,
    wanted: Option<Arc<Wanted>>,
    with_own: bool,
    from: u64,
    /// The offset behind the chunk.
    to: u64,
}

impl Ledger {
    /// Reads the log from an offset. The head itself is allowed: nothing is there yet.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ledger = order_ledger::Ledger::open(&folder, Default::default())?;
    /// let mut replay = ledger.replay(0)?;
    /// loop {
    ///     let chunk = replay.next_chunk()?;
    ///     if chunk.is_empty() {
    ///         break; // the head is reached; `replay.next_offset()` is where to resume
    ///     }
    ///     for recorded in chunk.events()? {
    ///         println!("{} {}", recorded.offset, recorded.event.event_type());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QueryError::BeyondHead`], and where the views cannot be read.
    pub fn replay(&self, from_offset: u64) -> Result<Replay, QueryError> {
        let head = self.head();
        if from_offset > head {
            return Err(QueryError::BeyondHead { offset: from_offset, head });
        }
        let at = self.views.seek(from_offset)?;
        let (reader, head) = (self.reader.clone(), self.head.clone());
        let filter_values_max = self.limits.filter_values_max;
        let (next_offset, end, wanted, with_own) = (from_offset, None, None, false);
        Ok(Replay { reader, head, at, next_offset, end, wanted, with_own, filter_values_max })
    }

    /// Reads the log from an offset, and waits at its head for what comes. Ends when the ledger is
    /// closed.
    ///
    /// # Errors
    /// As [`Ledger::replay`].
    pub fn follow(&self, from_offset: u64) -> Result<Follow, QueryError> {
        Ok(self.replay(from_offset)?.follow())
    }
}

impl Replay {
    /// Reads only events that pass any of `filters`; all, where there are none. The others are
    /// passed over without being decoded, and [`Replay::next_offset`] says how far.
    ///
    /// ```
    /// use order_ledger::{Batch, Event, proto::EventFilter};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ledger = order_ledger::Ledger::open(&folder, Default::default())?;
    /// # for (id, kind) in [("1", "pick.confirmed"), ("2", "hold.placed"), ("3", "pick.shorted")] {
    /// #     let event = Event::new(&order_ledger::proto::OrderEvent {
    /// #         correlation_id: "erp/7".into(),
    /// #         source: "wms:dc1".into(),
    /// #         event_id: id.into(),
    /// #         r#type: kind.into(),
    /// #         ..Default::default()
    /// #     });
    /// #     ledger.append(Batch::of([event.unwrap()]))?;
    /// # }
    /// // What this warehouse's system tells about picks, and every hold, of whatever system.
    /// let picks = EventFilter {
    ///     types: vec!["pick.*".into()],
    ///     sources: vec!["wms:dc1".into()],
    ///     ..Default::default()
    /// };
    /// let holds = EventFilter { types: vec!["hold.placed".into()], ..Default::default() };
    /// let mut replay = ledger.replay(1)?.only(&[picks, holds])?;
    /// let chunk = replay.next_chunk()?;
    /// let offsets: Vec<u64> = chunk.events()?.iter().map(|event| event.offset).collect();
    /// assert_eq!(offsets, [1, 2]);
    ///
    /// // What was passed over counts as read.
    /// let returns = EventFilter { groups: vec!["return".into()], ..Default::default() };
    /// let mut replay = ledger.replay(0)?.only(&[returns])?;
    /// let chunk = replay.next_chunk()?;
    /// assert!(chunk.events()?.is_empty() && !chunk.is_empty());
    /// assert_eq!(replay.next_offset(), 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QueryError::Invalid`].
    pub fn only(mut self, filters: &[EventFilter]) -> Result<Self, QueryError> {
        let wanted = Wanted::of(filters, self.filter_values_max, self.with_own);
        self.wanted = wanted.map_err(QueryError::Invalid)?.map(Arc::new);
        Ok(self)
    }

    /// Reads entries of the ledger's own, too, whose orders begin with `$`: where consumers stand,
    /// what is parked, what was refused. Otherwise they are passed over, and a filter that names
    /// their orders is refused: say this before [`Replay::only`].
    #[must_use]
    pub fn with_ledger_entries(mut self) -> Self {
        self.with_own = true;
        self
    }

    /// Goes on at the head: waits there for what comes.
    #[must_use]
    pub fn follow(self) -> Follow {
        Follow { replay: self, ready: Vec::new().into_iter() }
    }

    /// The offset of the next entry: where to resume.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// The head now.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.head.borrow().point.offset
    }

    /// Reads the next entries, about 256 KiB of them; none at the head.
    ///
    /// # Errors
    /// Where the log cannot be read or is damaged.
    pub fn next_chunk(&mut self) -> Result<Chunk, QueryError> {
        let head = self.end.unwrap_or_else(|| self.head.borrow().point);
        loop {
            let blocks = self.reader.blocks(self.at, head, CHUNK_LEN)?;
            self.at = blocks.next;
            let (from, to) = (self.next_offset, blocks.next.offset);
            // A mark lies before the wanted offset: whole chunks may have to be passed over.
            if to > from || to >= head.offset {
                self.next_offset = to.max(from);
                let (wanted, with_own, to) = (self.wanted.clone(), self.with_own, self.next_offset);
                return Ok(Chunk { blocks, wanted, with_own, from, to });
            }
        }
    }

    /// The place of the next chunk.
    pub(crate) fn place(&self) -> Place {
        Place(self.at)
    }

    /// Goes back to the chunk of a place, at an offset in it: the next one there that is wanted.
    pub(crate) fn go_back(&mut self, Place(at): Place, next_offset: u64) {
        (self.at, self.next_offset) = (at, next_offset);
    }

    /// Ends at the head of now, however the log grows meanwhile.
    pub(crate) fn end_at_head(&mut self) {
        self.end = Some(self.head.borrow().point);
    }

    /// The same place, and everything is wanted.
    pub(crate) fn of_all(self) -> Self {
        Self { wanted: None, with_own: true, ..self }
    }

    /// The same place, and only this is wanted.
    pub(crate) fn wanting(self, wanted: Option<Arc<Wanted>>) -> Self {
        Self { wanted, ..self }
    }

    /// Whether any of some events may be wanted.
    pub(crate) fn may_want(&self, present: &Present<'_>) -> bool {
        (self.with_own || present.has_events())
            && self.wanted.as_ref().is_none_or(|wanted| wanted.may_want(present))
    }

    /// Passes over what lies before the place of another reader, if anything does.
    pub(crate) fn pass_over_to(&mut self, other: &Self) {
        if other.next_offset > self.next_offset {
            (self.at, self.next_offset) = (other.at, other.next_offset);
        }
    }

    /// Whether nothing is left, and nothing more can come, because the ledger was closed.
    pub(crate) fn has_ended(&self) -> bool {
        self.head.has_changed().is_err() && self.head() <= self.next_offset
    }

    /// Waits until there is something behind the last chunk.
    ///
    /// Answers `false` when nothing more can come, because the ledger was closed.
    pub async fn changed(&mut self) -> bool {
        let next = self.next_offset;
        self.head.wait_for(|head| head.point.offset > next).await.is_ok()
    }
}

impl Chunk {
    /// Whether the chunk is empty: the head was reached. A chunk of which no event is wanted is not
    /// empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from >= self.to
    }

    /// The offset of the first entry.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The offset behind the last entry.
    #[must_use]
    pub fn to(&self) -> u64 {
        self.to
    }

    /// The events that are wanted, sharing the chunk's memory.
    ///
    /// # Errors
    /// Where an entry is damaged.
    pub fn events(&self) -> Result<Vec<RecordedEvent>, QueryError> {
        let mut events = Vec::new();
        if self.wanted.is_none() {
            let count = usize::try_from(self.to.saturating_sub(self.from));
            events.reserve_exact(count.unwrap_or_default());
        }
        self.each(|placed| {
            let body = self.blocks.share(placed.entry.body);
            events.push(placed.entry.recorded(body));
        })?;
        Ok(events)
    }

    /// What stands in the chunk's wanted events.
    pub(crate) fn present(&self) -> Result<Present<'_>, QueryError> {
        let mut seen = Seen::default();
        self.each(|placed| seen.add(placed.entry.correlation_id, placed.entry.body))?;
        Ok(seen.present())
    }

    /// Calls `each` with the chunk's wanted entries as they are stored.
    pub(crate) fn each<'a>(&'a self, mut each: impl FnMut(Placed<'a>)) -> Result<(), QueryError> {
        Ok(self.blocks.each(|placed| {
            let Placed { entry, .. } = &placed;
            let is_wanted = |wanted: &Wanted| wanted.wants(entry.correlation_id, entry.body);
            if entry.offset >= self.from
                && (self.with_own || !is_ledgers_own(entry.correlation_id))
                && self.wanted.as_deref().is_none_or(is_wanted)
            {
                each(placed);
            }
        })?)
    }
}

/// Every wanted event from an offset on, old and new; blocks at the head until something comes.
#[derive(Debug)]
pub struct Follow {
    replay: Replay,
    ready: std::vec::IntoIter<RecordedEvent>,
}

impl Follow {
    /// Where to resume: everything before this offset was handed out, or is not wanted.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        let ready = self.ready.as_slice().first();
        ready.map_or(self.replay.next_offset, |recorded| recorded.offset)
    }
}

impl Iterator for Follow {
    type Item = Result<RecordedEvent, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(ready) = self.ready.next() {
                return Some(Ok(ready));
            }
            let chunk = match self.replay.next_chunk().and_then(|chunk| chunk.events()) {
                Ok(events) => events,
                Err(error) => return Some(Err(error)),
            };
            self.ready = chunk.into_iter();
            if self.ready.len() == 0 && !block_on(self.replay.changed()) {
                return None;
            }
        }
    }
}
