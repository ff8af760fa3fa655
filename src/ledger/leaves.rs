//! The leaves of the log for whoever keeps a tree over it: what the writer has just made from
//! memory, what is older from the log. Does not know trees.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Ledger;
use super::error::QueryError;
use super::replay::CHUNK_LEN;
use crate::log::Hash;
use crate::num::u64_from;

/// Leaves that wait in memory; beyond, they are read from the log again.
const WAITING_MAX: usize = 128 * 1024;

/// A leaf, and the order that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderLeaf {
    pub(crate) order: Hash,
    pub(crate) leaf: Hash,
}

/// Where the writer puts leaves, while somebody wants them.
#[derive(Debug, Default)]
pub(super) struct LeafFeed {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: bool,
    /// The offset of the first that waits.
    first: u64,
    waiting: Vec<OrderLeaf>,
    poked: bool,
}

impl LeafFeed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the leaves of a block whose first entry is at `offset`, when they are durable.
    pub(super) fn extend(&self, offset: u64, leaves: impl Iterator<Item = OrderLeaf>) {
        let mut state = self.state();
        if !state.wanted {
            return;
        }
        let begins = state.waiting.is_empty();
        if begins || state.waiting.len() >= WAITING_MAX {
            state.waiting.clear();
            state.first = offset;
        }
        state.waiting.extend(leaves);
        drop(state);
        if begins {
            self.changed.notify_one();
        }
    }
}

impl Ledger {
    /// Takes the ledger's leaves for the caller alone; `false` where somebody has them.
    pub(crate) fn claim_leaves(&self) -> bool {
        !std::mem::replace(&mut self.leaves.state().wanted, true)
    }

    /// Gives them back.
    pub(crate) fn release_leaves(&self) {
        *self.leaves.state() = State::default();
    }

    /// Calls `each` with leaves from an offset on, without a gap; answers the offset behind the
    /// last one. It is `from` only where that is the head. Leaves before those that wait are read
    /// in parts: call it again.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn take_leaves(
        &self,
        from: u64,
        mut each: impl FnMut(OrderLeaf),
    ) -> Result<u64, QueryError> {
        let head = self.head();
        let (first, waiting) = {
            let mut state = self.leaves.state();
            let first = if state.waiting.is_empty() { head } else { state.first };
            if first <= from {
                (first, std::mem::take(&mut state.waiting))
            } else {
                (first, Vec::new())
            }
        };
        if first > from {
            return self.read_leaves((from, first), each);
        }
        let mut next = first;
        for leaf in waiting {
            if next >= from {
                each(leaf);
            }
            next += 1;
        }
        Ok(next.max(from))
    }

    /// The same from the log alone, at most up to `to`.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn read_leaves(
        &self,
        (from, to): (u64, u64),
        mut each: impl FnMut(OrderLeaf),
    ) -> Result<u64, QueryError> {
        let head = self.head_now().point;
        let mut at = self.views.seek(from)?;
        let mut next = from;
        while next == from && at.offset < to.min(head.offset) {
            let blocks = self.reader.blocks(at, head, CHUNK_LEN)?;
            blocks.each(|placed| {
                let entry = placed.entry;
                if entry.offset == next && next < to {
                    let order = crate::log::order_hash(entry.correlation_id);
                    each(OrderLeaf { order, leaf: entry.leaf_hash_of(&order) });
                    next += 1;
                }
            })?;
            at = blocks.next;
        }
        Ok(next)
    }

    /// The leaf hashes of all entries from one offset to another.
    ///
    /// # Errors
    /// Where log or views cannot be read.
    pub(crate) fn leaf_hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, QueryError> {
        let mut hashes = Vec::with_capacity(crate::num::usize_from(u64::min(to - from, 1 << 16)));
        let mut next = from;
        while next < to {
            let reached = self.read_leaves((next, to), |leaf| hashes.push(leaf.leaf))?;
            if reached == next {
                let head = self.head();
                return Err(QueryError::BeyondHead { offset: to, head });
            }
            next = reached;
        }
        debug_assert_eq!(u64_from(hashes.len()), to - from, "each entry has one leaf");
        Ok(hashes)
    }

    /// Waits until leaves come or somebody pokes; answers whether somebody did.
    pub(crate) fn wait_for_leaves(&self, until: Option<Instant>) -> bool {
        self.wait_for(until, |state| state.poked || !state.waiting.is_empty())
    }

    /// Waits until somebody pokes; answers whether somebody did.
    pub(crate) fn wait_for_poke(&self, until: Instant) -> bool {
        self.wait_for(Some(until), |state| state.poked)
    }

    /// Wakes who waits for leaves.
    pub(crate) fn poke(&self) {
        self.leaves.state().poked = true;
        self.leaves.changed.notify_one();
    }

    fn wait_for(&self, until: Option<Instant>, ready: impl Fn(&State) -> bool) -> bool {
        let mut state = self.leaves.state();
        while !ready(&state) {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            let changed = &self.leaves.changed;
            state = match left {
                Some(left) => {
                    changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        std::mem::take(&mut state.poked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::ledger::{Batch, Options};
    use crate::proto::OrderEvent;

    fn told(id: usize) -> Event {
        let event = OrderEvent {
            correlation_id: format!("erp/{}", id % 7),
            source: "erp".into(),
            event_id: id.to_string(),
            r#type: "order.created".into(),
            ..OrderEvent::default()
        };
        Event::new(&event).unwrap()
    }

    /// Whatever was in memory, what comes is every leaf once. Seen red with leaves dropped where
    /// they begin before what is asked for.
    #[test]
    fn leaves_come_without_gap_from_memory_or_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder, Options::default()).unwrap();
        let append = |ids: std::ops::Range<usize>| {
            let appended = ledger.append(Batch::of(ids.map(told))).unwrap();
            appended.outcomes.into_iter().map(|one| one.receipt().leaf_hash).collect::<Vec<_>>()
        };
        let mut expected = append(0..10);
        assert!(ledger.claim_leaves());
        assert!(!ledger.claim_leaves());
        expected.extend(append(10..20));
        let take = |from: u64| {
            let (mut next, mut taken) = (from, Vec::new());
            loop {
                let reached = ledger.take_leaves(next, |leaf| taken.push(leaf.leaf)).unwrap();
                if reached == next {
                    return taken;
                }
                next = reached;
            }
        };
        assert_eq!(take(0), expected, "first from the log, then from memory");
        assert_eq!(take(20), Vec::<Hash>::new());
        assert_eq!(take(3), expected[3..], "again, from the log alone");
        expected.extend(append(20..25));
        expected.extend(append(25..30));
        assert_eq!(take(23), expected[23..], "what waits begins before it");
        assert_eq!(ledger.leaf_hashes(4, 29).unwrap(), expected[4..29]);
        assert!(ledger.leaf_hashes(4, 31).is_err());
        ledger.poke();
        assert!(ledger.wait_for_leaves(None), "poked");
        append(30..31);
        assert!(!ledger.wait_for_leaves(None), "a leaf came");
        ledger.release_leaves();
        assert!(ledger.claim_leaves());
    }
}
