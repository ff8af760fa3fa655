//! Questions about one order, answered at one basis. Does not know pages of a wire format.

use std::collections::HashMap;

use super::error::QueryError;
use super::links::FullHistory;
use super::replay::CHUNK_LEN;
use super::{AsOf, Ledger, Receipt};
use crate::event::{Event, RecordedEvent};
use crate::log::{Point, order_hash};
use crate::num::u64_from;
use crate::order::{History, effects, fold};
use crate::proto;
use crate::view::event_key;

/// Bytes that a row has beside its event, at most: place, times and hashes.
const ROW_BYTES: usize = 160;
/// Bytes that a text of a row has beside itself, at most.
const TEXT_BYTES: usize = 6;

/// Asks for a timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelineQuery {
    /// The order.
    pub correlation_id: String,
    /// The state of the ledger.
    pub as_of: AsOf,
    /// Rows to leave out at the beginning.
    pub skip: usize,
    /// The largest number of rows; `None` for all.
    pub limit: Option<usize>,
    /// Ends the page early when its rows have so many bytes with all that they say; `None` for no
    /// limit.
    pub bytes_max: Option<usize>,
    /// Leave out what each event changed, which takes longer to find than the events.
    pub omit_effects: bool,
}

impl TimelineQuery {
    /// Asks for all that is known of an order now.
    #[must_use]
    pub fn of(correlation_id: impl Into<String>) -> Self {
        Self { correlation_id: correlation_id.into(), ..Self::default() }
    }
}

/// The events of an order by the time they occurred, ties by offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The rows that were asked for.
    pub rows: Vec<TimelineRow>,
    /// Whether there are rows behind them.
    pub has_more: bool,
    /// The number of events that the order has at the basis.
    pub revision: u64,
    /// The head that the answer reflects.
    pub basis: u64,
}

/// One event in a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    /// The event.
    pub recorded: RecordedEvent,
    /// By how many nanoseconds it occurred before an event of this order that the ledger took
    /// earlier; 0 where it came in order.
    pub late_ns: u64,
    /// What the event changed, in sentences for people. Empty: nothing, or not asked for.
    pub effects: Vec<String>,
    /// The order in whose history the event stands, where that is a linked one.
    pub linked_from: Option<String>,
}

/// An order at a basis.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Its state.
    pub state: proto::Order,
    /// The head that the answer reflects.
    pub basis: u64,
}

/// How large a ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Segment files of the log.
    pub segment_count: u64,
    /// Bytes of the log that hold entries, without what is prepared ahead.
    pub log_bytes: u64,
    /// Bytes of the views' file.
    pub view_bytes: u64,
    /// Up to which offset the views have the log; the rest is in memory.
    pub view_basis: u64,
}

impl Ledger {
    /// The timeline of an order; empty for an unknown one.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ledger = order_ledger::Ledger::open(&folder, Default::default())?;
    /// use order_ledger::TimelineQuery;
    ///
    /// let timeline = ledger.get_timeline(&TimelineQuery::of("erp/100045"))?;
    /// assert_eq!((timeline.revision, timeline.rows.len()), (0, 0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QueryError::BeyondHead`], [`QueryError::InFuture`], and where log or views cannot be read.
    pub fn get_timeline(&self, query: &TimelineQuery) -> Result<Timeline, QueryError> {
        self.check_times(query.as_of)?;
        let correlation_id = &query.correlation_id;
        let all = AsOf { occurred_at_ns: None, ..query.as_of };
        let all = self.history(correlation_id, all)?;
        if query.as_of.occurred_at_ns.is_none() {
            return Ok(self.timeline_of(query, all.events.clone(), all));
        }
        let as_of = AsOf { offset: Some(all.basis), ..query.as_of };
        Ok(self.timeline_of(query, all.events, self.history(correlation_id, as_of)?))
    }

    /// The same, where it takes little.
    pub(crate) fn get_short_timeline(
        &self,
        query: &TimelineQuery,
    ) -> Result<Option<Timeline>, QueryError> {
        if query.as_of.occurred_at_ns.is_some() {
            return Ok(None);
        }
        let full = self.short_history(&query.correlation_id, query.as_of)?;
        Ok(full.map(|full| self.timeline_of(query, full.events.clone(), full)))
    }

    /// A timeline of what is known; `all` are its events and those that occurred later, beside
    /// which a row may be late.
    fn timeline_of(
        &self,
        query: &TimelineQuery,
        mut all: Vec<RecordedEvent>,
        known: FullHistory,
    ) -> Timeline {
        let correlation_id = &*query.correlation_id;
        let FullHistory { own_revision: revision, mut events, incoming, basis } = known;
        events.sort_by_key(|recorded| recorded.offset);
        all.sort_by_key(|recorded| recorded.offset);
        let mut rows = with_lateness(all);
        let offset = |recorded: &RecordedEvent| recorded.offset;
        rows.retain(|row| events.binary_search_by_key(&row.recorded.offset, offset).is_ok());
        let history = History { correlation_id, events: &events, incoming: &incoming };
        let mut effects =
            if query.omit_effects { HashMap::new() } else { effects(&history, &self.policy) };
        for row in &mut rows {
            row.effects = effects.remove(&row.recorded.offset).unwrap_or_default();
            let order = row.recorded.event.correlation_id();
            row.linked_from = (order != correlation_id).then(|| order.to_owned());
        }
        rows.sort_by_key(|row| (row.recorded.timeline_ns(), row.recorded.offset));
        let total = rows.len();
        rows.drain(..query.skip.min(total));
        rows.truncate(query.limit.unwrap_or(usize::MAX).max(1));
        if let Some(max) = query.bytes_max {
            rows.truncate(rows_within(&rows, max).max(1));
        }
        let has_more = query.skip.saturating_add(rows.len()) < total;
        Timeline { rows, has_more, revision, basis }
    }

    /// The state of an order, folded from its events.
    ///
    /// # Errors
    /// [`QueryError::BeyondHead`], [`QueryError::InFuture`], and where log or views cannot be read.
    pub fn get_order(&self, correlation_id: &str, as_of: AsOf) -> Result<Order, QueryError> {
        Ok(self.order_of(correlation_id, &self.history(correlation_id, as_of)?))
    }

    /// The same, where it takes little.
    pub(crate) fn get_short_order(
        &self,
        correlation_id: &str,
        as_of: AsOf,
    ) -> Result<Option<Order>, QueryError> {
        let full = self.short_history(correlation_id, as_of)?;
        Ok(full.map(|full| self.order_of(correlation_id, &full)))
    }

    fn order_of(&self, correlation_id: &str, full: &FullHistory) -> Order {
        let FullHistory { own_revision: revision, events, incoming, basis } = full;
        let history = History { correlation_id, events, incoming };
        let state = proto::Order { revision: *revision, ..fold(&history, &self.policy) };
        Order { state, basis: *basis }
    }

    /// Whether an event is in the ledger: its receipt, and the basis of this answer. Waits for what
    /// was submitted before, so that *no* means that no earlier submission brings it any more.
    ///
    /// # Errors
    /// [`QueryError::InDoubt`] where the event is not found and a write has failed: it may come to
    /// light when the ledger is opened again. Also where log or views cannot be read.
    pub fn get_append_outcome(
        &self,
        correlation_id: &str,
        source: &str,
        event_id: &str,
    ) -> Result<(Option<Receipt>, u64), QueryError> {
        self.settle();
        let found = self.find_event(correlation_id, source, event_id)?;
        match (found, self.queue.poisoned()) {
            ((None, _), Some(reason)) => Err(QueryError::InDoubt(reason)),
            (found, _) => Ok(found),
        }
    }

    /// The receipt of an event that is in the ledger, and the basis of this answer.
    pub(crate) fn find_event(
        &self,
        correlation_id: &str,
        source: &str,
        event_id: &str,
    ) -> Result<(Option<Receipt>, u64), QueryError> {
        let head = self.head();
        let key = event_key(source, event_id);
        let order = order_hash(correlation_id.as_bytes());
        let entries = self.views.order(&order, correlation_id.as_bytes(), head)?;
        let mut receipt = None;
        if let Some(found) = entries.iter().find(|indexed| indexed.key == key) {
            self.reader.entries(&[found.place], |entry| {
                receipt = Some(Receipt {
                    offset: entry.offset,
                    revision: entry.revision,
                    recorded_at_ns: entry.recorded_at,
                    leaf_hash: entry.leaf_hash(),
                });
            })?;
        }
        Ok((receipt, head))
    }

    /// The number of orders.
    ///
    /// # Errors
    /// Where the views cannot be read.
    pub fn order_count(&self) -> Result<u64, QueryError> {
        Ok(self.views.order_count()?)
    }

    /// How large the ledger is.
    ///
    /// # Errors
    /// Where the views cannot be read.
    pub fn sizes(&self) -> Result<Sizes, QueryError> {
        let segments = self.reader.segments();
        let last = u64::from(self.head_now().point.position);
        let full = segments.iter().rev().skip(1).map(|segment| segment.capacity).sum::<u64>();
        Ok(Sizes {
            segment_count: u64_from(segments.len()),
            log_bytes: full + last,
            view_bytes: self.views.file_size()?,
            view_basis: self.views.checkpoint()?,
        })
    }

    /// When the newest entry was recorded, in nanoseconds of the Unix epoch; `None` in an empty
    /// ledger.
    #[must_use]
    pub fn recorded_at_ns(&self) -> Option<u64> {
        let head = self.head_now();
        (head.point.offset > 0).then_some(head.recorded_at)
    }

    /// Waits until the head is at least `offset`; the head then. Answers early when the ledger is
    /// closed.
    pub async fn head_at_least(&self, offset: u64) -> u64 {
        let mut head = self.head.clone();
        let _ = head.wait_for(|head| head.point.offset >= offset).await;
        self.head()
    }

    /// The first offset whose entry was recorded after a time, or the head.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub fn offset_after(&self, recorded_at_ns: u64) -> Result<u64, QueryError> {
        let head = self.head_now();
        if head.recorded_at <= recorded_at_ns {
            return Ok(head.point.offset);
        }
        // Between marks by bisection, then entry by entry.
        let (mut low, mut high) = (0, head.point.offset);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.views.mark(middle)? {
                Some(mark) if mark.recorded_at > recorded_at_ns => high = middle,
                _ => low = middle,
            }
        }
        let mut at = self.views.seek(low)?;
        loop {
            let blocks = self.reader.blocks(at, head.point, CHUNK_LEN)?;
            let mut found = None;
            blocks.each(|placed| {
                if found.is_none() && placed.entry.recorded_at > recorded_at_ns {
                    found = Some(placed.entry.offset);
                }
            })?;
            if let Some(found) = found {
                return Ok(found);
            }
            if blocks.next.offset >= head.point.offset {
                return Ok(head.point.offset);
            }
            at = blocks.next;
        }
    }

    /// Looks up where the entries of an order stand, by revision.
    pub(super) fn locate(
        &self,
        correlation_id: &str,
        basis: u64,
    ) -> Result<Vec<Point>, QueryError> {
        let order = order_hash(correlation_id.as_bytes());
        let entries = self.views.order(&order, correlation_id.as_bytes(), basis)?;
        Ok(entries.iter().map(|indexed| indexed.place).collect())
    }

    /// Reads the entries of an order, by revision.
    pub(super) fn read(
        &self,
        correlation_id: &str,
        places: &[Point],
    ) -> Result<Vec<RecordedEvent>, QueryError> {
        let mut recorded = Vec::with_capacity(places.len());
        self.reader.entries(places, |entry| recorded.push(entry.to_recorded()))?;
        let sound = recorded.iter().all(|one| one.event.correlation_id() == correlation_id);
        if sound { Ok(recorded) } else { Err(crate::view::ViewError::wrong_order())? }
    }
}

/// Marks events, given in the order in which the ledger took them, that came behind later ones.
pub(crate) fn with_lateness(recorded: Vec<RecordedEvent>) -> Vec<TimelineRow> {
    let mut newest = None;
    recorded
        .into_iter()
        .map(|recorded| {
            let occurred_at = recorded.event.occurred_at_ns();
            let late_ns = match (newest, occurred_at) {
                (Some(newest), Some(at)) if at < newest => newest.abs_diff(at),
                _ => 0,
            };
            newest = newest.max(occurred_at);
            TimelineRow { recorded, late_ns, effects: Vec::new(), linked_from: None }
        })
        .collect()
}

/// How many rows at the beginning have together at most so many bytes.
fn rows_within(rows: &[TimelineRow], bytes_max: usize) -> usize {
    let mut bytes = 0_usize;
    let fits = |row: &&TimelineRow| {
        bytes = bytes.saturating_add(bytes_of(row));
        bytes <= bytes_max
    };
    rows.iter().take_while(fits).count()
}

/// Bytes of a row with all that it says, at most.
fn bytes_of(row: &TimelineRow) -> usize {
    let said = row.effects.iter().chain(&row.linked_from);
    let said: usize = said.map(|text| text.len() + TEXT_BYTES).sum();
    Event::body(&row.recorded.event).len() + ROW_BYTES + said
}
