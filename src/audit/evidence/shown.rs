//! What a file of evidence shows: the orders folded, and their events with what each one changed. A
//! pure function of the data. Does not know how it is shown, nor whether it is proven.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, EvidenceBasis, EvidenceError, EvidenceOrder, EvidenceRole};
use crate::audit::checkpoint::Checkpoint;
use crate::audit::order_proof::ChainEntry;
use crate::event::RecordedEvent;
use crate::ledger::{TimelineRow, with_lateness};
use crate::order::{History, Policy, effects, fold, links, said_about};
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

/// The events that are shown, by order.
type Histories<'a> = BTreeMap<&'a str, &'a [RecordedEvent]>;

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
        let mut histories = Histories::new();
        for order in &evidence.orders {
            let events = order.shown_events(&evidence.basis)?;
            histories.insert(&order.proof.correlation_id, events);
        }
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
    let own = histories.get(correlation_id).copied().unwrap_or_default();
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
            if !histories.contains_key(history.as_str()) {
                let order = correlation_id.to_owned();
                return Err(EvidenceError::History { order, history });
            }
        }
        let known = Known::of(correlation_id, histories, &evidence.basis);
        shown.state = Some(known.state(&evidence.policy));
        shown.rows = known.rows(&evidence.policy);
    }
    shown.rows.sort_by_key(|row| (row.recorded.timeline_ns(), row.recorded.offset));
    Ok(shown)
}

/// All that an order is folded from, as [`Ledger::history`](crate::Ledger::history) gathers it.
struct Known<'a> {
    correlation_id: &'a str,
    own_count: usize,
    /// Its own events, and those of linked histories.
    all: Vec<RecordedEvent>,
    /// Those of them that count.
    counted: Vec<RecordedEvent>,
    incoming: Vec<RelatedOrder>,
}

impl<'a> Known<'a> {
    fn of(correlation_id: &'a str, histories: &Histories<'a>, basis: &EvidenceBasis) -> Self {
        let own = histories.get(correlation_id).copied().unwrap_or_default();
        let included = |events: &[RecordedEvent]| {
            let mut events = events.to_vec();
            events.retain(|recorded| basis.as_of.includes(recorded));
            events
        };
        let mut all = own.to_vec();
        for history in histories_of(correlation_id, own) {
            all.extend_from_slice(histories.get(history.as_str()).copied().unwrap_or_default());
        }
        let counted = included(&all);
        let is_link = |related: &RelatedOrder| related.relation() == OrderRelationKind::LinkedTo;
        let mut incoming = Vec::new();
        for (other, events) in histories.iter().filter(|(other, _)| **other != correlation_id) {
            let said = said_about(correlation_id, (other, events));
            incoming.extend(said.into_iter().filter(is_link));
            let said = said_about(correlation_id, (other, &included(events)));
            incoming.extend(said.into_iter().filter(|related| !is_link(related)));
        }
        Self { correlation_id, own_count: own.len(), all, counted, incoming }
    }

    fn history(&self) -> History<'_> {
        let Self { correlation_id, counted, incoming, .. } = self;
        History { correlation_id, events: counted, incoming }
    }

    fn state(&self, policy: &Policy) -> proto::Order {
        let revision = crate::num::u64_from(self.own_count);
        proto::Order { revision, ..fold(&self.history(), policy) }
    }

    fn rows(&self, policy: &Policy) -> Vec<TimelineRow> {
        let mut all = self.all.clone();
        all.sort_by_key(|recorded| recorded.offset);
        let counted: BTreeSet<u64> = self.counted.iter().map(|recorded| recorded.offset).collect();
        let mut effects = effects(&self.history(), policy);
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
        rows
    }
}
