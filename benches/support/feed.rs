//! Events of many orders that are open at a time: typical ones of a warehouse, about 250 bytes and
//! 12 for each order, or whole stories of orders. Does not know how they are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{BufMut as _, Bytes, BytesMut};
use order_ledger::proto::{Line, Location, OrderEvent, PickTaskDetails, Reference, TimePrecision};
use order_ledger::{Batch, Event, Limits};
use prost::Message as _;
use prost::encoding::encode_varint;

/// Events of an order, unless it has a story.
pub(crate) const ORDER_EVENTS: usize = 12;
/// Orders that a caller has open: it tells of each in turn.
pub(crate) const OPEN_ORDERS: u64 = 100;

const TYPES: [&str; ORDER_EVENTS] = [
    "order.created",
    "order.released",
    "allocation.made",
    "wave.assigned",
    "pick.task_created",
    "pick.started",
    "pick.confirmed",
    "pick.confirmed",
    "pack.confirmed",
    "shipment.confirmed",
    "manifest.closed",
    "shipment.delivered",
];
/// An order number of as many digits as all others, to be replaced.
const PLACEHOLDER: &str = "0123456789";

/// The name of an order.
pub(crate) fn order_name(number: u64) -> String {
    format!("erp:prd-100/{number:010}")
}

/// The event of an order at a revision.
pub(crate) fn message(order: &str, revision: usize) -> OrderEvent {
    let attributes = [("device", "rf-gun-0417"), ("shift", "early"), ("zone_pick", "A-12/3")];
    let seconds = 1_767_225_600 + i64::try_from(revision * 1_733).unwrap();
    OrderEvent {
        correlation_id: format!("erp:prd-100/{order}"),
        source: "wms:dc3".into(),
        event_id: format!("task-{order}-{revision:02}"),
        r#type: TYPES[revision].into(),
        occurred_at: Some(prost_types::Timestamp { seconds, nanos: 250_000_000 }),
        occurred_at_precision: TimePrecision::Microsecond.into(),
        lines: vec![Line {
            line_id: "10".into(),
            sku: "SKU-104428".into(),
            quantity: "3".into(),
            unit: "EA".into(),
            bin: "A-12-07-3".into(),
            carton: "C-000184213".into(),
            ..Line::default()
        }],
        refs: vec![Reference {
            r#type: "wave".into(),
            issuer: "wms:dc3".into(),
            value: "W-20260101-07".into(),
            ..Reference::default()
        }],
        location: Some(Location { warehouse: "DC3".into(), ..Location::default() }),
        attributes: attributes.map(|(key, value)| (key.into(), value.into())).into(),
        pick_task: Some(PickTaskDetails { tote_id: "T-00817".into(), ..Default::default() }),
        ..OrderEvent::default()
    }
}

/// Seconds between two orders' stories.
const SECONDS_BETWEEN: u64 = 20;

/// An encoded event, and where the digits of its order and the time stand in it.
#[derive(Debug)]
struct Template {
    body: Vec<u8>,
    places: Vec<usize>,
    /// Where the seconds of `occurred_at` stand, five bytes long, and what they are.
    seconds: Option<(usize, u64)>,
}

impl Template {
    fn of(body: Vec<u8>) -> Self {
        let digits = PLACEHOLDER.as_bytes();
        let found = body.windows(digits.len()).enumerate();
        let places = found.filter(|(_, part)| *part == digits).map(|(at, _)| at).collect();
        Self { body, places, seconds: None }
    }

    /// An event that occurs at another time for each order.
    fn of_story(line: &str) -> Self {
        let event = Event::from_json(line, &Limits::default()).unwrap();
        let body = event.body().to_vec();
        let seconds = u64::try_from(event.occurred_at_ns().unwrap()).unwrap() / 1_000_000_000;
        let mut encoded = Vec::new();
        encode_varint(seconds, &mut encoded);
        let at = body.windows(encoded.len()).position(|part| part == encoded).unwrap();
        Self { seconds: Some((at, seconds)), ..Self::of(body) }
    }

    fn write(&self, out: &mut BytesMut, number: u64) {
        let mut order = number;
        let mut digits = [b'0'; PLACEHOLDER.len()];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(order % 10).unwrap();
            order /= 10;
        }
        let begin = out.len();
        out.put_slice(&self.body);
        for place in &self.places {
            out[begin + place..][..digits.len()].copy_from_slice(&digits);
        }
        if let Some((at, seconds)) = self.seconds {
            encode_varint(seconds + number * SECONDS_BETWEEN, &mut &mut out[begin + at..]);
        }
    }
}

/// What happens to orders, event by event; all stories are of one length.
#[derive(Clone, Debug)]
pub(crate) struct Stories(Arc<[Vec<Template>]>);

impl Stories {
    /// A pick of three pieces, told in many steps.
    pub(crate) fn picking() -> Self {
        let template = |revision| Template::of(message(PLACEHOLDER, revision).encode_to_vec());
        Self([(0..ORDER_EVENTS).map(template).collect()].into())
    }

    /// Of ten orders six are delivered and billed, two are under way, one is short of an article
    /// and one is held; see `stories.ndjson`.
    pub(crate) fn of_a_distributor() -> Self {
        let stories: Vec<&str> = include_str!("stories.ndjson").split("\n\n").collect();
        let story =
            |which: usize| stories[which].lines().map(Template::of_story).collect::<Vec<_>>();
        Self([0, 1, 0, 3, 0, 0, 2, 0, 3, 0].into_iter().map(story).collect())
    }

    /// Events of an order.
    pub(crate) fn len(&self) -> u64 {
        self.0[0].len() as u64
    }

    fn template(&self, order: u64, revision: usize) -> &Template {
        let story = usize::try_from(order % self.0.len() as u64).unwrap();
        &self.0[story][revision]
    }

    /// Bytes of an event, on average.
    pub(crate) fn mean_len(&self) -> f64 {
        let bodies = self.0.iter().flatten().map(|template| template.body.len());
        bodies.clone().sum::<usize>() as f64 / bodies.count() as f64
    }
}

/// Endless events of a caller's own orders; no two feeds of one [`Orders`] share an order.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    orders: Orders,
    stories: Stories,
    /// Orders that are open together.
    open: u64,
    base: u64,
    /// Events of the open orders so far.
    told: u64,
}

/// Hands out order numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders(Arc<AtomicU64>);

impl Orders {
    /// A feed with so many orders open at a time.
    pub(crate) fn feed(&self, open: u64) -> Feed {
        self.feed_of(Stories::picking(), open)
    }

    /// The same, with stories.
    pub(crate) fn feed_of(&self, stories: Stories, open: u64) -> Feed {
        let base = self.0.fetch_add(open, Ordering::Relaxed);
        Feed { orders: self.clone(), stories, open, base, told: 0 }
    }

    /// How many order numbers were handed out.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Feed {
    fn advance(&mut self) -> (u64, usize) {
        if self.told == self.open * self.stories.len() {
            self.base = self.orders.0.fetch_add(self.open, Ordering::Relaxed);
            self.told = 0;
        }
        let revision = usize::try_from(self.told / self.open).unwrap();
        let order = self.base + self.told % self.open;
        self.told += 1;
        (order, revision)
    }

    /// The next event as a message.
    pub(crate) fn message(&mut self) -> OrderEvent {
        let (order, revision) = self.advance();
        message(&format!("{order:010}"), revision)
    }

    /// Writes the next event, encoded, with a length before it when it is a field of a message.
    fn put(&mut self, out: &mut BytesMut, field: Option<u8>) {
        let (order, revision) = self.advance();
        let template = self.stories.template(order, revision);
        if let Some(field) = field {
            out.put_u8((field << 3) | 2);
            encode_varint(template.body.len() as u64, out);
        }
        template.write(out, order);
    }

    /// The next events as an encoded `AppendRequest`.
    pub(crate) fn request(&mut self, count: usize) -> Bytes {
        let mut request = BytesMut::with_capacity(count * 280);
        for _ in 0..count {
            self.put(&mut request, Some(1));
        }
        request.freeze()
    }

    /// The next events as they came to a process that embeds the ledger: encoded, each in a buffer
    /// of its own.
    pub(crate) fn bodies(&mut self, count: usize) -> Vec<Bytes> {
        let body = |feed: &mut Self| {
            let mut body = BytesMut::with_capacity(280);
            feed.put(&mut body, None);
            body.freeze()
        };
        (0..count).map(|_| body(self)).collect()
    }

    /// The next events as a batch, parsed and validated.
    pub(crate) fn batch(&mut self, count: usize) -> Batch {
        let limits = Limits::default();
        Batch::of(self.bodies(count).into_iter().map(|body| Event::parse(body, &limits).unwrap()))
    }
}
