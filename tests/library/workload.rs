//! Callers of a ledger: what they append, and what they know of it afterwards. Does not know how the
//! disk fails.

use std::sync::Arc;

use order_ledger::proto::OrderEvent;
use order_ledger::{
    AppendError, Appended, Batch, Event, FailureClass, Ledger, Limits, OpenError, Options, Outcome,
    Pending, Receipt, RecordedEvent,
};

use crate::random::Random;
use crate::simulated_disk::SimulatedDisk;

/// The smallest segments that a ledger takes.
pub(crate) const SEGMENT_LEN: usize = 64 * 1024;

/// What callers know: what was acknowledged, and what became of the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// By offset.
    pub(crate) acknowledged: Vec<(Receipt, Event)>,
    /// In the order in which they were submitted.
    pub(crate) in_doubt: Vec<Vec<Event>>,
    pub(crate) not_written: Vec<Vec<Event>>,
}

/// What callers do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Append(Vec<Event>),
    /// The first batch makes a block; the others wait meanwhile and share the next one.
    Together(Vec<Vec<Event>>),
    Reopen,
}

/// An event of `length` bytes or a few more; equal arguments give equal events. They occur in
/// another order than that in which they are appended.
pub(crate) fn sized_event(order: &str, id: &str, length: usize) -> Event {
    let mut random =
        Random::seeded(id.bytes().fold(7, |seed, byte| seed * 31 % 1_000_003 + u64::from(byte)));
    let seconds = 1_700_000_000 + i64::try_from(random.below(50)).unwrap();
    let note: String =
        (0..length).map(|_| char::from(b'a' + u8::try_from(random.below(26)).unwrap())).collect();
    let occurred_at = prost_types::Timestamp { seconds, nanos: 0 };
    Event::new(&OrderEvent {
        correlation_id: order.into(),
        source: "wms:dc1".into(),
        event_id: id.into(),
        r#type: "pick.confirmed".into(),
        occurred_at: Some(occurred_at).filter(|_| !random.one_in(4)),
        attributes: [("note".to_owned(), note)].into(),
        ..Default::default()
    })
    .unwrap()
}

/// Many batches of all sizes, some of them retries, by seed.
pub(crate) fn long_workload(seed: u64) -> Vec<Step> {
    let mut random = Random::seeded(seed);
    let mut next_id = 0;
    let mut batch = |random: &mut Random| -> Vec<Event> {
        let count = 1 + random.below(4);
        (0..count)
            .map(|_| {
                next_id += 1;
                let is_retry = random.one_in(6);
                numbered_event(if is_retry { random.below(next_id) } else { next_id })
            })
            .collect()
    };
    let mut steps = Vec::new();
    for at in 0..60 {
        steps.push(match random.below(12) {
            0 => Step::Reopen,
            1 | 2 => {
                let mut together = vec![vec![sized_event("o0", &format!("first {at}"), 10)]];
                together.extend((0..random.below(3)).map(|_| batch(&mut random)));
                Step::Together(together)
            }
            _ => Step::Append(batch(&mut random)),
        });
    }
    steps
}

/// The event of an id: the same order and length each time.
fn numbered_event(id: usize) -> Event {
    let length = [10, 100, 600, 5_000][id % 4];
    sized_event(&format!("o{}", id / 3 % 6), &id.to_string(), length)
}

/// Opens the ledger of a simulated disk, with small segments.
pub(crate) fn open_on(disk: &SimulatedDisk) -> Result<Ledger, OpenError> {
    open_with(disk, Limits::default())
}

pub(crate) fn open_with(disk: &SimulatedDisk, limits: Limits) -> Result<Ledger, OpenError> {
    let options = Options {
        limits,
        segment_bytes: u64::try_from(SEGMENT_LEN).unwrap(),
        disk: Arc::new(disk.clone()),
        ..Options::default()
    };
    Ledger::open(SimulatedDisk::FOLDER, options)
}

impl History {
    /// What a caller knows who has read everything.
    pub(crate) fn of(found: &[RecordedEvent]) -> Self {
        let known = found.iter().map(|one| {
            let receipt = Receipt {
                offset: one.offset,
                revision: one.revision,
                recorded_at_ns: one.recorded_at_ns,
                leaf_hash: one.leaf_hash(),
            };
            (receipt, one.event.clone())
        });
        Self { acknowledged: known.collect(), ..Self::default() }
    }

    /// Notes what a caller was answered.
    pub(crate) fn note(&mut self, events: Vec<Event>, answer: Result<Appended, AppendError>) {
        match answer {
            Ok(appended) => self.note_appended(events, &appended),
            Err(error) => match error.class() {
                FailureClass::InDoubt => self.in_doubt.push(events),
                FailureClass::NotWritten => self.not_written.push(events),
                FailureClass::Refused => panic!("a good batch was refused: {error}"),
            },
        }
    }

    fn note_appended(&mut self, events: Vec<Event>, appended: &Appended) {
        assert_eq!(events.len(), appended.outcomes.len());
        assert!(self.in_doubt.is_empty(), "acknowledged behind a batch in doubt");
        for (event, outcome) in events.into_iter().zip(&appended.outcomes) {
            let known = self.find(&event).map(|(receipt, _)| *receipt);
            match outcome {
                Outcome::Appended(receipt) => {
                    assert_eq!(known, None, "appended twice: {event:?}");
                    assert_eq!(receipt.offset, self.head(), "offsets are dense");
                    assert!(receipt.offset < appended.head);
                    self.acknowledged.push((*receipt, event));
                }
                Outcome::Duplicate(receipt) => assert_eq!(known, Some(*receipt), "{event:?}"),
                Outcome::DeadLettered(_) => unreachable!("nobody asked for it"),
            }
        }
    }

    pub(crate) fn head(&self) -> u64 {
        u64::try_from(self.acknowledged.len()).unwrap()
    }

    /// What was acknowledged of an event.
    pub(crate) fn find(&self, event: &Event) -> Option<&(Receipt, Event)> {
        let mut all = self.acknowledged.iter();
        all.find(|(_, known)| same_identity(known, event))
    }
}

/// Whether both are about one order and have one source and id.
pub(crate) fn same_identity(one: &Event, other: &Event) -> bool {
    let identity = |event: &Event| {
        (event.correlation_id().to_owned(), event.source().to_owned(), event.event_id().to_owned())
    };
    identity(one) == identity(other)
}

/// Does the steps until they are done or the power is gone.
pub(crate) fn play(disk: &SimulatedDisk, steps: &[Step]) -> History {
    let mut history = History::default();
    let Some(mut ledger) = opened(disk) else {
        return history;
    };
    for step in steps {
        match step {
            Step::Append(events) => {
                let answer = ledger.append(Batch::of(events.iter().cloned()));
                history.note(events.clone(), answer);
            }
            Step::Together(batches) => append_together(disk, &ledger, batches, &mut history),
            Step::Reopen => {
                drop(ledger);
                match opened(disk) {
                    Some(again) => ledger = again,
                    None => return history,
                }
            }
        }
        if !disk.is_powered() {
            break;
        }
    }
    history
}

fn opened(disk: &SimulatedDisk) -> Option<Ledger> {
    let opened = open_on(disk);
    if let Err(error) = &opened {
        assert!(!disk.is_powered(), "a good disk, and yet: {error}");
    }
    opened.ok()
}

/// Appends batches so that the first makes a block, and all others wait for it and share the next.
pub(crate) fn append_together(
    disk: &SimulatedDisk,
    ledger: &Ledger,
    batches: &[Vec<Event>],
    history: &mut History,
) {
    disk.hold_blocks();
    let mut submitted = Vec::new();
    for events in batches {
        submitted.push(ledger.submit(Batch::of(events.iter().cloned())));
        disk.wait_until_held();
    }
    disk.release_blocks();
    for (events, pending) in batches.iter().zip(submitted) {
        history.note(events.clone(), pending.and_then(Pending::wait));
    }
}

/// Whether there is time for everything: `ORDER_LEDGER_LONG_TESTS=1`.
pub(crate) fn long_tests() -> bool {
    std::env::var_os("ORDER_LEDGER_LONG_TESTS").is_some()
}
