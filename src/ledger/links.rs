//! All that a state of an order is folded from: its own events, those of histories that it has
//! linked, and what other orders say about it. Does not know how it is folded.

use std::collections::HashSet;

use super::error::QueryError;
use super::{AsOf, Ledger};
use crate::event::RecordedEvent;
use crate::log::order_hash;
use crate::num::u64_from;
use crate::order::{UNRESOLVED_PREFIX, link_targets, said_about};
use crate::proto::{OrderRelationKind, RelatedOrder};
use crate::view::{histories_of, targets_of};

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
    /// [`QueryError::BeyondHead`], and where log or views cannot be read.
    pub fn history(&self, correlation_id: &str, as_of: AsOf) -> Result<FullHistory, QueryError> {
        let basis = self.basis(as_of)?;
        let mut events = self.own(correlation_id, basis)?;
        let own_revision = u64_from(events.len());
        if !targets_of(&events).is_empty() {
            for history in histories_of(correlation_id, &events) {
                events.extend(self.own(&history, basis)?);
            }
        }
        let mut incoming = Vec::new();
        let hash = order_hash(correlation_id.as_bytes());
        for other in self.views.candidates((&hash, correlation_id), basis)? {
            let own = self.own(&other, basis)?;
            let mut said = said_about(correlation_id, (&other, &own));
            let later = own.iter().filter(|recorded| !as_of.includes(recorded));
            let later: HashSet<u64> = later.map(|recorded| recorded.offset).collect();
            said.retain(|one| is_link(one) || !later.contains(&one.offset));
            incoming.append(&mut said);
        }
        events.retain(|recorded| as_of.includes(recorded));
        Ok(FullHistory { own_revision, events, incoming, basis })
    }

    /// The orders that a part of the log changed, by their first event in it: those of its events,
    /// those that have linked one of these histories, and those that an event names.
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
                let hash = order_hash(order.as_bytes());
                let linking = self.views.candidates((&hash, order), basis)?;
                linking.into_iter().for_each(&mut change);
            }
            change(order.to_owned());
            link_targets(&recorded.event).into_iter().for_each(&mut change);
        }
        Ok(changed)
    }

    fn own(&self, correlation_id: &str, basis: u64) -> Result<Vec<RecordedEvent>, QueryError> {
        self.read(correlation_id, &self.locate_at(correlation_id, basis)?)
    }
}

fn is_link(related: &RelatedOrder) -> bool {
    related.relation() == OrderRelationKind::LinkedTo
}
