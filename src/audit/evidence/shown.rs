//! What a file of evidence shows: the orders folded, and their events with what each one changed. A
//! pure function of the data. Does not know how it is shown, nor whether it is proven.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Evidence, EvidenceBasis, EvidenceError, EvidenceOrder, EvidenceRole};
use crate::audit::checkpoint::Checkpoint;
use crate::audit::order_proof::ChainEntry;
use crate::event::RecordedEvent;
use crate::ledger::{AsOf, TimelineRow, with_lateness};
use crate::order::{History, Policy, fold_with_effects, links, said_by};
use crate::proto::{self, OrderRelationKind, RelatedOrder};
use crate::view::histories_of;

/// What stands beside an event that a question by the time of occurrence leaves out.
const LEFT_OUT: &str = "occurred later than the time that is asked about: does not count";

/// What a file shows.
pub(super) struct Shown<'a> {
    /// The checkpoint.
    pub(super) checkpoint: Checkpoint,
    /// What the seal says.
    pub(super) seal: proto::Seal,
    /// In the order of the evidence.
    pub(super) orders: Vec<ShownOrder<'a>>,
}

/// What is shown of one order.
pub(super) struct ShownOrder<'a> {
    pub(super) correlation_id: &'a str,
    pub(super) role: EvidenceRole,
    /// As of the seal; none: the order is absent.
    pub(super) chain: &'a [ChainEntry],
    /// Of an order that was asked for: its state.
    pub(super) state: Option<proto::Order>,
    /// By the time they occurred; of an order that was asked for with those of linked histories.
    pub(super) rows: Vec<TimelineRow>,
    /// Behind the basis.
    pub(super) not_shown: usize,
}

/// The histories that are shown, and what they say of each other.
struct Histories<'a> {
    as_of: AsOf,
    /// The events that are shown, by order.
    events: BTreeMap<&'a str, &'a [RecordedEvent]>,
    /// What the others say of an order, by its name. Made once: each history is looked at once,
    /// however many orders were asked for.
    said_of: HashMap<String, Vec<RelatedOrder>>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(evidence: &'a Evidence) -> Result<Self, EvidenceError> {
        let checkpoint = Checkpoint::parse_unverified(&evidence.seal.checkpoint)
            .map_err(|defect| EvidenceError::Checkpoint(defect.to_string()))?;
        let said = evidence.seal.entry.event.ledger_entry().and_then(|entry| entry.seal);
        let seal = said.ok_or(EvidenceError::Seal)?;
        let (basis, covered) = (evidence.basis.offset, seal.covered);
        if basis > covered {
            return Err(EvidenceError::Basis { basis, covered });
        }
        let histories = Histories::of(evidence)?;
        let shown = |order| shown_order(evidence, &histories, order);
        let orders = evidence.orders.iter().map(shown).collect::<Result<_, _>>()?;
        Ok(Self { checkpoint, seal, orders })
    }
}

impl EvidenceOrder {
    /// The events below the basis, which are those of the proof.
    fn shown_events(&self, basis: &EvidenceBasis) -> Result<&[RecordedEvent], EvidenceError> {
        let order = &self.proof.correlation_id;
        let count = self.proof.chain.partition_point(|entry| basis.shows(entry.offset));
        for ((revision, entry), index) in (0..).zip(&self.proof.chain).zip(0..count) {
            let is_it = |recorded: &RecordedEvent| {
                recorded.revision == revision
                    && recorded.event.is_about(order)
                    && ChainEntry::of(recorded) == *entry
            };
            if !self.events.get(index).is_some_and(is_it) {
                return Err(EvidenceError::Event { order: order.clone(), revision });
            }
        }
        Ok(self.events.get(..count).unwrap_or_default())
    }
}

impl<'a> Histories<'a> {
    fn of(evidence: &'a Evidence) -> Result<Self, EvidenceError> {
        let mut events = BTreeMap::new();
        for order in &evidence.orders {
            let shown = order.shown_events(&evidence.basis)?;
            events.insert(order.proof.correlation_id.as_str(), shown);
        }
        let said_of = HashMap::new();
        let mut histories = Self { as_of: evidence.basis.as_of, events, said_of };
        for (other, events) in &histories.events {
            let counted = histories.counted(events);
            let all = said_by(other, events).into_iter().map(|said| (true, said));
            let counted = said_by(other, &counted).into_iter().map(|said| (false, said));
            for (is_link, (order, mut said)) in all.chain(counted) {
                // A link holds whenever it was made, as `Ledger::history` has it.
                said.retain(|related| is_link == is_linked(related));
                histories.said_of.entry(order).or_default().extend(said);
            }
        }
        Ok(histories)
    }

    fn own(&self, correlation_id: &str) -> &'a [RecordedEvent] {
        self.events.get(correlation_id).copied().unwrap_or_default()
    }

    /// Those of the events that a question by the time of occurrence does not leave out.
    fn counted<'e>(&self, events: &'e [RecordedEvent]) -> Cow<'e, [RecordedEvent]> {
        let counts = |recorded: &&RecordedEvent| self.as_of.includes(recorded);
        if events.iter().all(|recorded| counts(&recorded)) {
            return Cow::Borrowed(events);
        }
        Cow::Owned(events.iter().filter(counts).cloned().collect())
    }
}

fn is_linked(related: &RelatedOrder) -> bool {
    related.relation() == OrderRelationKind::LinkedTo
}

/// The other histories that an order's own events name: linked ones, parts and what it was merged
/// with.
fn named_histories(correlation_id: &str, own: &[RecordedEvent]) -> BTreeSet<String> {
    let targets = links(own).into_iter().map(|link| link.target);
    targets.filter(|target| target != correlation_id).collect()
}

fn shown_order<'a>(
    evidence: &'a Evidence,
    histories: &Histories<'a>,
    order: &'a EvidenceOrder,
) -> Result<ShownOrder<'a>, EvidenceError> {
    let correlation_id = order.proof.correlation_id.as_str();
    let own = histories.own(correlation_id);
    let mut shown = ShownOrder {
        correlation_id,
        role: order.role,
        chain: &order.proof.chain,
        state: None,
        rows: Vec::new(),
        not_shown: order.proof.chain.len() - own.len(),
    };
    if order.role == EvidenceRole::Linked || own.is_empty() {
        shown.rows = with_lateness(own.to_vec());
    } else {
        for history in named_histories(correlation_id, own) {
            if !histories.events.contains_key(history.as_str()) {
                let order = correlation_id.to_owned();
                return Err(EvidenceError::History { order, history });
            }
        }
        let (state, rows) = Known::of(correlation_id, histories).fold(&evidence.policy);
        (shown.state, shown.rows) = (Some(state), rows);
    }
    shown.rows.sort_by_key(|row| (row.recorded.timeline_ns(), row.recorded.offset));
    Ok(shown)
}

/// All that an order is folded from, as [`Ledger::history`](crate::Ledger::history) gathers it.
struct Known<'a> {
    correlation_id: &'a str,
    own_count: usize,
    /// Its own events, and those of linked histories.
    all: Cow<'a, [RecordedEvent]>,
    /// Those of them that count, where some do not.
    counted: Option<Vec<RecordedEvent>>,
    incoming: &'a [RelatedOrder],
}

impl<'a> Known<'a> {
    fn of(correlation_id: &'a str, histories: &'a Histories<'a>) -> Self {
        let own = histories.own(correlation_id);
        let mut all = Cow::Borrowed(own);
        for history in histories_of(correlation_id, own) {
            all.to_mut().extend_from_slice(histories.own(&history));
        }
        let counted = match histories.counted(&all) {
            Cow::Borrowed(_) => None,
            Cow::Owned(counted) => Some(counted),
        };
        let incoming = histories.said_of.get(correlation_id).map_or(&[][..], Vec::as_slice);
        Self { correlation_id, own_count: own.len(), all, counted, incoming }
    }

    fn counted(&self) -> &[RecordedEvent] {
        self.counted.as_deref().unwrap_or(&self.all)
    }

    fn history(&self) -> History<'_> {
        let Self { correlation_id, incoming, .. } = self;
        History { correlation_id, events: self.counted(), incoming }
    }

    fn fold(&self, policy: &Policy) -> (proto::Order, Vec<TimelineRow>) {
        let (state, mut effects) = fold_with_effects(&self.history(), policy);
        let revision = crate::num::u64_from(self.own_count);
        let mut all = self.all.to_vec();
        all.sort_by_key(|recorded| recorded.offset);
        let counted: BTreeSet<u64> =
            self.counted().iter().map(|recorded| recorded.offset).collect();
        let mut rows = with_lateness(all);
        for row in &mut rows {
            let offset = row.recorded.offset;
            row.effects = if counted.contains(&offset) {
                effects.remove(&offset).unwrap_or_default()
            } else {
                vec![LEFT_OUT.to_owned()]
            };
            let order = row.recorded.event.correlation_id();
            row.linked_from = (order != self.correlation_id).then(|| order.to_owned());
        }
        (proto::Order { revision, ..state }, rows)
    }
}
