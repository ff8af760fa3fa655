//! What a ledger has to hold after whatever happened to it, checked through all its reads.
//! Does not know what happened.

use std::collections::{BTreeMap, BTreeSet};

use order_ledger::{Batch, Event, Ledger, Outcome, QueryError, RecordedEvent, TimelineQuery};

use crate::workload::{History, same_identity, sized_event};

/// Says on standard error what was tried, where a check inside of it panics.
pub(crate) struct Scene(pub(crate) String);

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- it was: {}", self.0);
        }
    }
}

/// Everything from an offset on.
pub(crate) fn replay(ledger: &Ledger, from: u64) -> Result<Vec<RecordedEvent>, QueryError> {
    let mut replay = ledger.replay(from)?;
    let mut found = Vec::new();
    loop {
        let chunk = replay.next_chunk()?;
        if chunk.is_empty() {
            return Ok(found);
        }
        found.extend(chunk.events()?);
    }
}

/// Checks all that a ledger answers against what callers know, retries what is in doubt, and goes
/// on appending.
pub(crate) fn check(ledger: &Ledger, history: &History) {
    let found = replay(ledger, 0).unwrap();
    assert_eq!(ledger.head(), u64::try_from(found.len()).unwrap());
    check_chains(&found);
    let (acknowledged, rest) =
        found.split_at_checked(history.acknowledged.len()).unwrap_or_else(|| {
            panic!("{} of {} acknowledged events are there", found.len(), history.head())
        });
    for (found, (receipt, event)) in acknowledged.iter().zip(&history.acknowledged) {
        assert_eq!(&found.event, event, "offset {}", found.offset);
        assert_eq!(
            (found.offset, found.revision, found.recorded_at_ns, found.leaf_hash()),
            (receipt.offset, receipt.revision, receipt.recorded_at_ns, receipt.leaf_hash),
        );
    }
    let whole_batches = check_rest(rest, history);
    check_queries(ledger, &found);
    retry(ledger, history, (&found, whole_batches));
    go_on(ledger);
}

/// Offsets and revisions are dense, times do not decrease, and each event names the one before.
pub(crate) fn check_chains(found: &[RecordedEvent]) {
    let mut heads: BTreeMap<&str, (u64, [u8; 32])> = BTreeMap::new();
    let mut recorded_at_ns = 0;
    for (offset, one) in (0..).zip(found) {
        assert_eq!(one.offset, offset);
        assert!(one.recorded_at_ns >= recorded_at_ns, "offset {offset}");
        recorded_at_ns = one.recorded_at_ns;
        let head = heads.entry(one.event.correlation_id()).or_default();
        assert_eq!((one.revision, one.previous), *head, "offset {offset}");
        *head = (one.revision + 1, one.leaf_hash());
    }
}

/// What exceeds is batches in doubt, whole and in order; how many of them are there.
fn check_rest(mut rest: &[RecordedEvent], history: &History) -> usize {
    let mut known: BTreeSet<_> = identities(history.acknowledged.iter().map(|(_, event)| event));
    for (place, batch) in history.in_doubt.iter().enumerate() {
        if rest.is_empty() {
            return place;
        }
        let fresh: Vec<_> = batch.iter().filter(|event| known.insert(identity_of(event))).collect();
        assert!(rest.len() >= fresh.len(), "a part of batch {place} in doubt: {rest:?}");
        let (part, later) = rest.split_at(fresh.len());
        let found: Vec<_> = part.iter().map(|one| &one.event).collect();
        assert_eq!(found, fresh, "other events than those of batch {place} in doubt");
        rest = later;
    }
    assert!(rest.is_empty(), "nobody appended {rest:?}");
    history.in_doubt.len()
}

/// Timelines, outcomes and replays from anywhere say the same as the whole replay.
pub(crate) fn check_queries(ledger: &Ledger, found: &[RecordedEvent]) {
    let orders: BTreeSet<&str> = found.iter().map(|one| one.event.correlation_id()).collect();
    assert_eq!(ledger.order_count().unwrap(), u64::try_from(orders.len()).unwrap());
    for order in orders {
        let mut expected: Vec<_> =
            found.iter().filter(|one| one.event.correlation_id() == order).cloned().collect();
        expected.sort_by_key(|one| (one.timeline_ns(), one.offset));
        let timeline = ledger.get_timeline(&TimelineQuery::of(order)).unwrap();
        let rows: Vec<_> = timeline.rows.into_iter().map(|row| row.recorded).collect();
        assert_eq!(rows, expected, "timeline of {order}");
        assert_eq!(timeline.basis, ledger.head());
    }
    for one in found {
        let event = &one.event;
        let (receipt, _) = ledger
            .get_append_outcome(event.correlation_id(), event.source(), event.event_id())
            .unwrap();
        let receipt = receipt.unwrap_or_else(|| panic!("no outcome at offset {}", one.offset));
        assert_eq!((receipt.offset, receipt.leaf_hash), (one.offset, one.leaf_hash()));
    }
    for from in [found.len() / 3, found.len() / 2, found.len().saturating_sub(1)] {
        let later = replay(ledger, u64::try_from(from).unwrap()).unwrap();
        assert_eq!(later, &found[from..], "replay from {from}");
    }
}

/// Every batch that was not acknowledged is sent again: there is exactly one copy then.
fn retry(ledger: &Ledger, history: &History, (found, whole_batches): (&[RecordedEvent], usize)) {
    let mut known = found.to_vec();
    for (place, batch) in history.in_doubt.iter().chain(&history.not_written).enumerate() {
        let appended = ledger.append(Batch::of(batch.iter().cloned())).unwrap();
        let was_there =
            appended.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Duplicate(_)));
        assert!(was_there || place >= whole_batches, "batch {place} was there and is not known");
        for (event, outcome) in batch.iter().zip(&appended.outcomes) {
            let copy = known.iter().find(|one| same_identity(&one.event, event));
            let receipt = outcome.receipt();
            match (outcome, copy) {
                (Outcome::Duplicate(_), Some(copy)) => assert_eq!(
                    (receipt.offset, receipt.revision, receipt.leaf_hash),
                    (copy.offset, copy.revision, copy.leaf_hash()),
                ),
                (Outcome::Appended(_), None) => {
                    let one = replay(ledger, receipt.offset).unwrap().swap_remove(0);
                    assert_eq!((&one.event, one.leaf_hash()), (event, receipt.leaf_hash));
                    known.push(one);
                }
                (outcome, copy) => panic!("{outcome:?}, and known was {copy:?}"),
            }
        }
    }
    let after = replay(ledger, 0).unwrap();
    assert_eq!(after, known, "what is there is not what was there and what was retried");
    check_chains(&after);
    let ids = identities(after.iter().map(|one| &one.event));
    assert_eq!(ids.len(), after.len(), "an event is there twice");
}

fn identities<'a>(events: impl Iterator<Item = &'a Event>) -> BTreeSet<(String, String)> {
    events.map(identity_of).collect()
}

fn identity_of(event: &Event) -> (String, String) {
    (event.correlation_id().to_owned(), event.event_id().to_owned())
}

/// The ledger takes more, of an old order and of a new one.
fn go_on(ledger: &Ledger) {
    let head = ledger.head();
    let old = ["o0", "new"].map(|order| sized_event(order, &format!("later {head}"), 10));
    let appended = ledger.append(Batch::of(old)).unwrap();
    assert_eq!(appended.outcomes[0].receipt().offset, head);
    let found = replay(ledger, 0).unwrap();
    check_chains(&found);
    check_queries(ledger, &found);
}
