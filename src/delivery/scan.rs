//! The way of a consumer through the log: part by part, event by event.
//! Does not know what becomes of the events.

use std::collections::VecDeque;
use std::sync::Arc;

use super::dispatch::OrderName;
use super::error::DeliveryError;
use crate::event::Wanted;
use crate::ledger::{EntryPlace, Ledger, Lookout, QueryError, Replay, Wait};
use crate::log::Point;

/// Parts of the log that are no longer than this are read by the task itself: waking another thread
/// takes longer.
const NEAR: u64 = 512;

/// A place in the log, and the wanted events behind it that are known already.
#[derive(Debug)]
pub(super) struct Scan {
    /// Away while it reads, on another thread.
    replay: Option<Replay>,
    upcoming: VecDeque<(OrderName, EntryPlace)>,
    lookout: Lookout,
    /// While it waits at the head; nothing is known then that was not taken.
    wait: Option<Wait>,
    /// Everything before it was taken.
    scanned_to: u64,
    /// The offset behind what is known.
    known_to: u64,
    /// Whether events were passed over or taken since this was asked last.
    moved: bool,
}

/// Wanted events of a part of the log, where that ends, and whether it has any event.
type Part = (VecDeque<(OrderName, EntryPlace)>, u64, bool);

impl Scan {
    pub(super) fn starting_at(ledger: &Ledger, offset: u64) -> Result<Self, QueryError> {
        let replay = Some(ledger.replay(offset)?);
        let (lookout, wait) = (ledger.lookout().clone(), None);
        let (scanned_to, known_to, upcoming) = (offset, offset, VecDeque::new());
        Ok(Self { replay, upcoming, lookout, wait, scanned_to, known_to, moved: false })
    }

    /// The offset before which everything was taken.
    pub(super) fn scanned_to(&self) -> u64 {
        self.scanned_to
    }

    /// Whether events were passed over or taken since the last call. Entries of the ledger's own do
    /// not count: to store that they were passed over would make another one.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Takes the next wanted event, as far as they are known.
    pub(super) fn take(&mut self) -> Option<(OrderName, EntryPlace)> {
        let next = self.upcoming.pop_front();
        let to = next.as_ref().map_or(self.known_to, |(_, place)| place.offset() + 1);
        self.moved |= self.scanned_to != to;
        self.scanned_to = to;
        next
    }

    /// Reads the next part of the log, when all before is taken; answers whether there was one.
    pub(super) async fn read(
        &mut self,
        wanted: Option<&Arc<Wanted>>,
    ) -> Result<bool, DeliveryError> {
        self.pass_over();
        self.wait = None;
        let Some(mut replay) = self.replay.take() else {
            return Ok(false);
        };
        let (place, next_offset) = (replay.place(), replay.next_offset());
        let (replay, part) = if replay.head().saturating_sub(replay.next_offset()) <= NEAR {
            let part = part_of(&mut replay, wanted.map(AsRef::as_ref));
            (replay, part)
        } else {
            let wanted = wanted.cloned();
            let read = tokio::task::spawn_blocking(move || {
                let part = part_of(&mut replay, wanted.as_deref());
                (replay, part)
            });
            match read.await {
                Ok(read) => read,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => return Err(DeliveryError::Closed),
            }
        };
        let replay = self.replay.insert(replay);
        if part.is_err() {
            // What could not be read is not passed over.
            replay.go_back(place, next_offset);
        }
        let Some((upcoming, known_to, has_events)) = part? else {
            return Ok(false);
        };
        (self.upcoming, self.known_to) = (upcoming, known_to);
        self.moved |= has_events;
        if self.upcoming.is_empty() {
            self.scanned_to = known_to;
        }
        Ok(true)
    }

    /// Waits until there may be something wanted behind what is known; `false` when nothing more
    /// can come.
    pub(super) async fn changed(&mut self, wanted: Option<&Arc<Wanted>>) -> bool {
        let Some(replay) = self.replay.as_ref().filter(|replay| !replay.has_ended()) else {
            return false;
        };
        if !self.upcoming.is_empty() {
            return true;
        }
        let lookout = &self.lookout;
        let begin = || lookout.wait(&replay.clone().wanting(wanted.cloned()));
        self.wait.get_or_insert_with(begin).called().await;
        self.pass_over();
        self.wait = None;
        self.replay.as_ref().is_some_and(|replay| !replay.has_ended())
    }

    /// Moves on, while it waits, over what the look-out has found to be for others.
    pub(super) fn pass_over(&mut self) {
        if let (Some(wait), Some(replay)) = (&self.wait, &mut self.replay) {
            self.moved |= wait.reached(replay);
            self.known_to = self.known_to.max(replay.next_offset());
            self.scanned_to = self.known_to;
        }
    }
}

fn part_of(replay: &mut Replay, wanted: Option<&Wanted>) -> Result<Option<Part>, QueryError> {
    let chunk = replay.next_chunk()?;
    if chunk.is_empty() {
        return Ok(None);
    }
    let (mut upcoming, mut has_events) = (VecDeque::new(), false);
    chunk.each(|placed| {
        has_events = true;
        let entry = &placed.entry;
        if wanted.is_none_or(|wanted| wanted.wants(entry.correlation_id, entry.body)) {
            let order: OrderName = String::from_utf8_lossy(entry.correlation_id).into();
            let point = Point { offset: entry.offset, position: placed.position };
            upcoming.push_back((order, EntryPlace { point, recorded_at_ns: entry.recorded_at }));
        }
    })?;
    Ok(Some((upcoming, chunk.to(), has_events)))
}
