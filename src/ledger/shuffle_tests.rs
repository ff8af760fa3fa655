//! That ledgers that were told the same in another order know the same orders, links between orders
//! included. Does not know how an order is folded.

use std::collections::BTreeSet;

use super::views_tests::events;
use super::{AsOf, Batch, Ledger, Options};
use crate::event::{Event, RecordedEvent};
use crate::order::tests::{Random, without_arrival};

fn filled(events: &[Event]) -> (tempfile::TempDir, Ledger, Vec<RecordedEvent>) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path(), Options::default()).unwrap();
    for batch in events.chunks(100) {
        ledger.append(Batch::of(batch.iter().cloned())).unwrap();
    }
    let mut recorded = Vec::new();
    let mut replay = ledger.replay(0).unwrap();
    loop {
        let chunk = replay.next_chunk().unwrap();
        if chunk.is_empty() {
            return (folder, ledger, recorded);
        }
        recorded.extend(chunk.events().unwrap());
    }
}

/// Seen red with related orders sorted by offset.
#[test]
fn no_arrival_changes_linked_split_and_merged_orders() {
    let mut random = Random(23);
    for seed in 1..=2 {
        let mut told = events(40, seed);
        told.retain(|event| event.occurred_at_ns().is_some());
        let (_one, first, recorded_first) = filled(&told);
        let mut related = 0;
        for _ in 0..3 {
            random.shuffle(&mut told);
            let (_other, second, recorded_second) = filled(&told);
            let names: BTreeSet<&str> = told.iter().map(Event::correlation_id).collect();
            for name in names {
                let order =
                    |ledger: &Ledger| ledger.get_order(name, AsOf::default()).unwrap().state;
                let expected = order(&first);
                related += expected.related_orders.len();
                let expected = without_arrival(&expected, &recorded_first);
                let found = without_arrival(&order(&second), &recorded_second);
                let fields = found.as_object().unwrap();
                let differs = fields.iter().find(|(field, value)| expected[*field] != **value);
                assert!(differs.is_none(), "seed {seed}, {name}: {differs:?}");
                assert!(found == expected, "seed {seed}, {name}");
            }
        }
        assert!(related > 100, "{related} related orders");
    }
}
