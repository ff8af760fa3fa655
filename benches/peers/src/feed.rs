//! Events of orders, the same for every peer: an order has twelve events of thirty types in all.
//! Does not know how a peer stores them.
//!
//! What a peer keeps in a field of its own (the order, the type, the id) is left out of the body
//! that it gets, so that every peer is given the same information once.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use order_ledger::proto::{Line, Location, OrderEvent, PickTaskDetails, Reference, TimePrecision};
use prost::Message as _;

/// Events of an order.
pub(crate) const ORDER_EVENTS: u64 = 12;
/// Two of sixty events are of this type: one of thirty.
pub(crate) const SOUGHT_TYPE: &str = "shipment.delivered";
/// One event of so many is of that type.
pub(crate) const TYPES: u64 = 30;

const STORIES: [[&str; 12]; 5] = [
    [
        "order.created",
        "order.released",
        "allocation.made",
        "wave.assigned",
        "pick.task_created",
        "pick.started",
        "pick.confirmed",
        "pack.confirmed",
        "label.created",
        "shipment.confirmed",
        "manifest.closed",
        SOUGHT_TYPE,
    ],
    [
        "order.created",
        "order.accepted",
        "order.released",
        "allocation.made",
        "wave.released",
        "pick.started",
        "pick.confirmed",
        "carton.closed",
        "staged",
        "shipment.confirmed",
        "carrier.picked_up",
        SOUGHT_TYPE,
    ],
    [
        "order.created",
        "order.promised",
        "order.released",
        "warehouse.acknowledged",
        "allocation.made",
        "pick.task_created",
        "pick.confirmed",
        "pack.confirmed",
        "loaded",
        "shipment.confirmed",
        "transit.scanned",
        "out_for_delivery",
    ],
    [
        "order.created",
        "order.released",
        "allocation.made",
        "wave.assigned",
        "pick.confirmed",
        "quality.checked",
        "pack.confirmed",
        "shipment.planned",
        "shipment.confirmed",
        "dispatch.proofed",
        "eta.updated",
        "delivery.received",
    ],
    [
        "order.created",
        "order.released",
        "warehouse.acknowledged",
        "allocation.made",
        "wave.assigned",
        "pick.confirmed",
        "pack.confirmed",
        "label.created",
        "shipment.confirmed",
        "goods_issue.posted",
        "invoice.posted",
        "order.closed",
    ],
];

/// Stands for the number of the order.
const ORDER_DIGITS: &str = "0123456789";
/// Stands for digits that differ from event to event, as real numbers do.
const OTHER_DIGITS: &str = "9876543210";

/// Which fields a peer has of its own, and so are not in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// None: the body is the whole event.
    Whole,
    /// Order and type.
    Tagged,
    /// Order, type and id.
    Columns,
}

/// One event of an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) order: u64,
    /// Events that the order had before.
    pub(crate) revision: u64,
}

impl Told {
    pub(crate) fn kind(self) -> &'static str {
        STORIES[story(self.order)][usize::try_from(self.revision).unwrap()]
    }

    pub(crate) fn order_name(self) -> String {
        order_name(self.order)
    }

    pub(crate) fn event_id(self) -> String {
        format!("task-{:010}-{:02}", self.order, self.revision)
    }
}

/// The name of an order.
pub(crate) fn order_name(number: u64) -> String {
    format!("erp:prd-100/{number:010}")
}

fn story(order: u64) -> usize {
    usize::try_from(order % STORIES.len() as u64).unwrap()
}

/// The event of a story at a revision, with attributes until it is about as long as wanted.
fn message(story: usize, revision: usize, event_bytes: u32) -> OrderEvent {
    let seconds = 1_767_225_600 + i64::try_from(revision * 1_733).unwrap();
    let mut event = OrderEvent {
        correlation_id: format!("erp:prd-100/{ORDER_DIGITS}"),
        source: "wms:dc3".into(),
        event_id: format!("task-{ORDER_DIGITS}-{revision:02}"),
        r#type: STORIES[story][revision].into(),
        occurred_at: Some(prost_types::Timestamp { seconds, nanos: 250_000_000 }),
        occurred_at_precision: TimePrecision::Microsecond.into(),
        lines: vec![Line {
            line_id: "10".into(),
            sku: "SKU-104428".into(),
            quantity: "3".into(),
            unit: "EA".into(),
            bin: "A-12-07-3".into(),
            carton: format!("C-{OTHER_DIGITS}"),
            ..Line::default()
        }],
        refs: vec![Reference {
            r#type: "wave".into(),
            issuer: "wms:dc3".into(),
            value: "W-20260101-07".into(),
            ..Reference::default()
        }],
        location: Some(Location { warehouse: "DC3".into(), ..Location::default() }),
        attributes: [("device", "rf-gun-0417"), ("shift", "early")]
            .map(|(key, value)| (key.into(), value.into()))
            .into(),
        pick_task: Some(PickTaskDetails { tote_id: "T-00817".into(), ..Default::default() }),
        ..OrderEvent::default()
    };
    let wanted = usize::try_from(event_bytes).unwrap();
    for number in 0.. {
        let rest = wanted.saturating_sub(event.encoded_len());
        if rest < 24 {
            break;
        }
        let value = format!("dock {number} {OTHER_DIGITS} zone pick A-12/3");
        let value = value.chars().take(rest.saturating_sub(15)).collect();
        event.attributes.insert(format!("field_{number:03}"), value);
    }
    event
}

/// An encoded event, and where digits stand in it.
#[derive(Debug)]
struct Template {
    body: Vec<u8>,
    order_places: Vec<usize>,
    other_places: Vec<usize>,
}

impl Template {
    fn of(event: &OrderEvent) -> Self {
        let body = event.encode_to_vec();
        let places = |digits: &str| {
            let found = body.windows(digits.len()).enumerate();
            found.filter(|(_, part)| *part == digits.as_bytes()).map(|(at, _)| at).collect()
        };
        Self { order_places: places(ORDER_DIGITS), other_places: places(OTHER_DIGITS), body }
    }

    fn write(&self, told: Told, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.body);
        let order = digits_of(told.order);
        for place in &self.order_places {
            out[begin + place..][..order.len()].copy_from_slice(&order);
        }
        let mut noise = told.order * ORDER_EVENTS + told.revision;
        for place in &self.other_places {
            noise = scrambled(noise);
            let digits = digits_of(noise % 10_000_000_000);
            out[begin + place..][..digits.len()].copy_from_slice(&digits);
        }
    }
}

fn digits_of(mut number: u64) -> [u8; ORDER_DIGITS.len()] {
    let mut digits = [b'0'; ORDER_DIGITS.len()];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap();
        number /= 10;
    }
    digits
}

/// Splitmix64: a number that looks like chance, the same for the same number.
pub(crate) fn scrambled(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The bodies of all events in one shape.
#[derive(Clone, Debug)]
pub(crate) struct Bodies(Arc<Vec<Vec<Template>>>);

impl Bodies {
    pub(crate) fn new(shape: Shape, event_bytes: u32) -> Self {
        let template = |story, revision| {
            let mut event = message(story, revision, event_bytes);
            if shape != Shape::Whole {
                event.correlation_id.clear();
                event.r#type.clear();
            }
            if shape == Shape::Columns {
                event.event_id.clear();
            }
            Template::of(&event)
        };
        let story = |story| (0..STORIES[0].len()).map(|at| template(story, at)).collect();
        Self(Arc::new((0..STORIES.len()).map(story).collect()))
    }

    fn template(&self, told: Told) -> &Template {
        &self.0[story(told.order)][usize::try_from(told.revision).unwrap()]
    }

    pub(crate) fn len(&self, told: Told) -> usize {
        self.template(told).body.len()
    }

    pub(crate) fn write(&self, told: Told, out: &mut Vec<u8>) {
        self.template(told).write(told, out);
    }

    pub(crate) fn vec(&self, told: Told) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.len(told));
        self.write(told, &mut body);
        body
    }

    pub(crate) fn bytes(&self, told: Told) -> Bytes {
        self.vec(told).into()
    }

    /// Bytes of an event, on average.
    pub(crate) fn mean_len(&self) -> f64 {
        let bodies = self.0.iter().flatten().map(|template| template.body.len());
        bodies.clone().sum::<usize>() as f64 / bodies.count() as f64
    }
}

/// Hands out order numbers, and knows which were told to their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    next: Arc<AtomicU64>,
    complete: Arc<Mutex<Vec<Range<u64>>>>,
}

impl Orders {
    /// Endless events of so many orders at a time.
    pub(crate) fn feed(&self, open: u64) -> Feed {
        let base = self.next.fetch_add(open, Ordering::Relaxed);
        let positions = vec![0; usize::try_from(open).unwrap()];
        Feed { orders: self.clone(), open, base, told: 0, positions }
    }

    /// Ranges of orders whose events are all stored, for readers.
    pub(crate) fn complete(&self) -> Vec<Range<u64>> {
        self.complete.lock().unwrap().clone()
    }
}

/// Endless events of a caller's own orders; no two feeds of one [`Orders`] share an order.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    orders: Orders,
    open: u64,
    base: u64,
    told: u64,
    /// Where the last event of each open order stands in the peer, 0 where it has none.
    positions: Vec<u64>,
}

impl Feed {
    /// The next event: the orders in turn, each with one event more.
    pub(crate) fn next(&mut self) -> Told {
        if self.told == self.open * ORDER_EVENTS {
            self.base = self.orders.next.fetch_add(self.open, Ordering::Relaxed);
            self.told = 0;
            self.positions.fill(0);
        }
        let told =
            Told { order: self.base + self.told % self.open, revision: self.told / self.open };
        self.told += 1;
        told
    }

    /// Events until other orders are told of.
    pub(crate) fn rest(&self) -> u64 {
        let all = self.open * ORDER_EVENTS;
        if self.told == all { all } else { all - self.told }
    }

    /// Says that the orders that were told of last are told to their end, and stored.
    pub(crate) fn complete(&self) {
        if self.told == self.open * ORDER_EVENTS {
            let orders = self.base..self.base + self.open;
            self.orders.complete.lock().unwrap().push(orders);
        }
    }

    fn slot(&self, told: Told) -> usize {
        usize::try_from(told.order % self.open).unwrap()
    }

    pub(crate) fn position(&self, told: Told) -> u64 {
        self.positions[self.slot(told)]
    }

    pub(crate) fn set_position(&mut self, told: Told, position: u64) {
        let slot = self.slot(told);
        self.positions[slot] = position;
    }
}
