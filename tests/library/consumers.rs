//! The law of consumers, checked against a model while members come, answer well or badly, die, and
//! the process dies under them: nothing is lost, nothing comes out of order, and what was stored
//! does not come again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use order_ledger::proto::{
    ConsumeClosedReason, ConsumeRequest, ConsumerPosition, ConsumerSettings, EventFilter,
    ListParkedRequest, OrderEvent, ParkDelivery, ParkedFilter, ReplayParkedRequest,
    SkipParkedRequest,
};
use order_ledger::{
    Batch, Consumers, Delivered, Event, Ledger, Member, Options, Outcome, Start, Told,
};

use super::random::Random;

const CONSUMER: &str = "model";
const ORDERS: usize = 12;
const STEPS: usize = 150;
/// No test may take longer.
const TEST_TIME_MAX: Duration = Duration::from_secs(120);
/// How long a member is listened to when it says nothing.
const SILENCE: Duration = Duration::from_millis(3);

/// Where a consumer stands by the log.
#[derive(Debug, Default)]
struct Position {
    scanned_to: u64,
    outstanding: Vec<u64>,
}

/// What may and must be delivered.
#[derive(Debug, Default)]
struct Law {
    /// The wanted events of each order, by offset.
    orders: BTreeMap<String, Vec<u64>>,
    order_of: BTreeMap<u64, String>,
    acked: BTreeSet<u64>,
    skipped: BTreeSet<u64>,
    /// Acknowledged, and not stored when the process died: these may come again.
    forgotten: BTreeSet<u64>,
    /// What live members have not answered, where time is never over.
    held: BTreeMap<u64, usize>,
    /// Whether answers may come too late.
    hurried: bool,
}

impl Law {
    fn is_done(&self, offset: u64) -> bool {
        self.acked.contains(&offset) || self.skipped.contains(&offset)
    }

    fn delivered(&mut self, offset: u64, member: usize) {
        let order = self.order_of.get(&offset);
        let order = order.unwrap_or_else(|| panic!("{offset} is not wanted")).clone();
        for earlier in self.orders[&order].iter().take_while(|earlier| **earlier < offset) {
            assert!(self.is_done(*earlier), "{offset} of {order} before {earlier}");
        }
        // What a member has not looked at yet may have gone another way meanwhile.
        if self.hurried {
            return;
        }
        assert!(!self.skipped.contains(&offset), "{offset} was skipped");
        if self.acked.contains(&offset) {
            assert!(self.forgotten.contains(&offset), "{offset} comes again");
        }
        let same = |held: &&u64| self.order_of[*held] == order;
        assert_eq!(self.held.keys().find(same), None, "{order} is with two members at once");
        self.held.insert(offset, member);
    }

    /// What an acknowledged position in the log says is done does not come again.
    fn died(&mut self, position: &Position) {
        self.held.clear();
        for (order, offsets) in &self.orders {
            let stands_at = position.outstanding.iter().find(|at| self.order_of[*at] == *order);
            let done_to = stands_at.copied().unwrap_or(position.scanned_to);
            let of_acked = offsets.iter().filter(|offset| self.acked.contains(offset));
            self.forgotten.extend(of_acked.filter(|offset| **offset >= done_to));
        }
    }

    fn left(&mut self, member: usize) {
        self.held.retain(|_, holder| *holder != member);
    }
}

/// A ledger with a consumer, those who work for it, and what must hold.
struct World {
    ledger: Option<Arc<Ledger>>,
    consumers: Option<Consumers>,
    members: BTreeMap<usize, Member>,
    next: usize,
    law: Law,
    random: Random,
}

fn open(folder: &Path) -> Arc<Ledger> {
    let options = Options { segment_bytes: 256 * 1024, ..Options::default() };
    Arc::new(Ledger::open(folder, options).unwrap())
}

fn settings(hurried: bool) -> ConsumerSettings {
    let millis = |millis| prost_types::Duration { seconds: 0, nanos: millis * 1_000_000 };
    let day = prost_types::Duration { seconds: 86_400, nanos: 0 };
    ConsumerSettings {
        name: CONSUMER.into(),
        filters: vec![EventFilter { types: vec!["pick.*".into()], ..EventFilter::default() }],
        ack_timeout: Some(if hurried { millis(100) } else { day }),
        attempts_max: 3,
        retry_delay_min: Some(millis(1)),
        retry_delay_max: Some(millis(4)),
        outstanding_max: 6,
        ..ConsumerSettings::default()
    }
}

impl World {
    fn ledger(&self) -> &Arc<Ledger> {
        self.ledger.as_ref().unwrap()
    }

    fn consumers(&self) -> &Consumers {
        self.consumers.as_ref().unwrap()
    }

    fn append(&mut self) {
        for _ in 0..=self.random.below(8) {
            // One order is busier than a consumer remembers.
            let order = if self.random.one_in(3) { 0 } else { self.random.below(ORDERS) };
            let order = format!("erp/{order}");
            let kind = if self.random.one_in(4) { "hold.placed" } else { "pick.confirmed" };
            let times = if self.random.one_in(12) { 100 } else { 1 };
            let events = (0..times).map(|_| {
                self.next += 1;
                let event = OrderEvent {
                    correlation_id: order.clone(),
                    source: "wms".into(),
                    event_id: self.next.to_string(),
                    r#type: kind.into(),
                    ..OrderEvent::default()
                };
                Event::new(&event).unwrap()
            });
            let batch = Batch::of(events.collect::<Vec<_>>());
            for outcome in self.ledger().append(batch).unwrap().outcomes {
                let Outcome::Appended(receipt) = outcome else { panic!("{outcome:?}") };
                if kind == "pick.confirmed" {
                    self.law.orders.entry(order.clone()).or_default().push(receipt.offset);
                    self.law.order_of.insert(receipt.offset, order.clone());
                }
            }
        }
    }

    async fn join(&mut self) {
        if self.members.len() < 4 {
            let member = self.consumers().join(CONSUMER, "somebody").await.unwrap();
            member.voice().grant(1 + i32::try_from(self.random.below(5)).unwrap()).await;
            self.next += 1;
            self.members.insert(self.next, member);
        }
    }

    /// A member ends in order; all that it answered is stored then.
    async fn leave(&mut self, id: usize) {
        let mut member = self.members.remove(&id).unwrap();
        member.voice().leave();
        while !matches!(member.next().await.unwrap(), None | Some(Told::Closed(_))) {}
        self.law.left(id);
    }

    fn dies(&mut self, id: usize) {
        drop(self.members.remove(&id));
        self.law.left(id);
    }

    /// Takes what members are told, and has them answer; well, where `well` is set.
    async fn work(&mut self, well: bool) {
        let ids: Vec<usize> = self.members.keys().copied().collect();
        for id in ids {
            let mut told = Vec::new();
            let member = self.members.get_mut(&id).unwrap();
            while let Ok(next) = tokio::time::timeout(SILENCE, member.next()).await {
                told.push(next.unwrap().unwrap());
            }
            for told in told {
                match told {
                    Told::Deliveries(delivered) => {
                        for one in delivered {
                            self.answer(id, &one, well).await;
                        }
                    }
                    Told::Refused(refused) => assert!(self.law.hurried, "{refused:?}"),
                    Told::Joined { .. } | Told::Progress(_) => {}
                    Told::Closed(reason) => panic!("{reason:?}"),
                }
            }
        }
    }

    async fn answer(&mut self, id: usize, one: &Delivered, well: bool) {
        let offset = one.recorded.offset;
        eprintln!(
            "  {offset} {} to {id} attempt {}",
            one.recorded.event.correlation_id(),
            one.attempt
        );
        self.law.delivered(offset, id);
        let choice = if well { 0 } else { self.random.below(12) };
        let voice = self.members[&id].voice().clone();
        match choice {
            0..=6 => {
                self.law.acked.insert(offset);
                self.law.held.remove(&offset);
                voice.ack(offset).await;
            }
            7..=8 => {
                self.law.held.remove(&offset);
                voice.nack(offset, "busy").await;
            }
            9 => {
                self.law.held.remove(&offset);
                voice.park(offset, "poison").await;
            }
            // It keeps the order for itself, as long as it may.
            _ => {}
        }
        voice.grant(1).await;
    }

    async fn parked(&self) -> Vec<(String, u64)> {
        let request = ListParkedRequest { page_size: 1_000, ..ListParkedRequest::default() };
        let listed = self.consumers().list_parked(&request).await.unwrap();
        let parked = listed.orders.into_iter().map(|order| order.parked.unwrap());
        parked.map(|parked| (parked.correlation_id, parked.offset)).collect()
    }

    fn one(order: &str) -> ParkedFilter {
        let correlation_ids = vec![order.to_owned()];
        ParkedFilter { correlation_ids, ..ParkedFilter::default() }
    }

    async fn replay_or_skip(&mut self) {
        let parked = self.parked().await;
        let Some((order, offset)) = parked.get(self.random.below(parked.len())) else { return };
        let (consumer, filter) = (CONSUMER.to_owned(), Some(Self::one(order)));
        if self.random.one_in(2) {
            let request = ReplayParkedRequest { consumer, filter, ..Default::default() };
            assert_eq!(self.consumers().replay_parked(&request).await.unwrap().order_count, 1);
            return;
        }
        let request = SkipParkedRequest {
            consumer,
            filter,
            actor: "operator".into(),
            reason: "known".into(),
            ..Default::default()
        };
        assert_eq!(self.consumers().skip_parked(&request).await.unwrap().event_count, 1);
        self.law.skipped.insert(*offset);
    }

    /// Members end when the consumer is moved, in the midst of their work; what they say after that
    /// is not heard.
    async fn reset(&mut self) {
        let to = self.random.next() % (self.ledger().head() + 1);
        let reset = self.consumers().reset(CONSUMER, Start::Offset(to), ("operator", "test"));
        reset.await.unwrap();
        for (_, mut member) in std::mem::take(&mut self.members) {
            let mut told = member.next().await.unwrap();
            while told.as_ref().is_some_and(|told| !matches!(told, Told::Closed(_))) {
                told = member.next().await.unwrap();
            }
            assert_eq!(told, Some(Told::Closed(ConsumeClosedReason::Reset)));
        }
        self.law.held.clear();
        let parked: BTreeMap<String, u64> = self.parked().await.into_iter().collect();
        for (&offset, order) in &self.law.order_of {
            if offset >= to {
                self.law.acked.remove(&offset);
                self.law.skipped.remove(&offset);
            } else if parked.get(order).is_none_or(|at| *at > offset) {
                self.law.skipped.insert(offset);
            }
        }
        self.law.skipped = &self.law.skipped - &self.law.acked;
    }

    /// The process dies: nobody can store anything any more.
    async fn die(&mut self, folder: &Path) {
        drop(self.consumers.take());
        self.members.clear();
        let ledger = self.ledger.take().unwrap();
        // Tasks end a moment after they are told to.
        while Arc::strong_count(&ledger) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let position = last_position(&ledger);
        self.law.died(&position);
        drop(ledger);
        let ledger = open(folder);
        self.consumers = Some(Consumers::open(Arc::clone(&ledger)).await.unwrap());
        self.ledger = Some(ledger);
    }

    /// In the end everything is acknowledged, or skipped by somebody.
    async fn finish(&mut self) {
        let ids: Vec<usize> = self.members.keys().copied().collect();
        for id in ids {
            self.dies(id);
        }
        self.join().await;
        loop {
            let consumer = CONSUMER.to_owned();
            let request = ReplayParkedRequest { consumer, ..Default::default() };
            self.consumers().replay_parked(&request).await.unwrap();
            self.work(true).await;
            let report = self.consumers().get(CONSUMER).await.unwrap();
            if report.acknowledged_to == report.head && report.parked == 0 {
                break;
            }
        }
        for (offset, order) in &self.law.order_of {
            assert!(self.law.is_done(*offset), "{offset} of {order} is lost");
        }
    }
}

/// A position with offsets in place of steps.
fn unfolded(told: &ConsumerPosition) -> Position {
    let mut at = 0;
    let steps = told.outstanding_steps.iter();
    let outstanding = steps.map(|step| {
        at += step;
        at
    });
    Position { scanned_to: told.scanned_to, outstanding: outstanding.collect() }
}

/// Where the consumer stands by the log, as anybody can read it there: at its last position, and at
/// what was decided about orders since.
fn last_position(ledger: &Ledger) -> Position {
    let mut replay = ledger.replay(0).unwrap().with_ledger_entries();
    let (mut position, mut parked) = (Position::default(), BTreeMap::new());
    loop {
        let chunk = replay.next_chunk().unwrap();
        if chunk.is_empty() {
            position.outstanding.retain(|offset| *offset < position.scanned_to);
            return position;
        }
        for recorded in chunk.events().unwrap() {
            let Some(entry) = recorded.event.message().ledger_entry else { continue };
            match recorded.event.event_type() {
                "consumer.order_parked" => {
                    let at = entry.parked.unwrap();
                    position.outstanding.retain(|offset| *offset != at.offset);
                    parked.insert(at.correlation_id, at.offset);
                }
                "consumer.order_replayed" => {
                    position.outstanding.extend(parked.remove(&entry.correlation_id));
                }
                "consumer.order_skipped" => {
                    let skipped = entry.skipped.unwrap();
                    parked.remove(&skipped.correlation_id);
                    position.outstanding.push(skipped.to_offset);
                }
                _ => position = unfolded(&entry.position.unwrap()),
            }
        }
    }
}

fn run(seed: u64, hurried: bool) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let test = async {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        let consumers = Consumers::open(Arc::clone(&ledger)).await.unwrap();
        consumers.create(settings(hurried), Start::Head, "model").await.unwrap();
        let mut world = World {
            ledger: Some(ledger),
            consumers: Some(consumers),
            members: BTreeMap::new(),
            next: 0,
            law: Law { hurried, ..Law::default() },
            random: Random::seeded(seed),
        };
        for _ in 0..STEPS {
            let member = world.members.keys().next().copied();
            match (world.random.below(40), member) {
                (0..=9, _) => world.append(),
                (10..=13, _) => world.join().await,
                (14, Some(id)) => world.leave(id).await,
                (15, Some(id)) => world.dies(id),
                (16..=17, _) => world.replay_or_skip().await,
                (18, _) => world.reset().await,
                (19, _) => world.die(folder.path()).await,
                (20, _) if hurried => tokio::time::sleep(Duration::from_millis(120)).await,
                _ => world.work(false).await,
            }
        }
        world.finish().await;
        world.consumers().close().await;
    };
    let ended = runtime.block_on(async { tokio::time::timeout(TEST_TIME_MAX, test).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    assert!(ended.is_ok(), "seed {seed} did not end");
}

/// An acknowledgement and a decision about another order in one message: what the decision stores
/// is where the consumer stands behind the acknowledgement. Seen red with a decision that is
/// written before the order's next event was sought.
#[test]
fn what_was_acknowledged_before_an_order_was_parked_does_not_come_again() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let test = async {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        let events = [("erp/1", "1"), ("erp/2", "1"), ("erp/1", "2")];
        let events = events.map(|(order, id)| super::support::event(order, id));
        ledger.append(Batch::of(events)).unwrap();
        for round in 0..3 {
            let consumers = Consumers::open(Arc::clone(&ledger)).await.unwrap();
            if round == 0 {
                consumers.create(settings(false), Start::Offset(0), "test").await.unwrap();
            }
            let mut member = consumers.join(CONSUMER, "worker").await.unwrap();
            member.voice().grant(2).await;
            let mut offsets = BTreeSet::new();
            while offsets.len() < if round < 2 { 2 } else { 1 } {
                if let Some(Told::Deliveries(delivered)) = member.next().await.unwrap() {
                    offsets.extend(delivered.iter().map(|one| one.recorded.offset));
                }
            }
            match round {
                // The next process finds in the log alone what is behind each.
                0 => consumers.close().await,
                1 => {
                    assert_eq!(offsets, [0, 1].into());
                    let parks = vec![ParkDelivery { offset: 1, reason: "poison".into() }];
                    let both = ConsumeRequest { acks: vec![0], parks, ..Default::default() };
                    member.voice().say(both).await;
                    while consumers.get(CONSUMER).await.unwrap().parked == 0 {}
                    // It dies: nothing more is stored.
                }
                _ => assert_eq!(offsets, [2].into(), "the first one was acknowledged"),
            }
        }
    };
    let ended = runtime.block_on(async { tokio::time::timeout(TEST_TIME_MAX, test).await });
    assert!(ended.is_ok(), "it did not end");
}

/// Its credit is not used up by what it was not told of.
#[test]
fn a_member_that_slept_beyond_its_time_is_delivered_all_the_same() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let test = async {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path());
        let events = (0..10).map(|id| super::support::event(&format!("erp/{id}"), "1"));
        ledger.append(Batch::of(events)).unwrap();
        let consumers = Consumers::open(Arc::clone(&ledger)).await.unwrap();
        consumers.create(settings(true), Start::Offset(0), "test").await.unwrap();
        let mut member = consumers.join(CONSUMER, "sleeper").await.unwrap();
        member.voice().grant(3).await;
        // Much longer than the time for an answer.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut done = BTreeSet::new();
        while done.len() < 10 {
            if let Some(Told::Deliveries(delivered)) = member.next().await.unwrap() {
                for one in delivered {
                    assert_eq!(one.attempt, 1, "it was told of nothing before");
                    done.insert(one.recorded.offset);
                    member.voice().ack(one.recorded.offset).await;
                    member.voice().grant(1).await;
                }
            }
        }
        consumers.close().await;
    };
    let ended = runtime.block_on(async { tokio::time::timeout(TEST_TIME_MAX, test).await });
    assert!(ended.is_ok(), "the member was delivered nothing more");
}

/// How often a test is run; more where time is no matter.
fn seeds() -> u64 {
    if super::workload::long_tests() { 40 } else { 4 }
}

/// Seen red with orders that are parked without the position beside it: after a crash they stood
/// where they were stored last, and were delivered although parked.
#[test]
fn the_law_holds_whoever_dies() {
    for seed in 0..seeds() {
        run(seed, false);
    }
}

#[test]
fn the_law_holds_where_time_is_short() {
    for seed in 100..100 + seeds() {
        run(seed, true);
    }
}
