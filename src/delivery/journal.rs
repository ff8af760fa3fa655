//! What a consumer writes into the log about itself. Does not know when.

use std::sync::Arc;

use super::error::DeliveryError;
use super::state::{ADVANCED, CONSUMERS, Position, positions_of};
use crate::event::Event;
use crate::ledger::{Batch, Ledger, Pending};
use crate::proto::LedgerEntry;
use crate::time::{now_ns, rfc3339, signed, timestamp};

/// Bytes of a time in RFC 3339 up to the hour.
const HOUR_LEN: usize = "2026-11-23T15".len();

/// The pen of one consumer.
#[derive(Debug)]
pub(super) struct Journal {
    ledger: Arc<Ledger>,
    name: String,
    /// Makes ids that no other process has made.
    nonce: u64,
    next: u64,
    /// The hour of the position written last: it never goes back, whatever the clock does, so that
    /// the last history by name is the last in time.
    hour: String,
}

impl Journal {
    pub(super) fn new(ledger: Arc<Ledger>, name: &str, last_hour: Option<String>) -> Self {
        let nonce = getrandom::u64().unwrap_or_else(|_| now_ns());
        let hour = last_hour.unwrap_or_default();
        Self { ledger, name: name.to_owned(), nonce, next: 0, hour }
    }

    /// An entry of what is decided about the consumer.
    pub(super) fn deed(&mut self, event_type: &str, entry: LedgerEntry) -> Event {
        let history = format!("{CONSUMERS}{}", self.name);
        Event::of_ledger((history, self.next_id()), (event_type, entry))
    }

    fn next_id(&mut self) -> String {
        self.next += 1;
        format!("{:016x}-{}", self.nonce, self.next)
    }

    /// An entry of where the consumer stands.
    pub(super) fn position(&mut self, position: &Position) -> Event {
        let now = rfc3339(&timestamp(signed(now_ns())), None);
        let hour = now.get(..HOUR_LEN).unwrap_or_default();
        if hour > self.hour.as_str() {
            hour.clone_into(&mut self.hour);
        }
        let history = format!("{}{}", positions_of(&self.name), self.hour);
        let entry = LedgerEntry { position: Some(position.told()), ..LedgerEntry::default() };
        Event::of_ledger((history, self.next_id()), (ADVANCED, entry))
    }

    /// Sends entries to the writer, all of them or none; they ride in the block of whatever else is
    /// appended.
    pub(super) fn send(&self, entries: Vec<Event>) -> Result<Pending, DeliveryError> {
        Ok(self.ledger.submit(Batch::of(entries))?)
    }
}
