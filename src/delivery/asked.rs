//! What somebody asks or decides about a consumer, carried out by its engine. What is decided is in
//! the log before it holds. Does not know who may decide.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::blocking;
use super::dispatch::OrderName;
use super::engine::Engine;
use super::error::DeliveryError;
use super::scan::Scan;
use super::settings::Settings;
use super::state::{DELETED, REPLAYED, RESET, SKIPPED, UPDATED};
use crate::event::Wanted;
use crate::ledger::{EntryPlace, Ledger, QueryError};
use crate::proto::{
    ConsumeClosedReason, Consumer, ConsumerPosition, LedgerEntry, ParkedAt, SkippedEvents,
};

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, DeliveryError>>;

/// Who decides, and why; either may be empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) actor: String,
    pub(super) reason: String,
}

/// What somebody asks or decides.
#[derive(Debug)]
pub(super) enum Asked {
    Report(Reply<Consumer>),
    Update(Box<Settings>, Said, Reply<Consumer>),
    Delete(Said, Reply<()>),
    Reset(u64, Said, Reply<Consumer>),
    Parked(Reply<AllParked>),
    /// Has these orders, where they are parked, delivered again.
    Replay(Vec<OrderName>, Said, Reply<u64>),
    /// Leaves out the event that each of these orders stands at, or all that waits.
    Skip {
        orders: Vec<OrderName>,
        all_waiting: bool,
        said: Said,
        reply: Reply<u64>,
    },
    Close(Reply<()>),
}

/// The parked orders of a consumer, and which of their events wait.
#[derive(Clone, Debug)]
pub(super) struct AllParked {
    /// Where, and since when, in nanoseconds of the Unix epoch.
    pub(super) orders: HashMap<OrderName, (ParkedAt, u64)>,
    pub(super) scanned_to: u64,
    pub(super) wanted: Option<Arc<Wanted>>,
}

impl AllParked {
    /// How many events of a parked order wait.
    pub(super) fn waiting(&self, ledger: &Ledger, parked: &ParkedAt) -> Result<u64, QueryError> {
        let range = (parked.offset, self.scanned_to);
        let (order, wanted) = (&parked.correlation_id, self.wanted.as_deref());
        let (found, _) = ledger.wanted_of_order(order, range, (wanted, usize::MAX))?;
        Ok(crate::num::u64_from(found.len()))
    }
}

impl Engine {
    pub(super) async fn answer(&mut self, asked: Asked) {
        match asked {
            Asked::Report(reply) => {
                let _ = reply.send(self.report());
            }
            Asked::Update(settings, said, reply) => {
                let _ = reply.send(self.update(*settings, said).await);
            }
            Asked::Delete(said, reply) => {
                let _ = reply.send(self.delete(said).await);
            }
            Asked::Reset(to, said, reply) => {
                let _ = reply.send(self.reset(to, said).await);
            }
            Asked::Parked(reply) => {
                let _ = reply.send(Ok(self.all_parked()));
            }
            Asked::Replay(orders, said, reply) => {
                let _ = reply.send(self.replay(orders, &said).await);
            }
            Asked::Skip { orders, all_waiting, said, reply } => {
                let _ = reply.send(self.skip(orders, all_waiting, &said).await);
            }
            Asked::Close(reply) => {
                self.close_members(ConsumeClosedReason::ShuttingDown);
                self.store_now().await;
                self.ended = true;
                let _ = reply.send(Ok(()));
            }
        }
    }

    async fn write(&mut self, event_type: &str, entry: LedgerEntry) -> Result<(), DeliveryError> {
        let entry = self.journal.deed(event_type, entry);
        self.journal.write(vec![entry]).await.map(drop)
    }

    async fn update(
        &mut self,
        settings: Settings,
        Said { actor, reason }: Said,
    ) -> Result<Consumer, DeliveryError> {
        let told = Some(settings.told.clone());
        let entry = LedgerEntry { settings: told, actor, reason, ..LedgerEntry::default() };
        self.write(UPDATED, entry).await?;
        self.dispatch.set_rules(settings.rules);
        self.settings = settings;
        self.scan.forget_ahead(&self.ledger)?;
        self.report()
    }

    async fn delete(&mut self, Said { actor, reason }: Said) -> Result<(), DeliveryError> {
        let entry = LedgerEntry { actor, reason, ..LedgerEntry::default() };
        self.write(DELETED, entry).await?;
        self.close_members(ConsumeClosedReason::Deleted);
        self.ended = true;
        Ok(())
    }

    async fn reset(
        &mut self,
        to: u64,
        Said { actor, reason }: Said,
    ) -> Result<Consumer, DeliveryError> {
        let scan = Scan::starting_at(&self.ledger, to)?;
        let replayed_to = self.dispatch.replayed_to().max(self.scan.scanned_to());
        let position = ConsumerPosition { scanned_to: to, outstanding: Vec::new(), replayed_to };
        let position = Some(position);
        let entry = LedgerEntry { position, actor, reason, ..LedgerEntry::default() };
        self.write(RESET, entry).await?;
        self.scan = scan;
        self.dispatch.reset(to, replayed_to);
        self.parked.retain(|_, (parked, _)| parked.offset < to);
        self.dirty = false;
        self.report()
    }

    fn all_parked(&self) -> AllParked {
        AllParked {
            orders: self.parked.clone(),
            scanned_to: self.scan.scanned_to(),
            wanted: self.settings.wanted.clone(),
        }
    }

    /// The number of orders that are delivered again.
    async fn replay(
        &mut self,
        mut orders: Vec<OrderName>,
        said: &Said,
    ) -> Result<u64, DeliveryError> {
        orders.retain(|order| self.parked.contains_key(order));
        for part in orders.chunks(self.together()) {
            let entries = part.iter().map(|order| {
                let Said { actor, reason } = said.clone();
                let correlation_id = order.to_string();
                let entry = LedgerEntry { correlation_id, actor, reason, ..LedgerEntry::default() };
                self.journal.deed(REPLAYED, entry)
            });
            let entries = entries.collect();
            self.decide(entries).await?;
            for order in part {
                self.parked.remove(order);
                self.dispatch.unpark(order);
            }
            self.dirty = true;
        }
        Ok(crate::num::u64_from(orders.len()))
    }

    /// The number of events that are left out.
    async fn skip(
        &mut self,
        mut orders: Vec<OrderName>,
        all_waiting: bool,
        said: &Said,
    ) -> Result<u64, DeliveryError> {
        orders.retain(|order| self.parked.contains_key(order));
        let mut skipped_count = 0;
        for part in orders.chunks(self.together()) {
            let (ledger, all) = (Arc::clone(&self.ledger), self.all_parked());
            let named = part.to_vec();
            let found = blocking(move || find_next(&ledger, &all, named, all_waiting));
            let found = found.await?;
            let entries = found.iter().map(|one| {
                let Said { actor, reason } = said.clone();
                let skipped = Some(one.skipped.clone());
                let entry = LedgerEntry { skipped, actor, reason, ..LedgerEntry::default() };
                self.journal.deed(SKIPPED, entry)
            });
            let entries = entries.collect();
            self.decide(entries).await?;
            for Skip { order, next, count, .. } in found {
                self.parked.remove(&order);
                self.dispatch.unpark_at(&order, next);
                skipped_count += count;
            }
            self.dirty = true;
        }
        Ok(skipped_count)
    }

    /// Orders about which the log is told at once, behind where the consumer stands.
    fn together(&self) -> usize {
        self.ledger.limits().batch_events_max.saturating_sub(1).max(1)
    }
}

/// What is left out of one order, and where it goes on.
struct Skip {
    order: OrderName,
    skipped: SkippedEvents,
    next: Option<EntryPlace>,
    count: u64,
}

fn find_next(
    ledger: &Ledger,
    all: &AllParked,
    orders: Vec<OrderName>,
    all_waiting: bool,
) -> Result<Vec<Skip>, QueryError> {
    let find = |order: OrderName| {
        let Some((parked, _)) = all.orders.get(&order) else { return Ok(None) };
        let (mut next, mut count) = (None, 1);
        if all_waiting {
            count = all.waiting(ledger, parked)?;
        } else {
            let range = (parked.offset + 1, all.scanned_to);
            let (found, _) = ledger.wanted_of_order(&order, range, (all.wanted.as_deref(), 1))?;
            next = found.first().copied();
        }
        let skipped = SkippedEvents {
            correlation_id: order.to_string(),
            from_offset: parked.offset,
            to_offset: next.map_or(all.scanned_to, |next| next.offset()),
        };
        Ok(Some(Skip { order, skipped, next, count }))
    };
    orders.into_iter().filter_map(|order| find(order).transpose()).collect()
}
