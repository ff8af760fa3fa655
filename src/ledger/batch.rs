//! A batch: what one caller appends, all of it or nothing. Prepared on the caller's thread, so that
//! the writer only has to decide. Does not know what is in the ledger.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::error::{AppendError, ReusedId};
use crate::event::{Event, Violation, same_content, to_hex};
use crate::limits::Limits;
use crate::log::{Hash, body_hash, entry_len, order_hash};
use crate::num::usize_from;
use crate::view::{EventKey, OrderMap, event_key};

/// Events to append, all or nothing, and what is expected of orders before.
///
/// ```
/// use order_ledger::{Batch, Event, proto::OrderEvent};
///
/// let event = Event::new(&OrderEvent {
///     correlation_id: "erp/100045".into(),
///     source: "erp".into(),
///     event_id: "1".into(),
///     r#type: "order.created".into(),
///     ..Default::default()
/// })?;
/// let batch = Batch::of([event]).expect_revision("erp/100045", 0);
/// # Ok::<(), Vec<order_ledger::Violation>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    events: Vec<Event>,
    expectations: Vec<Expectation>,
    keep: Option<KeepReused>,
}

/// Makes the entry of the ledger's own that takes the place of an event whose id stands for other
/// content; none where the batch is to be refused for it. Called on the caller's thread or on the
/// writer's, so it must not wait. The entry is at most [`KEPT_LEN_MAX`] and three times the event's
/// ids longer than the event.
#[derive(Clone)]
pub(crate) struct KeepReused(Arc<Keep>);

type Keep = dyn Fn(usize, &Event, Violation) -> Option<Event> + Send + Sync;

/// What an entry that keeps an event has beside it, without its ids.
const KEPT_LEN_MAX: usize = 1_024;

impl KeepReused {
    /// Given the event's place in the batch, the event, and what is wrong with it.
    pub(crate) fn by(
        keep: impl Fn(usize, &Event, Violation) -> Option<Event> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(keep))
    }

    pub(super) fn keep(&self, index: usize, event: &Event, why: Violation) -> Option<Event> {
        let kept = self.0(index, event, why)?;
        debug_assert!(kept.is_dead_letter(), "nothing else takes the place of an event");
        debug_assert!(kept_len(&kept) <= kept_len_max(event), "the segment has room for it");
        Some(kept)
    }
}

fn kept_len(event: &Event) -> usize {
    usize_from(entry_len(event.correlation_id().as_bytes(), event.body()))
}

/// Bytes in the log of the entry that may take the place of an event.
fn kept_len_max(event: &Event) -> usize {
    let ids = event.correlation_id().len() + event.source().len() + event.event_id().len();
    kept_len(event) + KEPT_LEN_MAX + 3 * ids
}

impl fmt::Debug for KeepReused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeepReused")
    }
}

/// What a caller expects of an order before its batch is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expectation {
    pub(crate) correlation_id: String,
    pub(crate) revision: u64,
}

impl Batch {
    /// A batch of events, in the order in which they get their offsets.
    pub fn of(events: impl IntoIterator<Item = Event>) -> Self {
        Self { events: events.into_iter().collect(), ..Self::default() }
    }

    /// Expects an order, written by this batch or not, to have exactly so many events; 0 for none.
    ///
    /// A batch of which every event is in the ledger already is a retry and is answered with its
    /// receipts, whatever it expects.
    #[must_use]
    pub fn expect_revision(mut self, correlation_id: impl Into<String>, revision: u64) -> Self {
        self.expectations.push(Expectation { correlation_id: correlation_id.into(), revision });
        self
    }

    /// Has events whose ids stand for other content kept instead of refusing the batch.
    pub(crate) fn keep_reused(mut self, keep: KeepReused) -> Self {
        self.keep = Some(keep);
        self
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

/// A batch that is valid in itself, with all that can be computed without the ledger.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) events: Vec<PreparedEvent>,
    /// Every order that the batch names, once.
    pub(super) orders: Vec<PreparedOrder>,
    /// Place in `orders`, and the expected revision.
    pub(super) expectations: Vec<(usize, u64)>,
    /// Bytes in the log at most, without the share of the block.
    pub(super) log_len: usize,
    /// Bytes of all bodies.
    pub(super) body_len: usize,
    pub(super) keep: Option<KeepReused>,
}

#[derive(Debug)]
pub(super) struct PreparedEvent {
    pub(super) event: Event,
    /// Place in the batch's orders.
    pub(super) order: usize,
    pub(super) key: EventKey,
    pub(super) body_hash: Hash,
    /// The orders that it names; none for nearly every event.
    pub(super) targets: BTreeSet<String>,
    /// Place of an earlier event of this batch that is the same event.
    pub(super) same_as: Option<usize>,
}

impl PreparedEvent {
    fn of(event: Event, order: usize) -> Self {
        let key = event_key(event.source(), event.event_id());
        let body_hash = body_hash(event.body());
        let targets = crate::order::link_targets(&event);
        Self { event, order, key, body_hash, targets, same_as: None }
    }

    /// Whether a stored event with the same id is the same event.
    pub(super) fn is_same(&self, stored: &[u8]) -> bool {
        self.event.is_dead_letter() || same_content(stored, self.event.body())
    }
}

#[derive(Debug)]
pub(super) struct PreparedOrder {
    pub(super) hash: Hash,
    pub(super) correlation_id: Bytes,
}

impl Prepared {
    /// Checks a batch against the limits and against itself, and computes its hashes.
    pub(super) fn of(batch: Batch, limits: &Limits) -> Result<Self, AppendError> {
        let violations = check(&batch, limits);
        if !violations.is_empty() {
            return Err(AppendError::Invalid(violations));
        }
        let mut orders = Orders::default();
        let mut events: Vec<PreparedEvent> = Vec::with_capacity(batch.events.len());
        let (mut log_len, mut body_len) = (0, 0);
        for event in batch.events {
            let order = orders.place(event.correlation_id_bytes());
            let may_be_kept = batch.keep.is_some() && !event.is_dead_letter();
            log_len += if may_be_kept { kept_len_max(&event) } else { kept_len(&event) };
            body_len += event.body().len();
            events.push(PreparedEvent::of(event, order));
        }
        let conflicts = mark_repeated(&mut events);
        if !conflicts.is_empty() {
            replace(&conflicts, &mut events, (&mut orders, batch.keep.as_ref()))
                .ok_or_else(|| AppendError::Invalid(refused(&conflicts)))?;
            mark_repeated(&mut events);
        }
        let expectations = batch
            .expectations
            .into_iter()
            .map(|expected| (orders.place(expected.correlation_id.into()), expected.revision))
            .collect();
        let keep = batch.keep;
        Ok(Self { events, orders: orders.list, expectations, log_len, body_len, keep })
    }

    /// Puts an entry of the ledger's own in the place of an event.
    pub(super) fn replace(&mut self, index: usize, entry: Event) {
        let correlation_id = entry.correlation_id_bytes();
        let known = self.orders.iter().position(|one| one.correlation_id == correlation_id);
        let order = known.unwrap_or_else(|| {
            self.orders.push(PreparedOrder { hash: order_hash(&correlation_id), correlation_id });
            self.orders.len().saturating_sub(1)
        });
        if let Some(event) = self.events.get_mut(index) {
            *event = PreparedEvent::of(entry, order);
        }
    }
}

fn check(batch: &Batch, limits: &Limits) -> Vec<Violation> {
    let mut violations = Vec::new();
    let count = batch.events.len();
    let max = limits.batch_events_max;
    if count == 0 {
        violations.push(Violation::new("events", "empty; a batch has at least one event"));
    }
    if count > max {
        let what = format!("{count} events; a batch has at most {max} (batch_events_max)");
        violations.push(Violation::new("events", what));
    }
    // What is said about a dead letter stands beside what was received.
    let received = batch.events.iter().filter(|event| !event.is_dead_letter());
    let bytes: usize = received.map(|event| event.body().len()).sum();
    let max = limits.batch_bytes_max;
    if bytes > max {
        let what = format!("{bytes} bytes of events; a batch has at most {max} (batch_bytes_max)");
        violations.push(Violation::new("events", what));
    }
    let (count, max) = (batch.expectations.len(), limits.batch_events_max);
    if count > max {
        let what = format!("{count} expectations; a batch has at most {max} (batch_events_max)");
        violations.push(Violation::new("expectations", what));
    }
    for (index, expected) in batch.expectations.iter().take(max).enumerate() {
        violations.extend(check_expectation(index, &expected.correlation_id, limits));
    }
    violations
}

/// What is wrong with the order that an expectation names.
pub(crate) fn check_expectation(index: usize, id: &str, limits: &Limits) -> Option<Violation> {
    let max = limits.id_bytes_max;
    let what = match id.len() {
        0 => "missing; an expectation names an order".to_owned(),
        length if length > max => format!("{length} bytes; an id has at most {max} (id_bytes_max)"),
        _ => return None,
    };
    Some(Violation::new(format!("expectations[{index}].correlation_id"), what))
}

/// An event of a batch that has the id of an earlier one with other content, by their places.
struct Conflict {
    index: usize,
    earlier: usize,
}

impl Conflict {
    fn violation(&self) -> Violation {
        let earlier = self.earlier;
        let what =
            format!("the id of events[{earlier}] with other content; an id stands for one content");
        Violation::new("event_id", what)
    }
}

fn refused(conflicts: &[Conflict]) -> Vec<Violation> {
    let within = |one: &Conflict| one.violation().within(&format!("events[{}]", one.index));
    conflicts.iter().map(within).collect()
}

/// Puts what keeps them in the place of events; none where one is not to be kept.
fn replace(
    conflicts: &[Conflict],
    events: &mut [PreparedEvent],
    (orders, keep): (&mut Orders, Option<&KeepReused>),
) -> Option<()> {
    for conflict in conflicts {
        let event = events.get_mut(conflict.index)?;
        let entry = keep?.keep(conflict.index, &event.event, conflict.violation())?;
        let order = orders.place(entry.correlation_id_bytes());
        *event = PreparedEvent::of(entry, order);
    }
    Some(())
}

/// Finds events that stand in the batch twice; those that differ are a conflict.
fn mark_repeated(events: &mut [PreparedEvent]) -> Vec<Conflict> {
    if events.len() < 2 {
        return Vec::new();
    }
    let mut first = std::collections::HashMap::with_capacity(events.len());
    let mut repeated = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let earlier = *first.entry((event.order, event.key)).or_insert(index);
        if earlier != index {
            repeated.push((index, earlier));
        }
    }
    let mut conflicts = Vec::new();
    for (index, earlier) in repeated {
        let Some([original, event]) = events.get_disjoint_mut([earlier, index]).ok() else {
            continue;
        };
        if event.is_same(original.event.body()) {
            event.same_as = Some(earlier);
        } else {
            conflicts.push(Conflict { index, earlier });
        }
    }
    conflicts
}

/// The orders of a batch, each once.
#[derive(Default)]
struct Orders {
    list: Vec<PreparedOrder>,
    places: OrderMap<usize>,
    last: usize,
}

impl Orders {
    fn place(&mut self, correlation_id: Bytes) -> usize {
        // Events of one order tend to stand together.
        if self.list.get(self.last).is_some_and(|order| order.correlation_id == correlation_id) {
            return self.last;
        }
        let hash = order_hash(&correlation_id);
        self.last = *self.places.entry(hash).or_insert(self.list.len());
        if self.last == self.list.len() {
            self.list.push(PreparedOrder { hash, correlation_id });
        }
        self.last
    }
}

/// What an accepted event gets; the same for its first append and for every retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Place in the whole log.
    pub offset: u64,
    /// Place in its order.
    pub revision: u64,
    /// When the ledger took it, in nanoseconds of the Unix epoch.
    pub recorded_at_ns: u64,
    /// The leaf hash of its entry.
    pub leaf_hash: Hash,
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The event was appended now.
    Appended(Receipt),
    /// The event was in the ledger already, with the same content.
    Duplicate(Receipt),
    /// The event was refused and is kept as a dead letter; the receipt is that of the entry which
    /// keeps it, since now or since an earlier try. Only where [`crate::DeadLetters`] was asked.
    DeadLettered(Receipt),
}

impl Outcome {
    /// The receipt.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        match self {
            Self::Appended(receipt) | Self::Duplicate(receipt) | Self::DeadLettered(receipt) => {
                receipt
            }
        }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// One outcome for each event, in the same order.
    pub outcomes: Vec<Outcome>,
    /// The head after the batch.
    pub head: u64,
}

impl ReusedId {
    pub(super) fn of(index: usize, event: &PreparedEvent, recorded: (u64, Hash)) -> Self {
        Self {
            index,
            correlation_id: event.event.correlation_id().to_owned(),
            source: event.event.source().to_owned(),
            event_id: event.event.event_id().to_owned(),
            recorded_offset: recorded.0,
            recorded_fingerprint: recorded.1,
            fingerprint: event.body_hash,
        }
    }

    /// What is wrong with the event.
    pub(super) fn violation(&self) -> Violation {
        let what = format!(
            "stands for other content: that of offset {} with fingerprint {}; this one has {}",
            self.recorded_offset,
            to_hex(&self.recorded_fingerprint),
            to_hex(&self.fingerprint)
        );
        Violation::new("event_id", what)
    }
}
