//! Single entries and parts of orders, by where they stand, for whoever keeps a place in the log.
//! Does not know consumers.

use tokio::sync::oneshot;

use super::Ledger;
use super::error::QueryError;
use super::replay::CHUNK_LEN;
use super::wait::block_on;
use super::writer::Command;
use crate::event::{RecordedEvent, Wanted};
use crate::log::{EntryRef, Point};

/// Entries of an order that are read at once.
const READ_TOGETHER: usize = 64;

/// Entries that are this far apart are looked up one by one.
const FAR: u64 = 4_096;

/// Where an entry stands, and when it was recorded, in nanoseconds of the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryPlace {
    pub(crate) point: Point,
    pub(crate) recorded_at_ns: u64,
}

impl EntryPlace {
    pub(crate) fn offset(&self) -> u64 {
        self.point.offset
    }
}

impl Ledger {
    /// The first wanted events of an order from one offset to another, `most` of them; and whether
    /// there are more.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn wanted_of_order(
        &self,
        correlation_id: &str,
        (from, to): (u64, u64),
        (wanted, most): (Option<&Wanted>, usize),
    ) -> Result<(Vec<EntryPlace>, bool), QueryError> {
        let mut places = self.locate(correlation_id, self.head())?;
        places.retain(|place| (from..to).contains(&place.offset));
        let mut found = Vec::new();
        for part in places.chunks(READ_TOGETHER) {
            let mut part_places = part.iter();
            self.reader.entries(part, |entry| {
                let point = part_places.next().copied().unwrap_or_default();
                if wanted.is_none_or(|wanted| wanted.wants(entry.correlation_id, entry.body)) {
                    found.push(EntryPlace { point, recorded_at_ns: entry.recorded_at });
                }
            })?;
            if found.len() > most {
                found.truncate(most);
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    /// The entries at rising offsets below the head, and where they stand.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn at_offsets(
        &self,
        offsets: &[u64],
        mut each: impl FnMut(Point, EntryRef<'_>),
    ) -> Result<(), QueryError> {
        let head = self.head_now().point;
        let mut rest = offsets.iter().copied().peekable();
        while let Some(&offset) = rest.peek() {
            if offset >= head.offset {
                return Err(QueryError::BeyondHead { offset, head: head.offset });
            }
            let mut at = self.views.seek(offset)?;
            // What stands near is read together; then the next one is looked up.
            while rest.peek().is_some_and(|next| *next < at.offset.saturating_add(FAR)) {
                let blocks = self.reader.blocks(at, head, CHUNK_LEN)?;
                blocks.each(|placed| {
                    if rest.next_if_eq(&placed.entry.offset).is_some() {
                        let point =
                            Point { offset: placed.entry.offset, position: placed.position };
                        each(point, placed.entry);
                    }
                })?;
                at = blocks.next;
                if at.offset >= head.offset {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The entries of an order below an offset, by revision.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn recorded_below(
        &self,
        correlation_id: &str,
        below: u64,
    ) -> Result<Vec<RecordedEvent>, QueryError> {
        self.read(correlation_id, &self.locate(correlation_id, below)?)
    }

    /// When the entry at an offset was recorded, in nanoseconds of the Unix epoch.
    ///
    /// # Errors
    /// As [`Ledger::at_offsets`].
    pub(crate) fn recorded_at(&self, offset: u64) -> Result<u64, QueryError> {
        let mut recorded_at = 0;
        self.at_offsets(&[offset], |_, entry| recorded_at = entry.recorded_at)?;
        Ok(recorded_at)
    }

    /// Waits until everything that was submitted is decided.
    pub(crate) fn settle(&self) {
        let (sender, settled) = oneshot::channel();
        if self.commands.send(Command::Settle(sender)).is_ok() {
            let _ = block_on(settled);
        }
    }

    /// The entries at places whose offsets rise.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(crate) fn at_places(&self, places: &[Point]) -> Result<Vec<RecordedEvent>, QueryError> {
        let mut recorded = Vec::with_capacity(places.len());
        self.reader.entries(places, |entry| recorded.push(entry.to_recorded()))?;
        Ok(recorded)
    }
}
