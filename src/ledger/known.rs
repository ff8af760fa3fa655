//! What the writer knows of orders: revisions, chain heads and event ids, for the orders that were
//! touched lately. Does not know batches, and decides nothing.
//!
//! Orders live in two generations. Touching an order moves it into the young one; when that is full
//! it becomes the old one, and the old one is forgotten whole. So an order that is in neither has
//! no entry at or after `floor`, and what was looked up at or after `floor` is still true.

use std::collections::HashMap;

use crate::log::{Hash, LogReader, NO_PREVIOUS, Point};
use crate::num::u64_from;
use crate::view::{EventKey, Indexed, OrderMap, ViewError, Views};

/// Entries of a generation.
const GENERATION_ENTRIES: usize = 131_072;
/// An order with more entries finds its ids by hash instead of by looking at each.
const SCANNED_ENTRIES: usize = 32;

/// One order, whole.
#[derive(Debug)]
pub(super) struct KnownOrder {
    /// Leaf hash of the last entry.
    head: Hash,
    /// Key and place of every entry, by revision.
    entries: Vec<(EventKey, Point)>,
    by_key: HashMap<EventKey, usize>,
}

impl Default for KnownOrder {
    fn default() -> Self {
        Self { head: NO_PREVIOUS, entries: Vec::new(), by_key: HashMap::new() }
    }
}

impl KnownOrder {
    /// Looks an order up as it is below `head`.
    pub(super) fn load(
        views: &Views,
        log: &LogReader,
        (order, correlation_id): (&Hash, &[u8]),
        head: u64,
    ) -> Result<Self, ViewError> {
        Self::of(views.order(order, correlation_id, head)?, log)
    }

    /// An order of which these are all entries.
    pub(super) fn of(entries: Vec<Indexed>, log: &LogReader) -> Result<Self, ViewError> {
        let mut known = Self::default();
        for indexed in entries {
            known.push(indexed.key, indexed.place, NO_PREVIOUS);
        }
        if let Some(&(_, last)) = known.entries.last() {
            log.entries(&[last], |entry| known.head = entry.leaf_hash())?;
        }
        Ok(known)
    }

    pub(super) fn revision(&self) -> u64 {
        u64_from(self.entries.len())
    }

    /// The leaf hash that the next entry names as `previous`.
    pub(super) fn head(&self) -> &Hash {
        &self.head
    }

    /// Where the event of a key stands.
    pub(super) fn find(&self, key: &EventKey) -> Option<Point> {
        if self.entries.len() > SCANNED_ENTRIES {
            let revision = *self.by_key.get(key)?;
            return self.entries.get(revision).map(|(_, place)| *place);
        }
        self.entries.iter().find(|(known, _)| known == key).map(|(_, place)| *place)
    }

    pub(super) fn push(&mut self, key: EventKey, place: Point, leaf: Hash) {
        self.head = leaf;
        self.entries.push((key, place));
        if self.entries.len() == SCANNED_ENTRIES + 1 {
            self.by_key =
                self.entries.iter().enumerate().map(|(at, (key, _))| (*key, at)).collect();
        } else if self.entries.len() > SCANNED_ENTRIES {
            self.by_key.insert(key, self.entries.len() - 1);
        }
    }
}

/// The orders that the writer knows.
#[derive(Debug, Default)]
pub(super) struct KnownOrders {
    young: OrderMap<KnownOrder>,
    old: OrderMap<KnownOrder>,
    /// Entries of the young generation.
    young_entries: usize,
    /// The head when the young generation began.
    young_since: u64,
    /// An order in neither generation has no entry at or after this offset.
    floor: u64,
}

impl KnownOrders {
    /// Nothing is known; entries below `head` are only in the log.
    pub(super) fn starting_at(head: u64) -> Self {
        Self { young_since: head, floor: head, ..Self::default() }
    }

    /// Makes sure that an order is known: by itself, by what a caller looked up at or after the
    /// floor, or else by looking it up now.
    pub(super) fn ensure(
        &mut self,
        order: &Hash,
        looked_up: Option<(KnownOrder, u64)>,
        look_up: impl FnOnce() -> Result<KnownOrder, ViewError>,
    ) -> Result<(), ViewError> {
        if self.young.contains_key(order) {
            return Ok(());
        }
        let known = match (self.old.remove(order), looked_up) {
            (Some(known), _) => known,
            (None, Some((known, basis))) if basis >= self.floor => known,
            (None, _) => look_up()?,
        };
        // An order costs memory also when it has no entries yet.
        self.young_entries += known.entries.len() + 1;
        self.young.insert(*order, known);
        Ok(())
    }

    pub(super) fn get(&self, order: &Hash) -> Option<&KnownOrder> {
        self.young.get(order)
    }

    /// Adds an entry to an order that is known; the order's state before it.
    pub(super) fn get_mut(&mut self, order: &Hash) -> Option<&mut KnownOrder> {
        self.young_entries += 1;
        self.young.get_mut(order)
    }

    /// Forgets the old generation when the young one is full. Call it between blocks.
    pub(super) fn age(&mut self, head: u64) {
        if self.young_entries < GENERATION_ENTRIES {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        self.floor = self.young_since;
        self.young_since = head;
        self.young_entries = 0;
    }
}
