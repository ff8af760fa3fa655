//! Random operations, each answered as a model of a few lines says it must be. Does not know files.

use std::collections::BTreeSet;

use order_ledger::{
    AppendError, AsOf, Batch, Event, Ledger, Limits, Outcome, QueryError, Receipt, TimelineQuery,
};

use crate::found::{Scene, check, check_queries, replay};
use crate::medium::{NewNames, Sectors, Strategy};
use crate::random::Random;
use crate::simulated_disk::{SimulatedDisk, Track};
use crate::workload::{History, long_tests, open_with, same_identity, sized_event};

const ORDERS: [&str; 4] = ["o0", "o1", "o2", "o3"];

/// What the ledger has to answer to a batch.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Per event: new, or the offset of the event that it repeats.
    Appended(Vec<Option<u64>>),
    /// Places of events in the batch.
    Reused(BTreeSet<usize>),
    WrongRevision(Vec<(String, u64, u64)>),
    Invalid,
}

/// The model: the acknowledged events, in order.
#[derive(Default)]
struct Model(History);

impl Model {
    fn revision(&self, order: &str, head: usize) -> u64 {
        let below = self.0.acknowledged.iter().take(head);
        let count = below.filter(|(_, event)| event.correlation_id() == order).count();
        u64::try_from(count).unwrap()
    }

    fn answer(&self, events: &[Event], expectations: &[(String, u64)]) -> Answer {
        let contradicts = |one: &Event, other: &Event| same_identity(one, other) && one != other;
        if events.iter().any(|one| events.iter().any(|other| contradicts(one, other))) {
            return Answer::Invalid;
        }
        let mut fresh: Vec<(u64, &Event)> = Vec::new();
        let (mut appended, mut reused) = (Vec::new(), BTreeSet::new());
        for (place, event) in events.iter().enumerate() {
            let next = self.0.head() + u64::try_from(fresh.len()).unwrap();
            let stored = self.0.find(event).map(|(receipt, event)| (receipt.offset, event));
            let in_batch = || fresh.iter().find(|(_, other)| same_identity(other, event)).copied();
            match stored.or_else(in_batch) {
                Some((offset, known)) if known == event => appended.push(Some(offset)),
                // An event that the batch repeats is named once.
                Some(_) if events[..place].contains(event) => {}
                Some(_) => drop(reused.insert(place)),
                None => {
                    fresh.push((next, event));
                    appended.push(None);
                }
            }
        }
        let wrong = expectations
            .iter()
            .map(|(order, expected)| (order.clone(), *expected, self.revision(order, usize::MAX)))
            .filter(|(_, expected, actual)| expected != actual);
        let wrong: Vec<_> = wrong.collect();
        if !reused.is_empty() {
            Answer::Reused(reused)
        } else if !fresh.is_empty() && !wrong.is_empty() {
            Answer::WrongRevision(wrong)
        } else {
            Answer::Appended(appended)
        }
    }
}

/// A ledger, its model, and where chance stands.
struct Run {
    disk: SimulatedDisk,
    ledger: Option<Ledger>,
    model: Model,
    random: Random,
    next_id: usize,
}

impl Run {
    fn seeded(seed: u64) -> Self {
        let disk = SimulatedDisk::default().seeded(seed);
        let disk = if seed.is_multiple_of(3) { disk.writing_short() } else { disk };
        let random = Random::seeded(seed);
        let mut run = Self { disk, ledger: None, model: Model::default(), random, next_id: 0 };
        run.reopen();
        run
    }

    fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.ledger = None;
        // So small a tail moves into the views all the time.
        let limits = Limits { tail_entries_max: 16, ..Limits::default() };
        self.ledger = Some(open_with(&self.disk, limits).unwrap());
        assert_eq!(self.ledger().head(), self.model.0.head());
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0 => self.reopen(),
            1 => self.lose_views(),
            2 => self.lose_power(),
            3 => self.lose_power_while_appending(),
            4..=8 => self.ask_timeline(),
            9..=12 => self.ask_outcome(),
            13..=15 => self.ask_replay(),
            _ => self.append(),
        }
    }

    fn order(&mut self) -> &'static str {
        ORDERS[self.random.below(ORDERS.len())]
    }

    /// A new event, or an old one again, or, rarely, an old id for another event.
    fn event(&mut self) -> Event {
        let known = self.model.0.acknowledged.len();
        if known > 0 && self.random.one_in(4) {
            let reach = if self.random.one_in(2) { 5 } else { known };
            let recent = self.random.below(known.min(reach));
            let old = self.model.0.acknowledged[known - 1 - recent].1.clone();
            if self.random.one_in(8) {
                return sized_event(old.correlation_id(), old.event_id(), 7);
            }
            return old;
        }
        self.next_id += 1;
        let length = [1, 40, 600, 4_000][self.random.below(4)];
        sized_event(self.order(), &self.next_id.to_string(), length)
    }

    fn batch(&mut self) -> (Vec<Event>, Vec<(String, u64)>) {
        let mut events: Vec<Event> = (0..=self.random.below(4)).map(|_| self.event()).collect();
        if self.random.one_in(10) {
            events.push(events[0].clone());
        }
        let mut expectations = Vec::new();
        while self.random.one_in(3) {
            let order = self.order();
            let revision = self.model.revision(order, usize::MAX);
            let off = u64::from(self.random.one_in(4));
            expectations.push((order.to_owned(), revision + off));
        }
        (events, expectations)
    }

    fn append(&mut self) {
        let (events, expectations) = self.batch();
        let expected = self.model.answer(&events, &expectations);
        let mut batch = Batch::of(events.iter().cloned());
        for (order, revision) in expectations {
            batch = batch.expect_revision(order, revision);
        }
        let answer = self.ledger().append(batch);
        let said = match &answer {
            Ok(appended) => {
                let offsets = appended.outcomes.iter().map(|outcome| match outcome {
                    Outcome::Appended(_) => None,
                    Outcome::Duplicate(receipt) => Some(receipt.offset),
                    Outcome::DeadLettered(_) => unreachable!("nobody asked for it"),
                });
                Answer::Appended(offsets.collect())
            }
            Err(AppendError::EventIdReused(reused)) => {
                Answer::Reused(reused.iter().map(|one| one.index).collect())
            }
            Err(AppendError::WrongRevision(wrong)) => {
                let one = |one: &order_ledger::WrongRevision| {
                    (one.correlation_id.clone(), one.expected, one.actual)
                };
                Answer::WrongRevision(wrong.iter().map(one).collect())
            }
            Err(AppendError::Invalid(_)) => Answer::Invalid,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(said, expected);
        if answer.is_ok() {
            self.model.0.note(events, answer);
        }
        assert_eq!(self.ledger().head(), self.model.0.head());
    }

    fn ask_timeline(&mut self) {
        let order = self.order();
        let known = self.model.0.acknowledged.len();
        let offset = self.random.below(known + 2);
        let latest = 1_700_000_000_000_000_000
            + i64::try_from(self.random.below(60)).unwrap() * 1_000_000_000;
        let pick = |random: &mut Random| random.one_in(2);
        let as_of = AsOf {
            offset: Some(u64::try_from(offset).unwrap()).filter(|_| pick(&mut self.random)),
            recorded_at_ns: None,
            occurred_at_ns: Some(latest).filter(|_| pick(&mut self.random)),
        };
        let skip = self.random.below(3);
        let query = TimelineQuery { as_of, skip, ..TimelineQuery::of(order) };
        let answer = self.ledger().get_timeline(&query);
        let head = as_of.offset.map_or(known, |offset| usize::try_from(offset).unwrap());
        if head > known {
            assert!(matches!(answer, Err(QueryError::BeyondHead { .. })), "{answer:?}");
            return;
        }
        let timeline = answer.unwrap();
        assert_eq!(timeline.revision, self.model.revision(order, head));
        let below = &self.model.0.acknowledged[..head];
        let time = |(receipt, event): &(Receipt, Event)| {
            let recorded_at = i64::try_from(receipt.recorded_at_ns).unwrap();
            (event.occurred_at_ns().unwrap_or(recorded_at), receipt.offset)
        };
        let of_order = below.iter().filter(|(_, event)| event.correlation_id() == order);
        let mut expected: Vec<_> = of_order
            .filter(|one| as_of.occurred_at_ns.is_none_or(|latest| time(one).0 <= latest))
            .collect();
        expected.sort_by_key(|one| time(one));
        let offsets = expected.iter().skip(skip).map(|(receipt, _)| receipt.offset);
        let rows = timeline.rows.iter().map(|row| row.recorded.offset);
        assert_eq!(rows.collect::<Vec<_>>(), offsets.collect::<Vec<_>>(), "{query:?}");
    }

    fn ask_outcome(&mut self) {
        let event = self.event();
        let known = self.model.0.find(&event).map(|(receipt, _)| *receipt);
        let (order, source, id) = (event.correlation_id(), event.source(), event.event_id());
        let (receipt, basis) = self.ledger().get_append_outcome(order, source, id).unwrap();
        assert_eq!((receipt, basis), (known, self.model.0.head()));
    }

    fn ask_replay(&mut self) {
        let known = self.model.0.acknowledged.len();
        let from = self.random.below(known + 2);
        let answer = replay(self.ledger(), u64::try_from(from).unwrap());
        if from > known {
            assert!(matches!(answer, Err(QueryError::BeyondHead { .. })));
            return;
        }
        let found = History::of(&answer.unwrap());
        assert_eq!(found.acknowledged, self.model.0.acknowledged[from..]);
    }

    fn lose_views(&mut self) {
        self.ledger = None;
        self.disk.erase("views.redb");
        self.reopen();
    }

    fn restart(&mut self) {
        let seed = self.random.next();
        let (sectors, names) = (Sectors::Random, NewNames::Random);
        let after = self.disk.after_power_cut(Strategy { sectors, names, seed });
        self.ledger = None;
        self.disk = after.disk;
    }

    fn lose_power(&mut self) {
        self.restart();
        self.reopen();
    }

    /// The batch is there whole afterwards, or not at all.
    fn lose_power_while_appending(&mut self) {
        let events = vec![self.event(), self.event()];
        let expected = self.model.answer(&events, &[]);
        self.disk.cut_power_after(Track::Main, u64::try_from(self.random.below(3)).unwrap());
        let answer = self.ledger().append(Batch::of(events.iter().cloned()));
        if let (Answer::Appended(_), Ok(_)) = (&expected, &answer) {
            self.model.0.note(events.clone(), answer);
        }
        self.restart();
        let limits = Limits { tail_entries_max: 16, ..Limits::default() };
        let ledger = open_with(&self.disk, limits).unwrap();
        if ledger.head() > self.model.0.head() {
            let found = History::of(&replay(&ledger, 0).unwrap());
            let Answer::Appended(appended) = expected else {
                panic!("{expected:?}, and it is there")
            };
            let fresh = events.iter().zip(appended).filter(|(_, known)| known.is_none());
            let fresh: Vec<_> = fresh.map(|(event, _)| event).collect();
            let known = self.model.0.acknowledged.len();
            let more: Vec<_> = found.acknowledged[known..].iter().map(|(_, event)| event).collect();
            assert_eq!(more, fresh);
            self.model.0 = found;
        }
        drop(ledger);
        self.reopen();
    }
}

#[test]
fn random_operations_are_answered_as_the_model_says() {
    let (seeds, steps) = if long_tests() { (0..200, 1_000) } else { (0..6, 300) };
    for seed in seeds {
        let mut run = Run::seeded(seed);
        for step in 0..steps {
            let _scene = Scene(format!("seed {seed}, step {step}"));
            run.step();
        }
        let _scene = Scene(format!("seed {seed}, at the end"));
        let found = replay(run.ledger(), 0).unwrap();
        check_queries(run.ledger(), &found);
        check(run.ledger(), &run.model.0);
    }
}
