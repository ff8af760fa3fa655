//! Arrival: when the events of orders in flight are heard of: most at once, some late behind newer
//! ones, some twice. Orders begin as simulated time goes on, so only those in flight are held.
//! Does not know what an event says.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use prost::Message as _;

use super::clock::{DAY, HOUR, MINUTE, SECOND, START};
use super::odds;
use super::order::{Order, Told};
use super::process::Stage;
use super::random::Random;
use super::{Demo, clock};
use crate::proto::OrderEvent;

/// All orders are entered within this time, ...
const SEASON: i64 = 90 * DAY;
/// ... and a small number of them faster than that: one after so long, on average.
const PACE_MAX: i64 = 90 * SECOND;

/// The events of a demo, by their arrival.
pub(super) struct Arrivals {
    seed: u64,
    random: Random,
    pace: i64,
    entered: u64,
    orders: u64,
    agenda: BinaryHeap<Reverse<Due>>,
    scheduled: u64,
}

/// What is to happen at a time; of what is due at one time, that which was scheduled first.
struct Due {
    at: i64,
    scheduled: u64,
    what: What,
}

enum What {
    /// The next order is entered.
    Entry,
    /// An order goes on.
    Work(Stage, Box<Order>),
    /// An event is heard of. It waits in its encoded form, which is a tenth of its size.
    Arrival(Box<[u8]>),
}

impl Arrivals {
    pub(super) fn of(demo: &Demo) -> Self {
        let orders = i64::try_from(demo.orders).unwrap_or(i64::MAX);
        let mut arrivals = Self {
            seed: demo.seed,
            random: Random::named(demo.seed, "entry"),
            pace: (SEASON / orders.max(1)).min(PACE_MAX),
            entered: 0,
            orders: demo.orders,
            agenda: BinaryHeap::new(),
            scheduled: 0,
        };
        if arrivals.orders > 0 {
            arrivals.schedule(START, What::Entry);
        }
        arrivals
    }

    fn schedule(&mut self, at: i64, what: What) {
        self.scheduled += 1;
        self.agenda.push(Reverse(Due { at, scheduled: self.scheduled, what }));
    }

    fn enter(&mut self, at: i64) {
        let order = Box::new(Order::entered(self.seed, self.entered, at));
        self.schedule(at, What::Work(Stage::Entry, order));
        self.entered += 1;
        if self.entered < self.orders {
            let gap = self.random.between(0, 2 * self.pace);
            self.schedule(at + gap, What::Entry);
        }
    }

    fn work(&mut self, stage: Stage, mut order: Box<Order>) {
        let next = stage.run(&mut order);
        for told in order.take_told() {
            self.send(&told);
        }
        if let Some(stage) = next {
            self.schedule(order.now, What::Work(stage, order));
        }
    }

    /// A fact shared by several orders is on its way once: its events arrive together.
    fn send(&mut self, told: &Told) {
        let event = &told.event;
        let name = if event.fact_id.is_empty() {
            format!("{} {} {}", event.correlation_id, event.source, event.event_id)
        } else {
            format!("{} {}", event.source, event.fact_id)
        };
        let mut way = Random::named(self.seed, &name);
        let delay = if way.happens(odds::STRAGGLES) {
            straggling(&mut way)
        } else {
            way.between(told.system.delay / 5, told.system.delay)
        };
        let encoded = event.encode_to_vec().into_boxed_slice();
        if way.happens(odds::COMES_TWICE) {
            let again = told.at + delay + way.between(MINUTE, clock::DAY);
            self.schedule(again, What::Arrival(encoded.clone()));
        }
        self.schedule(told.at + delay, What::Arrival(encoded));
    }
}

/// Most wait for a retry or a batch, some for the next day.
fn straggling(way: &mut Random) -> i64 {
    if way.happens(odds::STRAGGLES_LONG) {
        way.between(5 * HOUR, DAY)
    } else {
        way.between(20 * MINUTE, 5 * HOUR)
    }
}

impl Iterator for Arrivals {
    type Item = OrderEvent;

    fn next(&mut self) -> Option<OrderEvent> {
        loop {
            let Reverse(due) = self.agenda.pop()?;
            match due.what {
                What::Entry => self.enter(due.at),
                What::Work(stage, order) => self.work(stage, order),
                What::Arrival(encoded) => return OrderEvent::decode(&*encoded).ok(),
            }
        }
    }
}

impl Due {
    fn key(&self) -> (i64, u64) {
        (self.at, self.scheduled)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}
