//! Replays of what filters want, against the same filters applied to the whole log.

use order_ledger::proto::{EventFilter, OrderEvent};
use order_ledger::{Batch, Event, Ledger, QueryError, Replay};

use crate::filters::{passes, random_event, random_filters};
use crate::random::Random;
use crate::support::open;

/// Appends batches of random length; small ones and such as fill several chunks.
fn grow(ledger: &Ledger, random: &mut Random, log: &mut Vec<OrderEvent>) {
    for _ in 0..random.below(4) {
        let first = log.len();
        for _ in 0..=random.below(30) {
            let id = u64::try_from(log.len()).unwrap();
            log.push(random_event(random, id, 2_000));
        }
        ledger.append(Batch::of(log[first..].iter().map(|one| Event::new(one).unwrap()))).unwrap();
    }
}

fn naive(log: &[OrderEvent], filters: &[EventFilter], from: u64) -> Vec<u64> {
    let all = (0..).zip(log).filter(|(offset, event)| *offset >= from && passes(filters, event));
    all.map(|(offset, _)| offset).collect()
}

/// A reader in the middle of the log.
struct Reader {
    filters: Vec<EventFilter>,
    from: u64,
    replay: Replay,
    read: Vec<u64>,
}

impl Reader {
    fn new(ledger: &Ledger, random: &mut Random) -> Self {
        let (filters, from) = (random_filters(random), u64::try_from(random.below(40)).unwrap());
        let from = from.min(ledger.head());
        let replay = ledger.replay(from).unwrap().only(&filters).unwrap();
        Self { filters, from, replay, read: Vec::new() }
    }

    /// Reads a chunk; whether there was one.
    fn step(&mut self) -> bool {
        let before = self.replay.next_offset();
        let chunk = self.replay.next_chunk().unwrap();
        assert_eq!((chunk.from(), chunk.to()), (before, self.replay.next_offset()));
        let offsets = chunk.events().unwrap().iter().map(|one| one.offset).collect::<Vec<_>>();
        assert!(offsets.iter().all(|offset| (chunk.from()..chunk.to()).contains(offset)));
        self.read.extend(offsets);
        !chunk.is_empty()
    }
}

/// Seen red with a clause that is asked about the order alone where the first one says no more.
#[test]
fn filtered_replays_find_what_the_filter_means_in_whichever_way_they_are_read() {
    for seed in 0..15 {
        let mut random = Random::seeded(seed);
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        let mut log = Vec::new();
        let mut readers: Vec<Reader> = Vec::new();
        for _ in 0..12 {
            grow(&ledger, &mut random, &mut log);
            readers.push(Reader::new(&ledger, &mut random));
            for reader in &mut readers {
                for _ in 0..random.below(4) {
                    reader.step();
                }
                if random.one_in(4) {
                    // Resumes, as after a crash.
                    let next = reader.replay.next_offset();
                    reader.replay = ledger.replay(next).unwrap().only(&reader.filters).unwrap();
                }
            }
        }
        for reader in &mut readers {
            while reader.step() {}
            let expected = naive(&log, &reader.filters, reader.from);
            assert_eq!(reader.read, expected, "seed {seed}, {:?}", reader.filters);
            assert_eq!(reader.replay.next_offset(), ledger.head());
        }
    }
}

#[test]
fn a_filtered_replay_may_begin_at_every_offset() {
    for seed in 100..102 {
        let mut random = Random::seeded(seed);
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        let mut log = Vec::new();
        while log.len() < 150 {
            grow(&ledger, &mut random, &mut log);
        }
        for from in 0..=ledger.head() {
            let filters = random_filters(&mut random);
            let replay = ledger.replay(from).unwrap().only(&filters).unwrap();
            let mut reader = Reader { filters, from, replay, read: Vec::new() };
            while reader.step() {}
            let expected = naive(&log, &reader.filters, from);
            assert_eq!(reader.read, expected, "seed {seed} from {from}, {:?}", reader.filters);
        }
    }
}

#[test]
fn a_follower_of_few_events_knows_where_to_resume() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut random = Random::seeded(7);
    let mut log = Vec::new();
    while log.len() < 100 {
        grow(&ledger, &mut random, &mut log);
    }
    let filters = [EventFilter { types: vec!["pick.*".into()], ..EventFilter::default() }];
    let expected = naive(&log, &filters, 0);
    let mut follow = ledger.replay(0).unwrap().only(&filters).unwrap().follow();
    for (place, offset) in expected.iter().enumerate() {
        assert_eq!(follow.next().unwrap().unwrap().offset, *offset);
        let next = follow.next_offset();
        assert_eq!(naive(&log, &filters, next), expected[place + 1..], "from {next}");
    }
    drop(ledger);
    assert!(follow.next().is_none(), "the ledger is closed");
    assert_eq!(follow.next_offset(), u64::try_from(log.len()).unwrap());
}

#[test]
fn a_filter_that_cannot_be_is_refused_with_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let filter = EventFilter {
        types: vec!["pick*".into()],
        groups: vec!["holds".into()],
        ..EventFilter::default()
    };
    let refused = ledger.replay(0).unwrap().only(&[filter]).unwrap_err();
    let text = refused.to_string();
    let QueryError::Invalid(violations) = refused else { panic!("{text}") };
    assert_eq!(violations.len(), 2);
    assert!(text.starts_with("the request breaks filters[0].types[0]: \"pick*\" is no"), "{text}");
}
