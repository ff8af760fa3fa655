//! Decides about batches, one after the other, and puts what is admitted into the block.
//! Does not know how a block becomes durable, nor who is answered.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::batch::{Outcome, Prepared, PreparedEvent, Receipt};
use super::error::{AppendError, ReusedId, WrongRevision};
use super::known::{KnownOrder, KnownOrders};
use super::leaves::OrderLeaf;
use crate::log::{BlockBuilder, EntryRef, Hash, Leaf, LogReader, Point, body_hash, flags_of};
use crate::num::{u64_from, usize_from};
use crate::view::{EventKey, Indexed, TailEntry, ViewError, Views};

/// What callers looked up for their batch: the orders by place in the batch, and at which head.
#[derive(Debug, Default)]
pub(super) struct LookedUp {
    pub(super) orders: Vec<Option<KnownOrder>>,
    pub(super) basis: u64,
}

/// An entry of the block that is being made.
#[derive(Debug)]
struct Pending {
    order: Hash,
    correlation_id: Bytes,
    key: EventKey,
    body: Bytes,
    body_hash: Hash,
    place: Point,
    receipt: Receipt,
    /// The orders that the event names.
    targets: BTreeSet<String>,
}

/// The block that is being made, and what is known of orders.
#[derive(Debug)]
pub(super) struct Admission {
    known: KnownOrders,
    block: BlockBuilder,
    pending: Vec<Pending>,
    /// The point where the block will stand.
    begin: Point,
    /// When its entries are recorded, in nanoseconds of the Unix epoch.
    recorded_at: u64,
    log: LogReader,
}

/// What an event of a batch is to the ledger.
enum Finding {
    New,
    SameAs(usize),
    Duplicate(Receipt),
    Reused(ReusedId),
}

impl Admission {
    pub(super) fn starting_at(begin: Point, log: LogReader) -> Self {
        Self {
            known: KnownOrders::starting_at(begin.offset),
            block: BlockBuilder::default(),
            pending: Vec::new(),
            begin,
            recorded_at: 0,
            log,
        }
    }

    /// Begins a block.
    pub(super) fn begin_block(&mut self, begin: Point, recorded_at: u64) {
        self.known.age(begin.offset);
        self.block.begin();
        self.pending.clear();
        (self.begin, self.recorded_at) = (begin, recorded_at);
    }

    /// Moves the empty block to where it will stand.
    pub(super) fn place_block(&mut self, begin: Point) {
        debug_assert!(self.pending.is_empty(), "entries know their positions");
        self.begin = begin;
    }

    pub(super) fn recorded_at(&self) -> u64 {
        self.recorded_at
    }

    pub(super) fn entry_count(&self) -> u32 {
        self.block.entry_count()
    }

    /// Bytes of the block so far.
    pub(super) fn block_len(&self) -> usize {
        self.block.len()
    }

    /// The finished block.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.block.finish(self.begin.position, (self.begin.offset, self.recorded_at))
    }

    /// The block's entries as the tail takes them.
    pub(super) fn tail_entries(&self) -> impl Iterator<Item = TailEntry<'_>> {
        self.pending.iter().map(|pending| TailEntry {
            order: &pending.order,
            correlation_id: &pending.correlation_id,
            indexed: Indexed {
                revision: pending.receipt.revision,
                place: pending.place,
                key: pending.key,
            },
            targets: &pending.targets,
        })
    }

    /// The leaves of the block's entries.
    pub(super) fn leaves(&self) -> impl Iterator<Item = OrderLeaf> {
        let leaf = |one: &Pending| OrderLeaf { order: one.order, leaf: one.receipt.leaf_hash };
        self.pending.iter().map(leaf)
    }

    /// Decides about a batch: its outcomes, with all its new events in the block, or why none is.
    pub(super) fn admit(
        &mut self,
        batch: &mut Prepared,
        mut looked_up: LookedUp,
        views: &Views,
    ) -> Result<Vec<Outcome>, AppendError> {
        self.ensure_known(batch, &mut looked_up, views)
            .map_err(|error| AppendError::Unreadable(error.to_string()))?;
        let mut findings = (0..)
            .zip(&batch.events)
            .map(|(index, event)| self.find(index, event, batch))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| AppendError::Unreadable(error.to_string()))?;
        let reused: Vec<ReusedId> = findings.iter().filter_map(Finding::reused).cloned().collect();
        if !reused.is_empty() {
            self.keep_reused(batch, (&reused, &mut findings), views)
                .map_err(|error| AppendError::Unreadable(error.to_string()))?
                .ok_or(AppendError::EventIdReused(reused))?;
        }
        if findings.iter().any(|finding| matches!(finding, Finding::New)) {
            self.check_expectations(batch)?;
        }
        Ok(self.apply(batch, &findings))
    }

    fn ensure_known(
        &mut self,
        batch: &Prepared,
        looked_up: &mut LookedUp,
        views: &Views,
    ) -> Result<(), ViewError> {
        let committed = self.begin.offset;
        for (index, order) in batch.orders.iter().enumerate() {
            let given = looked_up.orders.get_mut(index).and_then(Option::take);
            let given = given.map(|known| (known, looked_up.basis));
            self.known.ensure(&order.hash, given, || {
                let name = (&order.hash, &*order.correlation_id);
                KnownOrder::load(views, &self.log, name, committed)
            })?;
        }
        Ok(())
    }

    /// Puts what keeps them in the place of events whose ids stand for other content; none where
    /// the batch is to be refused for one.
    fn keep_reused(
        &mut self,
        batch: &mut Prepared,
        (reused, findings): (&[ReusedId], &mut [Finding]),
        views: &Views,
    ) -> Result<Option<()>, ViewError> {
        let Some(keep) = batch.keep.clone() else {
            return Ok(None);
        };
        for reused in reused {
            let event = batch.events.get(reused.index).map(|event| &event.event);
            let entry = event.and_then(|event| keep.keep(reused.index, event, reused.violation()));
            let Some(entry) = entry else {
                return Ok(None);
            };
            batch.replace(reused.index, entry);
        }
        self.ensure_known(batch, &mut LookedUp::default(), views)?;
        for reused in reused {
            let event = batch.events.get(reused.index).zip(findings.get_mut(reused.index));
            if let Some((event, finding)) = event {
                *finding = self.find(reused.index, event, batch)?;
            }
        }
        Ok(Some(()))
    }

    fn known<'k>(&'k self, batch: &Prepared, order: usize) -> Option<&'k KnownOrder> {
        self.known.get(&batch.orders.get(order)?.hash)
    }

    fn find(
        &self,
        index: usize,
        event: &PreparedEvent,
        batch: &Prepared,
    ) -> Result<Finding, ViewError> {
        if let Some(earlier) = event.same_as {
            return Ok(Finding::SameAs(earlier));
        }
        let found = self.known(batch, event.order).and_then(|known| known.find(&event.key));
        let Some(place) = found else {
            return Ok(Finding::New);
        };
        let (receipt, fingerprint, same) = match place.offset.checked_sub(self.begin.offset) {
            Some(at) => self.compare_pending(usize_from(at), event),
            None => self.compare_stored(place, event)?,
        };
        Ok(if same {
            Finding::Duplicate(receipt)
        } else {
            Finding::Reused(ReusedId::of(index, event, (receipt.offset, fingerprint)))
        })
    }

    fn compare_pending(&self, at: usize, event: &PreparedEvent) -> (Receipt, Hash, bool) {
        self.pending.get(at).map_or((NO_RECEIPT, [0; 32], false), |pending| {
            (pending.receipt, pending.body_hash, event.is_same(&pending.body))
        })
    }

    fn compare_stored(
        &self,
        place: Point,
        event: &PreparedEvent,
    ) -> Result<(Receipt, Hash, bool), ViewError> {
        let mut compared = (NO_RECEIPT, [0; 32], false);
        self.log.entries(&[place], |entry| {
            let receipt = Receipt {
                offset: entry.offset,
                revision: entry.revision,
                recorded_at_ns: entry.recorded_at,
                leaf_hash: entry.leaf_hash(),
            };
            compared = (receipt, body_hash(entry.body), event.is_same(entry.body));
        })?;
        Ok(compared)
    }

    fn check_expectations(&self, batch: &Prepared) -> Result<(), AppendError> {
        let wrong: Vec<WrongRevision> = batch
            .expectations
            .iter()
            .filter_map(|&(order, expected)| {
                let actual = self.known(batch, order).map_or(0, KnownOrder::revision);
                let id = batch.orders.get(order).map(|order| &*order.correlation_id)?;
                let correlation_id = String::from_utf8_lossy(id).into_owned();
                (actual != expected).then_some(WrongRevision { correlation_id, expected, actual })
            })
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(AppendError::WrongRevision(wrong)) }
    }

    fn apply(&mut self, batch: &Prepared, findings: &[Finding]) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(findings.len());
        for (event, finding) in batch.events.iter().zip(findings) {
            let outcome = match finding {
                Finding::Duplicate(receipt) => Outcome::Duplicate(*receipt),
                Finding::SameAs(earlier) => match outcomes.get(*earlier) {
                    Some(Outcome::DeadLettered(receipt)) => Outcome::DeadLettered(*receipt),
                    Some(earlier) => Outcome::Duplicate(*earlier.receipt()),
                    None => Outcome::Duplicate(NO_RECEIPT),
                },
                Finding::New | Finding::Reused(_) => {
                    let order = batch.orders.get(event.order).map_or([0; 32], |order| order.hash);
                    Outcome::Appended(self.seal(event, order))
                }
            };
            outcomes.push(if event.event.is_dead_letter() {
                Outcome::DeadLettered(*outcome.receipt())
            } else {
                outcome
            });
        }
        outcomes
    }

    /// Makes an event the next entry of the block.
    fn seal(&mut self, event: &PreparedEvent, order: Hash) -> Receipt {
        let offset = self.begin.offset + u64_from(self.pending.len());
        let recorded_at = self.recorded_at;
        let correlation_id = event.event.correlation_id_bytes();
        let body = event.event.body().clone();
        let known = self.known.get_mut(&order);
        assert!(known.is_some(), "every order of a batch was looked up before it was admitted");
        let Some(known) = known else {
            return NO_RECEIPT;
        };
        let (revision, previous) = (known.revision(), *known.head());
        let position = self.block.push(&EntryRef {
            offset,
            recorded_at,
            revision,
            previous: &previous,
            correlation_id: &correlation_id,
            body: &body,
        });
        let leaf_hash = Leaf {
            flags: flags_of(&correlation_id),
            recorded_at,
            occurred_at: event.event.occurred_at_ns().unwrap_or(0),
            revision,
            order: &order,
            previous: &previous,
            body: &event.body_hash,
        }
        .hash();
        let position = self.begin.position + u32::try_from(position).unwrap_or(u32::MAX);
        let place = Point { offset, position };
        known.push(event.key, place, leaf_hash);
        let receipt = Receipt { offset, revision, recorded_at_ns: recorded_at, leaf_hash };
        let (key, body_hash) = (event.key, event.body_hash);
        self.pending.push(Pending {
            order,
            correlation_id,
            key,
            body,
            body_hash,
            place,
            receipt,
            targets: event.targets.clone(),
        });
        receipt
    }
}

const NO_RECEIPT: Receipt =
    Receipt { offset: 0, revision: 0, recorded_at_ns: 0, leaf_hash: [0; 32] };

impl Finding {
    fn reused(&self) -> Option<&ReusedId> {
        match self {
            Self::Reused(reused) => Some(reused),
            Self::New | Self::SameAs(_) | Self::Duplicate(_) => None,
        }
    }
}
