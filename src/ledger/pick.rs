//! Single entries and parts of orders, by where they stand, for whoever keeps a place in the log.
//! Does not know consumers.

use super::Ledger;
use super::error::QueryError;
use super::replay::CHUNK_LEN;
use crate::event::{RecordedEvent, Wanted};
use crate::log::Point;

/// Entries of an order that are read at once.
const READ_TOGETHER: usize = 64;

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

    /// The entry at an offset below the head, and where it stands.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn at_offset(&self, offset: u64) -> Result<(Point, RecordedEvent), QueryError> {
        let head = self.head_now().point;
        let mut at = self.views.seek(offset)?;
        let mut found = None;
        while found.is_none() && at.offset < head.offset {
            let blocks = self.reader.blocks(at, head, CHUNK_LEN)?;
            blocks.each(|placed| {
                if placed.entry.offset == offset {
                    let place = Point { offset, position: placed.position };
                    found = Some((place, placed.entry.to_recorded()));
                }
            })?;
            at = blocks.next;
        }
        found.ok_or(QueryError::BeyondHead { offset, head: head.offset })
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
