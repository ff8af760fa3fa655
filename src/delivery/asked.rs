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
use super::state::{DELETED, Position, REPLAYED, RESET, SKIPPED, UPDATED};
use crate::event::{Violation, Wanted};
use crate::ledger::{EntryPlace, Ledger, QueryError};
use crate::proto::{ConsumeClosedReason, Consumer, LedgerEntry, ParkedAt, SkippedEvents};

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, DeliveryError>>;

/// Bytes of who decides, and of why.
const SAID_BYTES_MAX: usize = 1_000;

/// Who decides, and why; either may be empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) actor: String,
    pub(super) reason: String,
}

impl Said {
    /// Who decides, where nobody has to say why.
    pub(super) fn by(actor: &str) -> Result<Self, DeliveryError> {
        Self::checked(actor, "")
    }

    /// Who answers for something, and why: both must be said.
    pub(super) fn answerable(actor: &str, reason: &str) -> Result<Self, DeliveryError> {
        let required = [("actor", actor, "who answers for it"), ("reason", reason, "why")];
        let missing = required.into_iter().filter(|(_, said, _)| said.trim().is_empty());
        let missing: Vec<Violation> = missing
            .map(|(field, _, what)| Violation::new(field, format!("missing; say {what}")))
            .collect();
        if missing.is_empty() {
            Self::checked(actor, reason)
        } else {
            Err(DeliveryError::Invalid(missing))
        }
    }

    fn checked(actor: &str, reason: &str) -> Result<Self, DeliveryError> {
        for (field, said) in [("actor", actor), ("reason", reason)] {
            let length = said.len();
            if length > SAID_BYTES_MAX {
                let what = format!("{length} bytes; allowed are at most {SAID_BYTES_MAX}");
                return Err(DeliveryError::invalid(field, what));
            }
        }
        Ok(Self { actor: actor.to_owned(), reason: reason.to_owned() })
    }
}

/// What somebody asks or decides.
#[derive(Debug)]
pub(super) enum Asked {
    Report(Reply<Consumer>),
    Update(Box<Settings>, Said, Reply<Consumer>),
    Delete(Said, Reply<()>),
    Reset(u64, Said, Reply<Consumer>),
    Parked(Reply<AllParked>),
    /// Has orders delivered again, where they are parked at these offsets.
    Replay(Vec<(OrderName, u64)>, Said, Reply<u64>),
    /// Leaves out the event that each of these orders stands at, or all that waits.
    Skip {
        orders: Vec<(OrderName, u64)>,
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
                // First what they have done: a member that is told may be the last thing open.
                self.store_now().await;
                self.close_members(ConsumeClosedReason::ShuttingDown);
                self.ended = true;
                let _ = reply.send(Ok(()));
            }
        }
    }

    async fn write(&mut self, event_type: &str, entry: LedgerEntry) -> Result<(), DeliveryError> {
        let entry = self.journal.deed(event_type, entry);
        self.journal.send(vec![entry])?.await?;
        Ok(())
    }

    async fn update(
        &mut self,
        settings: Settings,
        Said { actor, reason }: Said,
    ) -> Result<Consumer, DeliveryError> {
        let told = Some(settings.told.clone());
        let entry = LedgerEntry { settings: told, actor, reason, ..LedgerEntry::default() };
        let scan = Scan::starting_at(&self.ledger, self.scan.scanned_to())?;
        let entry = self.journal.deed(UPDATED, entry);
        self.decide(vec![entry]).await?;
        self.dispatch.set_rules(settings.rules);
        (self.settings, self.scan) = (settings, scan);
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
        let position = Position { scanned_to: to, outstanding: Vec::new(), replayed_to };
        let position = Some(position.told());
        let entry = LedgerEntry { position, actor, reason, ..LedgerEntry::default() };
        self.write(RESET, entry).await?;
        // An answer to what was delivered before must not be taken for one to what comes now.
        self.close_members(ConsumeClosedReason::Reset);
        self.scan = scan;
        self.dispatch.reset(to, replayed_to);
        self.parked.retain(|_, (parked, _)| parked.offset < to);
        (self.storing, self.last_stored, self.dirty) = (None, to, false);
        self.report()
    }

    fn all_parked(&self) -> AllParked {
        AllParked { orders: self.parked.clone(), ..self.no_parked() }
    }

    /// The number of orders that are delivered again.
    async fn replay(
        &mut self,
        orders: Vec<(OrderName, u64)>,
        said: &Said,
    ) -> Result<u64, DeliveryError> {
        let orders = self.still_parked(orders);
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
        }
        Ok(crate::num::u64_from(orders.len()))
    }

    /// The number of events that are left out.
    async fn skip(
        &mut self,
        orders: Vec<(OrderName, u64)>,
        all_waiting: bool,
        said: &Said,
    ) -> Result<u64, DeliveryError> {
        let orders = self.still_parked(orders);
        let mut skipped_count = 0;
        for part in orders.chunks(self.together()) {
            let (ledger, all) = (Arc::clone(&self.ledger), self.parked_of(part));
            let found = blocking(move || find_next(&ledger, &all, all_waiting)).await?;
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
        }
        Ok(skipped_count)
    }

    /// Those that are parked where they were when somebody decided.
    fn still_parked(&self, orders: Vec<(OrderName, u64)>) -> Vec<OrderName> {
        let is_there = |order: &OrderName, offset: u64| {
            self.parked.get(order).is_some_and(|(parked, _)| parked.offset == offset)
        };
        let there = orders.into_iter().filter(|(order, offset)| is_there(order, *offset));
        there.map(|(order, _)| order).collect()
    }

    fn parked_of(&self, orders: &[OrderName]) -> AllParked {
        let parked = |order: &OrderName| Some((Arc::clone(order), self.parked.get(order)?.clone()));
        AllParked { orders: orders.iter().filter_map(parked).collect(), ..self.no_parked() }
    }

    fn no_parked(&self) -> AllParked {
        AllParked {
            orders: HashMap::new(),
            scanned_to: self.scan.scanned_to(),
            wanted: self.settings.wanted.clone(),
        }
    }
}

/// What is left out of one order, and where it goes on.
struct Skip {
    order: OrderName,
    skipped: SkippedEvents,
    next: Option<EntryPlace>,
    count: u64,
}

fn find_next(ledger: &Ledger, all: &AllParked, all_waiting: bool) -> Result<Vec<Skip>, QueryError> {
    let find = |(order, (parked, _)): (&OrderName, &(ParkedAt, u64))| {
        let (mut next, mut count) = (None, 1);
        if all_waiting {
            count = all.waiting(ledger, parked)?;
        } else {
            let range = (parked.offset + 1, all.scanned_to);
            let (found, _) = ledger.wanted_of_order(order, range, (all.wanted.as_deref(), 1))?;
            next = found.first().copied();
        }
        let skipped = SkippedEvents {
            correlation_id: order.to_string(),
            from_offset: parked.offset,
            to_offset: next.map_or(all.scanned_to, |next| next.offset()),
        };
        Ok(Skip { order: Arc::clone(order), skipped, next, count })
    };
    all.orders.iter().map(find).collect()
}
