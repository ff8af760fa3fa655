//! Histories of the ledger's own: what it writes about itself, and finds again.
//! Does not know what they say.

use super::Ledger;
use super::error::QueryError;
use crate::event::{RecordedEvent, is_ledgers_own};
use crate::log::Point;
use crate::num::usize_from;

/// Where the entries of a history of the ledger's own stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnPlaces {
    name: String,
    /// By revision.
    places: Vec<Point>,
}

impl Ledger {
    /// The names of the histories of the ledger's own that begin so, sorted.
    ///
    /// # Errors
    /// Where the views cannot be read.
    pub(crate) fn own_histories(&self, prefix: &str) -> Result<Vec<String>, QueryError> {
        debug_assert!(is_ledgers_own(prefix.as_bytes()), "orders are listed by their status");
        Ok(self.views.names(prefix.as_bytes())?.into_iter().collect())
    }

    /// The last of the names of histories of the ledger's own that begin so.
    ///
    /// # Errors
    /// Where the views cannot be read.
    pub(crate) fn last_own_history(&self, prefix: &str) -> Result<Option<String>, QueryError> {
        Ok(self.views.last_name(prefix.as_bytes())?)
    }

    /// All entries of a history, by revision.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn own_history(&self, name: &str) -> Result<Vec<RecordedEvent>, QueryError> {
        self.read(name, &self.locate(name, self.head())?)
    }

    /// Where the entries of a history stand, for those who do not want them all at once.
    ///
    /// # Errors
    /// Where the views cannot be read.
    pub(crate) fn own_places(&self, name: &str) -> Result<OwnPlaces, QueryError> {
        Ok(OwnPlaces { places: self.locate(name, self.head())?, name: name.to_owned() })
    }

    /// Calls `each` with the entries of a history from a revision on, one by one.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(crate) fn each_of_history(
        &self,
        of: &OwnPlaces,
        from_revision: u64,
        mut each: impl FnMut(RecordedEvent),
    ) -> Result<(), QueryError> {
        let places = of.places.get(usize_from(from_revision)..).unwrap_or_default();
        Ok(self.reader.entries(places, |entry| each(entry.to_recorded()))?)
    }

    /// One entry of a history.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub(crate) fn one_of_history(
        &self,
        of: &OwnPlaces,
        revision: u64,
    ) -> Result<Option<RecordedEvent>, QueryError> {
        let place = of.places.get(usize_from(revision));
        let place = place.map_or(&[][..], std::slice::from_ref);
        Ok(self.read(&of.name, place)?.pop())
    }

    /// The entry at an offset, where it is one of the ledger's own.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn own_at(&self, offset: u64) -> Result<Option<RecordedEvent>, QueryError> {
        if offset >= self.head() {
            return Ok(None);
        }
        let mut found = None;
        self.replay(offset)?.with_ledger_entries().next_chunk()?.each(|placed| {
            let entry = placed.entry;
            if entry.offset == offset && is_ledgers_own(entry.correlation_id) {
                found = Some(entry.to_recorded());
            }
        })?;
        Ok(found)
    }

    /// The last entry of a history.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn last_of_history(&self, name: &str) -> Result<Option<RecordedEvent>, QueryError> {
        let places = self.locate(name, self.head())?;
        let last = places.len().saturating_sub(1);
        Ok(self.read(name, places.get(last..).unwrap_or_default())?.pop())
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Event, is_ledgers_own};
    use crate::ledger::{Batch, Ledger, Options, verify};
    use crate::num::u64_from;
    use crate::proto::{EventFilter, LedgerEntry, OrderEvent};

    fn own(history: &str, id: u32) -> Event {
        let entry = LedgerEntry { actor: format!("operator {id}"), ..LedgerEntry::default() };
        Event::of_ledger((history.to_owned(), id.to_string()), ("consumer.advanced", entry))
    }

    fn told(order: &str, id: u32) -> Event {
        let event = OrderEvent {
            correlation_id: order.to_owned(),
            source: "erp".into(),
            event_id: id.to_string(),
            r#type: "order.created".into(),
            ..OrderEvent::default()
        };
        Event::new(&event).unwrap()
    }

    fn count(ledger: &Ledger, with_own: bool, filters: &[EventFilter]) -> u64 {
        let replay = ledger.replay(0).unwrap();
        let replay = if with_own { replay.with_ledger_entries() } else { replay };
        let mut replay = replay.only(filters).unwrap();
        let mut count = 0;
        loop {
            let chunk = replay.next_chunk().unwrap();
            if chunk.is_empty() {
                return count;
            }
            count += u64_from(chunk.events().unwrap().len());
        }
    }

    /// Seen red with rows for every history, and with sources of every entry.
    #[test]
    fn what_the_ledger_says_of_itself_is_kept_beside_the_orders() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..3_u32 {
            let ledger = Ledger::open(&folder, Options::default()).unwrap();
            for id in 0..10 {
                let id = round * 10 + id;
                let order = told(&format!("erp/{id}"), id);
                ledger.append(Batch::of([own("$consumers/a", id), order])).unwrap();
                ledger.append(Batch::of([own(&format!("$consumers/b/{id}"), id)])).unwrap();
            }
            if round == 1 {
                ledger.list_orders(&crate::proto::ListOrdersRequest::default()).unwrap();
            }
            let so_far = u64::from(round + 1) * 10;
            assert_eq!(ledger.order_count().unwrap(), so_far);
            assert_eq!(count(&ledger, false, &[]), so_far);
            assert_eq!(count(&ledger, true, &[]), 3 * so_far);
            let of_a = EventFilter {
                correlation_ids: vec!["$consumers/a".to_owned()],
                ..EventFilter::default()
            };
            assert_eq!(count(&ledger, true, std::slice::from_ref(&of_a)), so_far);
            assert!(ledger.replay(0).unwrap().only(&[of_a]).is_err(), "its entries are not read");

            let names = ledger.own_histories("$consumers/").unwrap();
            assert_eq!(u64_from(names.len()), so_far + 1);
            let of_b = ledger.own_histories("$consumers/b/").unwrap();
            assert_eq!(u64_from(of_b.len()), so_far);
            let last = ledger.last_own_history("$consumers/b/").unwrap();
            assert_eq!(last.as_deref(), names.last().map(String::as_str));
            assert_eq!(ledger.last_own_history("$consumers/0").unwrap(), None);
            assert_eq!(ledger.own_histories("$dead-letters/").unwrap(), Vec::<String>::new());
            let of_a = ledger.own_history("$consumers/a").unwrap();
            assert_eq!(u64_from(of_a.len()), so_far);
            let last = ledger.last_of_history("$consumers/a").unwrap().unwrap();
            let actor = last.event.ledger_entry().unwrap().actor;
            assert_eq!(actor, format!("operator {}", so_far - 1));
            assert!(ledger.last_of_history("$consumers/none").unwrap().is_none());

            let listed = ledger.list_orders(&crate::proto::ListOrdersRequest::default()).unwrap();
            assert_eq!(u64_from(listed.orders.len()), so_far);
            let ours = |id: &String| is_ledgers_own(id.as_bytes());
            assert!(!listed.orders.iter().any(|row| ours(&row.correlation_id)));
            let (sources, _) = ledger.views.sources().unwrap();
            assert_eq!(sources.iter().map(|one| one.source.as_str()).collect::<Vec<_>>(), ["erp"]);
            drop(ledger);
            let report = verify(folder.path(), |_| {}).unwrap();
            assert_eq!(report.defects, Vec::<String>::new());
            assert_eq!((report.order_count, report.entry_count), (so_far, 3 * so_far));
        }
        std::fs::remove_file(folder.path().join("views.redb")).unwrap();
        drop(Ledger::open(&folder, Options::default()).unwrap());
        assert_eq!(verify(folder.path(), |_| {}).unwrap().defects, Vec::<String>::new());
    }

    #[test]
    fn producers_cannot_say_what_the_ledger_says() {
        let event = OrderEvent { ledger_entry: Some(Box::default()), ..told("erp/1", 1).message() };
        let violations = Event::new(&event).unwrap_err();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].field, "ledger_entry");
    }
}
