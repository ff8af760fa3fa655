//! All that a state of an order is folded from: its own events, those of histories that it has
//! linked, and what other orders say about it. Does not know how it is folded.

use std::collections::{BTreeSet, HashSet};

use super::error::QueryError;
use super::{AsOf, Ledger};
use crate::event::RecordedEvent;
use crate::log::order_hash;
use crate::num::u64_from;
use crate::order::{UNRESOLVED_PREFIX, link_targets, links, said_about};
use crate::proto::{OrderRelationKind, RelatedOrder};
use crate::view::{histories_of, names_others, targets_of};

/// Events up to which an order is short: it is read in less time than another thread takes to wake.
const SHORT_EVENTS_MAX: usize = 64;

/// The type of an event that says that an earlier one was wrong.
const CORRECTION: &str = "event.corrected";

/// All that a state of an order is folded from, at a basis.
#[derive(Clone, Debug, PartialEq)]
pub struct FullHistory {
    /// The number of the order's own events at the basis.
    pub own_revision: u64,
    /// The order's own events, and behind them those of histories that it has linked; without those
    /// that the question leaves out because they occurred later.
    pub events: Vec<RecordedEvent>,
    /// What other orders say about this one.
    pub incoming: Vec<RelatedOrder>,
    /// The head that the answer reflects.
    pub basis: u64,
}

impl Ledger {
    /// All that a state of an order is folded from. Links count from the offset on at which they
    /// were told, whenever what they link occurred; splits and merges count when they occurred.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ledger = order_ledger::Ledger::open(&folder, Default::default())?;
    /// let history = ledger.history("erp/100045", order_ledger::AsOf::default())?;
    /// assert_eq!((history.own_revision, history.events.len()), (0, 0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QueryError::BeyondHead`], [`QueryError::InFuture`], and where log or views cannot be read.
    pub fn history(&self, correlation_id: &str, as_of: AsOf) -> Result<FullHistory, QueryError> {
        let basis = self.basis(as_of)?;
        let own = self.own(correlation_id, basis)?;
        let own_revision = u64_from(own.len());
        let histories = histories_of(correlation_id, &own);
        let mut events = included(own, as_of);
        for history in histories {
            events.extend(included(self.own(&history, basis)?, as_of));
        }
        let mut incoming = Vec::new();
        for other in self.others(correlation_id, basis)? {
            let own = self.own(&other, basis)?;
            let said = said_about(correlation_id, (&other, &own));
            incoming.extend(said.into_iter().filter(is_link));
            let said = said_about(correlation_id, (&other, &included(own, as_of)));
            incoming.extend(said.into_iter().filter(|related| !is_link(related)));
        }
        Ok(FullHistory { own_revision, events, incoming, basis })
    }

    /// The same, where it takes little: the order has few events, and has to do with no other.
    pub(crate) fn short_history(
        &self,
        correlation_id: &str,
        as_of: AsOf,
    ) -> Result<Option<FullHistory>, QueryError> {
        let basis = self.basis(as_of)?;
        let places = self.locate(correlation_id, basis)?;
        if places.len() > SHORT_EVENTS_MAX || !self.others(correlation_id, basis)?.is_empty() {
            return Ok(None);
        }
        let own = self.read(correlation_id, &places)?;
        if names_others(&own) {
            return Ok(None);
        }
        let (own_revision, incoming) = (u64_from(own.len()), Vec::new());
        Ok(Some(FullHistory { own_revision, events: included(own, as_of), incoming, basis }))
    }

    /// The other histories that belong beside an order where it is shown as a whole: those that it
    /// has linked, its parts and what it was merged with, and those that say something about it.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let ledger = order_ledger::Ledger::open(&folder, Default::default())?;
    /// let related = ledger.related_histories("erp/100045", order_ledger::AsOf::default())?;
    /// assert!(related.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QueryError::BeyondHead`], [`QueryError::InFuture`], and where log or views cannot be read.
    pub fn related_histories(
        &self,
        correlation_id: &str,
        as_of: AsOf,
    ) -> Result<BTreeSet<String>, QueryError> {
        let basis = self.basis(as_of)?;
        let own = links(&self.own(correlation_id, basis)?);
        let mut related: BTreeSet<String> = own.into_iter().map(|link| link.target).collect();
        for other in self.others(correlation_id, basis)? {
            if !said_about(correlation_id, (&other, &self.own(&other, basis)?)).is_empty() {
                related.insert(other);
            }
        }
        related.remove(correlation_id);
        Ok(related)
    }

    /// The orders that may say something about an order.
    fn others(&self, correlation_id: &str, basis: u64) -> Result<BTreeSet<String>, QueryError> {
        let hash = order_hash(correlation_id.as_bytes());
        Ok(self.views.candidates((&hash, correlation_id), basis)?)
    }

    /// The orders that a part of the log changed, by their first event in it: those of its events,
    /// those that have linked one of these histories, and those that an event names. A correction
    /// may take back whatever its order has said: it changes all that the order ever named. What is
    /// named and has no events is no order.
    pub(crate) fn changed_orders(
        &self,
        chunk: &super::Chunk,
        basis: u64,
    ) -> Result<Vec<String>, QueryError> {
        let mut seen = HashSet::new();
        let mut changed = Vec::new();
        let mut change = |order: String| {
            if seen.insert(order.clone()) {
                changed.push(order);
            }
        };
        for recorded in chunk.events()? {
            let order = recorded.event.correlation_id();
            if order.starts_with(UNRESOLVED_PREFIX) {
                self.others(order, basis)?.into_iter().for_each(&mut change);
            }
            change(order.to_owned());
            let mut named = link_targets(&recorded.event);
            if recorded.event.event_type() == CORRECTION {
                named.extend(targets_of(&self.own(order, basis)?));
            }
            for target in named {
                if !self.locate(&target, basis)?.is_empty() {
                    change(target);
                }
            }
        }
        Ok(changed)
    }

    fn own(&self, correlation_id: &str, basis: u64) -> Result<Vec<RecordedEvent>, QueryError> {
        self.read(correlation_id, &self.locate(correlation_id, basis)?)
    }
}

fn is_link(related: &RelatedOrder) -> bool {
    related.relation() == OrderRelationKind::LinkedTo
}

fn included(mut events: Vec<RecordedEvent>, as_of: AsOf) -> Vec<RecordedEvent> {
    events.retain(|recorded| as_of.includes(recorded));
    events
}
